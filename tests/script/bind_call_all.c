/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind_call_all.c FIRST [MISSING]: calls all MPI_ and PMPI_ entries once, FIRST of them first, so
 * that its arguments are those which go through the lazy stub. With MISSING, the calls of MPI 4 are
 * to return that code. Linked against the fake MPI. Exit 0 if every argument and result was right.
 */
#include "bind_fakempi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

extern struct fake_seen fake_seen;

#define X(n) fake_call MPI_##n __attribute__((weak)), PMPI_##n __attribute__((weak));
#include "calls.def"
#undef X

static const struct {
	const char *name;
	fake_call *call;
	int place, mpi4;
} entries[] = {
#define X4(n) { "MPI_" #n, MPI_##n, FAKE_##n, 1 }, { "PMPI_" #n, PMPI_##n, FAKE_##n, 1 },
#define X(n) { "MPI_" #n, MPI_##n, FAKE_##n, 0 }, { "PMPI_" #n, PMPI_##n, FAKE_##n, 0 },
#include "calls.def"
#undef X
#undef X4
};
#define ENTRIES (sizeof entries / sizeof entries[0])

static int wrong;

static void expect(const char *name, const char *what, int got, int wanted)
{
	if (got == wanted)
		return;
	printf("%s: %s is %d, not %d\n", name, what, got, wanted);
	wrong = 1;
}

int main(int argc, char **argv)
{
	int first = atoi(argv[1]), missing = argc > 2 ? atoi(argv[2]) : 0;
	struct fake_struct s = { 4711, 0.25 };

	for (size_t turn = 0; turn < ENTRIES; turn++) {
		size_t i = (first + turn) % ENTRIES;
		int absent = missing && entries[i].mpi4;

		errno = ERANGE;
		expect(entries[i].name, "result", entries[i].call(FAKE_ARGS(&s)),
		       absent ? missing : 1000 + entries[i].place);
		expect(entries[i].name, "errno", errno, ERANGE);
	}
	for (size_t i = 0; i < ENTRIES; i += 2)
		expect(entries[i].name, "times arrived", fake_seen.calls[entries[i].place],
		       missing && entries[i].mpi4 ? 0 : 2 + (entries[i].place == FAKE_Iprobe));
	expect("binding", "version questions", fake_seen.versions, 1);
	expect("binding", "inner calls", fake_seen.inner, 1);
	expect("binding", "unaligned stacks", fake_seen.unaligned, 0);
	expect("binding", "backtraces to main", fake_seen.unwound, 1);
	return wrong;
}
