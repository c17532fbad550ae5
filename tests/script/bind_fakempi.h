/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind_fakempi.h: the calls of the fake MPI of bind_fakempi.c. Each takes 12 integers, of which at
 * least four travel on the stack, 8 doubles, which fill the vector argument registers, and a
 * pointer to a structure; it returns 1000 + its place in calls.def if all are intact, or else 1.
 */
#ifndef BIND_FAKEMPI_H
#define BIND_FAKEMPI_H

struct fake_struct { long tag; double value; };

typedef int fake_call(long, long, long, long, long, long, long, long, long, long, long, long,
		      double, double, double, double, double, double, double, double,
		      struct fake_struct *);

#define FAKE_ARGS(s) \
	11, -12, 13L << 40, 14, 15, -16, 17, 18L << 33, -19, 20, 21, 22, \
	1.5, -2.5, 3.5, 4e300, 5.5, 6e-300, 7.5, -8.5, s

enum {
#define X(n) FAKE_##n,
#include "calls.def"
#undef X
	FAKE_CALLS
};

/* Calls that arrived, by place in calls.def; and how binding went. */
struct fake_seen {
	int calls[FAKE_CALLS];
	int versions;		/* MPI_Get_library_version calls */
	int inner;		/* calls that it made through the public entries, which came back intact */
	int unaligned;		/* it was called with a stack that is not 16-byte aligned */
	int unwound;		/* from there, a backtrace reached main() */
};

#endif
