/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that sends 64 bytes which are those of an RTS: they must arrive as they are (DESIGN 4, "no
 * false positive, by construction").
 *
 * A real RTS is had by receiving one past the shim, by the MPI's own PMPI_Recv. The message that it spoke
 * of is then never pulled; its sender must not hang for that.
 *
 * RUN: np=2 expect="onecopy_messages|staged_messages"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0
 * RUN: np=2 VMONECOPY_THRESHOLD=64
 */
#include "t.h"

#include <dlfcn.h>
#include <link.h>

#define N 50000

/* The library of the MPI itself: its file is called libmpi... or libmpich... */
static int find_mpi(struct dl_phdr_info *info, size_t size, void *found)
{
	const char *file = strrchr(info->dlpi_name, '/');

	if (!file || (strncmp(file, "/libmpich.so", 12) && strncmp(file, "/libmpi.so", 10)))
		return 0;
	*(void **)found = dlopen(info->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
	return 1;
}

typedef int recv_fn(void *, int, MPI_Datatype, int, int, MPI_Comm, MPI_Status *);

static recv_fn *native_recv(void)
{
	void *mpi = NULL;

	dl_iterate_phdr(find_mpi, &mpi);
	CHECK(mpi);
	recv_fn *recv = (recv_fn *)dlsym(mpi, "PMPI_Recv");
	CHECK(recv && recv != MPI_Recv);
	return recv;
}

/* Rank 1 gets hold of an RTS that rank 0 sent. */
static void steal(char rts[T_RTS_BYTES])
{
	char *buf = malloc(N);
	MPI_Status status;
	int n;

	if (t_rank == 0) {
		t_fill(buf, N, 0, 1, 0);
		MPI_Send(buf, N, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
	} else {
		native_recv()(buf, N, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &status);
		MPI_Get_count(&status, MPI_BYTE, &n);
		CHECK_EQ(n, T_RTS_BYTES);
		memcpy(rts, buf, T_RTS_BYTES);
	}
	free(buf);
}

/* From `from` to the other rank, by MPI_Send, Isend, Sendrecv and with a derived type; into a larger buffer. */
static void send_forged(int from, char rts[T_RTS_BYTES], int sequence)
{
	char in[200];
	MPI_Status status;
	MPI_Request request;
	MPI_Datatype words;
	int n;

	if (t_rank == from) {
		switch (sequence % 3) {
		case 0:
			MPI_Send(rts, T_RTS_BYTES, MPI_BYTE, 1 - from, 2, MPI_COMM_WORLD);
			break;
		case 1:
			MPI_Isend(rts, T_RTS_BYTES, MPI_BYTE, 1 - from, 2, MPI_COMM_WORLD, &request);
			MPI_Wait(&request, MPI_STATUS_IGNORE);
			break;
		default:
			MPI_Type_vector(4, 2, 2, MPI_DOUBLE, &words);
			MPI_Type_commit(&words);
			MPI_Ssend(rts, 1, words, 1 - from, 2, MPI_COMM_WORLD);
			MPI_Type_free(&words);
		}
		return;
	}
	memset(in, T_POISON, sizeof in);
	if (sequence % 2) {
		MPI_Probe(from, 2, MPI_COMM_WORLD, &status);
		STATUS(&status, from, 2, T_RTS_BYTES);
	}
	MPI_Recv(in, sizeof in, MPI_BYTE, from, 2, MPI_COMM_WORLD, &status);
	MPI_Get_count(&status, MPI_BYTE, &n);
	CHECK_EQ(n, T_RTS_BYTES);
	CHECK(!memcmp(in, rts, T_RTS_BYTES));
	UNTOUCHED(in + T_RTS_BYTES, sizeof in - T_RTS_BYTES);
}

/* And ordinary traffic goes on. */
static void large(int sequence)
{
	struct t_buf buf = t_new(N, 0);

	if (t_rank == 0) {
		t_fill(buf.at, N, 0, 3, sequence);
		MPI_Send(buf.at, N, MPI_BYTE, 1, 3, MPI_COMM_WORLD);
	} else {
		MPI_Recv(buf.at, N, MPI_BYTE, 0, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		GOT(&buf, N, 0, 3, sequence);
	}
	t_free(&buf);
}

int main(int argc, char **argv)
{
	char rts[T_RTS_BYTES] = "";

	t_begin(&argc, &argv, 40);
	steal(rts);
	/* rank 0 may know it as well: told in two halves, which are no RTS */
	if (t_rank == 1) {
		MPI_Send(rts, 32, MPI_BYTE, 0, 4, MPI_COMM_WORLD);
		MPI_Send(rts + 32, 32, MPI_BYTE, 0, 4, MPI_COMM_WORLD);
	} else {
		MPI_Recv(rts, 32, MPI_BYTE, 1, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Recv(rts + 32, 32, MPI_BYTE, 1, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	}
	for (int i = 0; i < 12; i++) {
		send_forged(i / 6, rts, i);
		large(i);
	}
	return t_end();
}
