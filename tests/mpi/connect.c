/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections within one job (MPI 3.1, 10.4 and 10.5.4): two ranks of one MPI_COMM_WORLD meet again over a port and
 * over a socket. Whether the MPI says that they are the same processes or not, large messages arrive.
 * (MPICH 4.0.2 over UCX can neither open a port nor spawn.)
 *
 * RUN: np=2 mpi=openmpi args=port expect="connected"
 * RUN: np=2 mpi=openmpi args=port VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="connected"
 * RUN: np=2 mpi=openmpi args=join expect="connected"
 */
#include "t.h"

#include <sys/socket.h>
#include <sys/un.h>

#define N 100000

static void exchange(MPI_Comm comm, int peer, int tag)
{
	struct t_buf out = t_new(N, 0), in = t_new(N, 8);
	MPI_Request request[2];
	MPI_Status status[2];

	t_fill(out.at, N, t_rank, tag, 0);
	MPI_Irecv(in.at, N, MPI_BYTE, peer, tag, comm, &request[0]);
	MPI_Isend(out.at, N, MPI_BYTE, peer, tag, comm, &request[1]);
	MPI_Waitall(2, request, status);
	STATUS(&status[0], peer, tag, N);
	GOT(&in, N, 1 - t_rank, tag, 0);
	MPI_Isend(out.at, N, MPI_BYTE, peer, tag, comm, &request[1]);
	t_poison(&in);
	MPI_Probe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status[0]);
	STATUS(&status[0], peer, tag, N);
	MPI_Recv(in.at, N, MPI_BYTE, peer, tag, comm, &status[0]);
	GOT(&in, N, 1 - t_rank, tag, 0);
	MPI_Wait(&request[1], MPI_STATUS_IGNORE);
	t_free(&out);
	t_free(&in);
}

static void use(MPI_Comm inter)
{
	MPI_Comm both;
	int me;

	exchange(inter, 0, 1);
	MPI_Intercomm_merge(inter, t_rank, &both);
	MPI_Comm_rank(both, &me);
	exchange(both, 1 - me, 2);
	MPI_Comm_free(&both);
	exchange(inter, 0, 3);
	MPI_Comm_disconnect(&inter);
	if (t_rank == 0)
		puts("connected");
}

static void port(void)
{
	char name[MPI_MAX_PORT_NAME];
	MPI_Comm inter;

	if (t_rank == 0) {
		MPI_Open_port(MPI_INFO_NULL, name);
		MPI_Send(name, MPI_MAX_PORT_NAME, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
		MPI_Comm_accept(name, MPI_INFO_NULL, 0, MPI_COMM_SELF, &inter);
	} else {
		MPI_Recv(name, MPI_MAX_PORT_NAME, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Comm_connect(name, MPI_INFO_NULL, 0, MPI_COMM_SELF, &inter);
	}
	use(inter);
	if (t_rank == 0)
		MPI_Close_port(name);
}

/* MPI_Comm_join wants a stream that both have. */
static int stream(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), mine = fd;

	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "vmo-join-%s", getenv("XENEMU_DIR"));
	if (t_rank == 0) {
		CHECK(!bind(fd, (struct sockaddr *)&address, sizeof address) && !listen(fd, 1));
		t_token_send(1);
		mine = accept(fd, NULL, NULL);
		close(fd);
	} else {
		t_token_recv(0);
		CHECK(!connect(fd, (struct sockaddr *)&address, sizeof address));
	}
	return mine;
}

static void join(void)
{
	MPI_Comm inter = MPI_COMM_NULL;
	int fd = stream();

	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
	if (MPI_Comm_join(fd, &inter) == MPI_SUCCESS && inter != MPI_COMM_NULL)
		use(inter);
	close(fd);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 20);
	if (argc > 1 && !strcmp(argv[1], "join"))
		join();
	else
		port();
	return t_end();
}
