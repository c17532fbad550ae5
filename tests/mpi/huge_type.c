/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A receive may name a type far larger than the message (MPI 3.1, 3.2.4), here 3 GB made in two steps of
 * which the inner was never committed: the message comes whole, with its true length.
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="ok"
 */
#include "t.h"

#include <sys/mman.h>

#define N (1 << 20)
#define HUGE_BYTES ((size_t)3 << 30)

int main(int argc, char **argv)
{
	MPI_Datatype inner, outer;
	MPI_Status status;
	MPI_Count bytes;
	char *buf;

	t_begin(&argc, &argv, 30);
	MPI_Type_contiguous(1 << 20, MPI_BYTE, &inner);
	MPI_Type_contiguous(3 << 10, inner, &outer);
	MPI_Type_commit(&outer);
	buf = mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(buf != MAP_FAILED);
	for (int round = 0; round < 3; round++) {
		if (t_rank == 0) {
			for (int i = 0; i < N; i++)
				buf[i] = (char)(i * 7 + (i >> 10) + round);
			MPI_Send(buf, N, MPI_BYTE, 1, round, MPI_COMM_WORLD);
			continue;
		}
		if (round == 1) {
			MPI_Request request;
			MPI_Irecv(buf, 1, outer, 0, round, MPI_COMM_WORLD, &request);
			MPI_Wait(&request, &status);
		} else {
			MPI_Recv(buf, 1, outer, 0, round, MPI_COMM_WORLD, &status);
		}
		MPI_Get_elements_x(&status, MPI_BYTE, &bytes);
		CHECK(bytes == N);
		for (int i = 0; i < N; i++)
			CHECK(buf[i] == (char)(i * 7 + (i >> 10) + round));
	}
	MPI_Type_free(&outer);
	MPI_Type_free(&inner);
	munmap(buf, HUGE_BYTES);
	return t_end();
}
