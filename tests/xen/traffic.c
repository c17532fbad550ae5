/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * traffic.c: large messages between rank 0 and every other rank, each byte of each message checked. Plain MPI.
 *
 *   traffic [sizes=1000000,65536] [count=20] [pattern=exchange] [late_ms=0] [die=-1]
 *
 *   exchange  rank 0 sends and gets an answer, out of one buffer per size: what substitution is for
 *   late      receivers post MPI_Irecv and look at it late_ms later; rank 0 overwrites its buffer as soon as MPI_Send
 *             returns: what detach is for
 *   fan       rank 0 sends one buffer to all others at once, by MPI_Isend
 *   fresh     each message out of a new buffer: what staging is for
 *
 * die=R: rank R kills itself with SIGKILL after half of the messages. Exit status 3: a payload was wrong.
 */
#include <mpi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long sizes[16] = {1000000, 65536};
static int n_sizes = 2, count = 20, late_ms, die = -1;
static const char *pattern = "exchange";
static int rank, ranks;
static long wrong;

static void fill(unsigned char *at, long bytes, int number, int from)
{
	uint32_t word = (uint32_t)number * 2654435761u + (uint32_t)from * 40503u + (uint32_t)bytes;

	for (long i = 0; i < bytes; i++) {
		word = word * 1664525u + 1013904223u;
		at[i] = (unsigned char)(word >> 24);
	}
}

static void check(const unsigned char *at, long bytes, int number, int from)
{
	unsigned char *expected = malloc((size_t)bytes);

	fill(expected, bytes, number, from);
	if (memcmp(at, expected, (size_t)bytes) && wrong++ < 5)
		fprintf(stderr, "traffic: rank %d: message %d of %ld bytes from rank %d is wrong\n", rank, number, bytes, from);
	free(expected);
}

static void maybe_die(int number)
{
	if (rank == die && number == count / 2)
		raise(SIGKILL);
}

static void check_status(MPI_Status *status, long bytes, int from)
{
	int got = -1;

	MPI_Get_count(status, MPI_BYTE, &got);
	if (got != bytes || status->MPI_SOURCE != from)
		wrong++;
}

static void get(unsigned char *in, long bytes, int number, int from)
{
	MPI_Status status;

	memset(in, 0xee, (size_t)bytes);
	MPI_Recv(in, (int)bytes, MPI_BYTE, from, 1, MPI_COMM_WORLD, &status);
	check(in, bytes, number, from);
	check_status(&status, bytes, from);
}

static void exchange(unsigned char *out, unsigned char *in, long bytes, int number)
{
	fill(out, bytes, number, rank);
	for (int r = 1; r < ranks; r++) {
		if (rank == 0) {
			MPI_Send(out, (int)bytes, MPI_BYTE, r, 1, MPI_COMM_WORLD);
			get(in, bytes, number, r);
		} else if (rank == r) {
			get(in, bytes, number, 0);
			maybe_die(number);
			MPI_Send(out, (int)bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
		}
	}
}

static void late(unsigned char *out, unsigned char *in, long bytes, int number)
{
	MPI_Request request;
	MPI_Status status;

	if (rank == 0) {
		for (int r = 1; r < ranks; r++) {
			fill(out, bytes, number, 0);
			MPI_Send(out, (int)bytes, MPI_BYTE, r, 1, MPI_COMM_WORLD);
			memset(out, 0x55, (size_t)bytes);
		}
	} else {
		MPI_Irecv(in, (int)bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &request);
		usleep((useconds_t)late_ms * 1000);
		MPI_Wait(&request, &status);
		check(in, bytes, number, 0);
		check_status(&status, bytes, 0);
	}
	MPI_Barrier(MPI_COMM_WORLD);
}

static void fan(unsigned char *out, unsigned char *in, long bytes, int number)
{
	MPI_Request request[64];
	MPI_Status status[64];

	fill(out, bytes, number, 0);
	if (rank) {
		get(in, bytes, number, 0);
		return;
	}
	for (int r = 1; r < ranks; r++)
		MPI_Isend(out, (int)bytes, MPI_BYTE, r, 1, MPI_COMM_WORLD, &request[r - 1]);
	MPI_Waitall(ranks - 1, request, status);
}

static void fresh(unsigned char *out, unsigned char *in, long bytes, int number)
{
	unsigned char *other = malloc((size_t)bytes), *gap = malloc(5000);

	(void)out;
	exchange(other, in, bytes, number);
	free(gap);
	free(other);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=') + 1;

		if (!strncmp(argv[i], "sizes=", 6)) {
			n_sizes = 0;
			for (char *s = strtok(value, ","); s && n_sizes < 16; s = strtok(NULL, ","))
				sizes[n_sizes++] = atol(s);
		}
		if (!strncmp(argv[i], "count=", 6))
			count = atoi(value);
		if (!strncmp(argv[i], "late_ms=", 8))
			late_ms = atoi(value);
		if (!strncmp(argv[i], "die=", 4))
			die = atoi(value);
		if (!strncmp(argv[i], "pattern=", 8))
			pattern = value;
	}
}

int main(int argc, char **argv)
{
	void (*step)(unsigned char *, unsigned char *, long, int);
	long all = 0;

	MPI_Init(&argc, &argv);
	parse(argc, argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	step = !strcmp(pattern, "late") ? late : !strcmp(pattern, "fan") ? fan : !strcmp(pattern, "fresh") ? fresh : exchange;
	for (int s = 0; s < n_sizes; s++) {
		unsigned char *out = malloc((size_t)sizes[s]), *in = malloc((size_t)sizes[s]);

		for (int number = 0; number < count; number++)
			step(out, in, sizes[s], number);
		free(out);
		free(in);
	}
	MPI_Reduce(&wrong, &all, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	if (rank == 0)
		printf("traffic: %d ranks, %d messages of each size, %ld wrong\n", ranks, count, all);
	MPI_Finalize();
	return wrong || all ? 3 : 0;
}
