/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs on several hosts: ranks are emulated as on host rank / (np / hosts), or with `mixed` on rank % hosts; what is
 * granted on one cannot be mapped on another, and domids are the same on each. Every rank sends a large message to every
 * other, on MPI_COMM_WORLD and on one with the ranks reversed: all come, those within a host by the library, those between
 * hosts by MPI, and the report says so, and names VMs by their ranks in MPI_COMM_WORLD.
 *
 * RUN: np=8 args="1" XENEMU_DOMAINS=4 expect="pulled_messages 96\n" expect="fell_through.same_vm 16 messages"
 * RUN: np=8 args="2" XENEMU_DOMAINS=2 expect="pulled_messages 32\n" expect="fell_through.same_vm 16 messages" expect="fell_through.not_coresident 64 messages" expect="from domain 1 .rank 4, \S+ to domain 2 .rank 5.: 8 messages" expect="from domain 2 .rank 1, \S+ to VMs of other hosts: 16 messages"
 * RUN: np=8 args="2 mixed" XENEMU_DOMAINS=4 expect="pulled_messages 32\n" expect="fell_through.same_vm 16 messages" expect="fell_through.not_coresident 64 messages" expect="from domain 1 .rank 0, \S+ to domain 3 .rank 2.: 8 messages"
 * RUN: np=6 args="3" XENEMU_DOMAINS=6 expect="pulled_messages 12\n" expect="fell_through.not_coresident 48 messages"
 * RUN: np=4 args="4" XENEMU_DOMAINS=4 expect="INACTIVE: no other VM of this job is on this host"
 * RUN: np=4 args="2" XENEMU_DOMAINS=1 expect="INACTIVE: all ranks that run on Xen are in one VM"
 */
#include "t.h"

#include <sys/stat.h>

#define N 40000

/* Before MPI_Init: the directory of this rank's host. */
static void enter_host(int hosts, bool mixed)
{
	const char *variables[] = { "PMI_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE" };
	const char *rank = getenv(variables[0]) ? getenv(variables[0]) : getenv(variables[2]);
	const char *size = getenv(variables[1]) ? getenv(variables[1]) : getenv(variables[3]);
	char directory[4096];

	if (!rank || !size)
		FAIL("the launcher tells neither rank nor size");
	int host = mixed ? atoi(rank) % hosts : atoi(rank) / (atoi(size) / hosts);
	snprintf(directory, sizeof directory, "%s/%d", getenv("XENEMU_DIR"), host);
	mkdir(directory, 0700);
	setenv("XENEMU_DIR", directory, 1);
}

static void to_all(MPI_Comm comm)
{
	MPI_Request request[16];
	int rank, size, n = 0;

	MPI_Comm_rank(comm, &rank);
	MPI_Comm_size(comm, &size);
	char *in = malloc((size_t)size * N), *out = malloc((size_t)size * N);
	for (int r = 0; r < size; r++) {
		if (r == rank)
			continue;
		memset(out + (size_t)r * N, 1 + rank * size + r, N);
		MPI_Irecv(in + (size_t)r * N, N, MPI_BYTE, r, 7, comm, &request[n++]);
	}
	for (int r = 0; r < size; r++)
		if (r != rank)
			MPI_Isend(out + (size_t)r * N, N, MPI_BYTE, r, 7, comm, &request[n++]);
	MPI_Waitall(n, request, MPI_STATUSES_IGNORE);
	for (int r = 0; r < size; r++)
		for (int i = 0; r != rank && i < N; i++)
			if (in[(size_t)r * N + (size_t)i] != (char)(1 + r * size + rank))
				FAIL("byte %d from %d is wrong", i, r);
	free(in);
	free(out);
}

int main(int argc, char **argv)
{
	MPI_Comm reversed;

	enter_host(atoi(argv[1]), argc > 2);
	t_begin(&argc, &argv, 50);
	to_all(MPI_COMM_WORLD);
	MPI_Comm_split(MPI_COMM_WORLD, 0, -t_rank, &reversed);
	to_all(reversed);
	MPI_Comm_free(&reversed);
	return t_end();
}
