/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verify.h: what a message holds, and what is said when it does not.
 *
 * PAYLOAD is a function of (seed, source, tag, message, offset): struct msg's key is made of the first
 * four, so bytes of another message or of another place in this one never pass for the right ones.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <mpi.h>

#include "plan.h"

#define POISON 0xee

/* Where this rank is; fail() and the watchdog say it. */
struct where {
	unsigned long long seed;
	int rank, ranks, step, last_step;
	const struct msg *msg;		/* or NULL */
	const char *act;		/* the MPI call that it is in */
	bool verbose;
	bool spoil;			/* a byte of each message of this seed, to see that it is noticed */
	int (*pending)(char *text, size_t room);	/* says what is under way; or NULL */
	const char *reproduce;		/* the command to run, without the seed; or NULL */
};
extern struct where where;

/* Says seed, step, message and the text, how to see it again, and ends the job. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* From now on a seed that takes longer is a failure. */
void watchdog(unsigned seconds);
/* Ends the job if rc is an error. */
void check_call(int rc, const char *call);

/* A question that goes to nobody else: where.act stays. */
#define ASK(...) check_call(__VA_ARGS__, #__VA_ARGS__)

#define DO(...) do { \
	where.act = #__VA_ARGS__; \
	check_call(__VA_ARGS__, #__VA_ARGS__); \
} while (0)

/* Bytes [0, n) of a message. */
void payload(uint64_t key, char *to, long n);
uint64_t hash_bytes(const char *data, long n);
/* Offset of the first byte that is not the poison, or -1. */
long first_touched(const char *at, long n);
/* Offset of the first difference, or -1. */
long first_difference(const char *a, const char *b, long n);

#endif
