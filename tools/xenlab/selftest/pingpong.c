/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ring of all ranks: each message goes once around, every rank checks every byte and changes it.
 * With two ranks that is a ping-pong. Prints the time around; exits 1 on a wrong byte.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static const int sizes_bytes[] = {0, 8, 4096, 65536, 1 << 20, 16 << 20};

static unsigned char byte_at(int position, int hop)
{
    return (unsigned char)(position * 7 + position / 4096 + hop);
}

static void fill(unsigned char *buffer, int bytes, int hop)
{
    for (int i = 0; i < bytes; i++)
        buffer[i] = byte_at(i, hop);
}

static int wrong_bytes(const unsigned char *buffer, int bytes, int hop)
{
    int wrong = 0;

    for (int i = 0; i < bytes; i++)
        wrong += buffer[i] != byte_at(i, hop);
    return wrong;
}

static int once_around(unsigned char *buffer, int bytes, int rank, int ranks)
{
    int wrong;

    if (rank == 0) {
        fill(buffer, bytes, 0);
        MPI_Send(buffer, bytes, MPI_BYTE, 1 % ranks, 5, MPI_COMM_WORLD);
    }
    MPI_Recv(buffer, bytes, MPI_BYTE, (rank + ranks - 1) % ranks, 5, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
    wrong = wrong_bytes(buffer, bytes, (rank + ranks - 1) % ranks);
    if (rank != 0) {
        fill(buffer, bytes, rank);
        MPI_Send(buffer, bytes, MPI_BYTE, (rank + 1) % ranks, 5, MPI_COMM_WORLD);
    }
    return wrong;
}

int main(int argc, char **argv)
{
    int rank, ranks, length, wrong = 0, all_wrong;
    char name[MPI_MAX_PROCESSOR_NAME];
    unsigned char *buffer = malloc(16 << 20);

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    MPI_Get_processor_name(name, &length);
    printf("rank %d of %d on %s, GREETING=%s\n", rank, ranks, name, getenv("GREETING"));
    for (unsigned i = 0; i < sizeof sizes_bytes / sizeof *sizes_bytes; i++) {
        double begin = MPI_Wtime();

        wrong += once_around(buffer, sizes_bytes[i], rank, ranks);
        if (rank == 0)
            printf("%9d bytes around in %8.2f ms\n", sizes_bytes[i], (MPI_Wtime() - begin) * 1e3);
        fflush(stdout);
    }
    MPI_Allreduce(&wrong, &all_wrong, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        printf("wrong bytes: %d\n", all_wrong);
    MPI_Finalize();
    return all_wrong != 0;
}
