/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every send mode against every receive: sizes around the thresholds and page boundaries, buffers at
 * odd places of a page. Data, rest of the receive buffer, guards, status and count (MPI 3.1, 3.2, 3.4,
 * 3.7.2) are right.
 *
 * RUN: np=2 expect="(onecopy|staged)_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 expect="onecopy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_SUBSTITUTE=0 expect="staged_bytes [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="late_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_ADMISSION=1 expect="grant_copy_bytes [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 expect="refusals [1-9]"
 * RUN: np=2 VMONECOPY_MAP_BUDGET=0 VMONECOPY_GRANT_COPY=0 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="refusals [1-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 expect="(onecopy|staged)_messages [1-9][0-9][0-9]"
 * RUN: np=2 VMONECOPY_THRESHOLD=64 VMONECOPY_ADMISSION=1 VMONECOPY_PATIENCE_US=0 expect="late_bytes [1-9]"
 * RUN: np=2 VMONECOPY_RUN=4K VMONECOPY_ADMISSION=1
 * RUN: np=2 XENEMU_LIMIT=100 expect="fell_through.no_pool [1-9]"
 * RUN: np=2 VMONECOPY_ADMISSION=1 VMONECOPY_MEMHOOKS=0 expect="staged_bytes [1-9]" expect="\A(?![\s\S]* onecopy_bytes)"
 */
#include "t.h"

enum mode { SEND, SSEND, RSEND, BSEND, ISEND, ISSEND, IRSEND, IBSEND, MODES };

static const int sizes[] = {
	0, 1, 63, 64, 65, 127, 128, 1000, 4095, 4096, 4097, 8191, 8192, 8193, 12345, 16383, 16384, 16385, 20479,
	20480, 20481, 65535, 65536, 65537, 262157, 1 << 20, (1 << 20) + 4095,
};
#define SIZES ((int)(sizeof sizes / sizeof sizes[0]))
#define LARGEST ((1 << 20) + 4095)

static const struct { size_t from, to; } skews[] = { { 0, 0 }, { 64, 4032 }, { 1, 4095 }, { 2049, 13 } };
#define SKEWS 4

static void send_by(enum mode mode, const void *buf, int n, int to, int tag)
{
	MPI_Request request = MPI_REQUEST_NULL;
	MPI_Comm world = MPI_COMM_WORLD;

	switch (mode) {
	case SEND: MPI_Send(buf, n, MPI_BYTE, to, tag, world); break;
	case SSEND: MPI_Ssend(buf, n, MPI_BYTE, to, tag, world); break;
	case RSEND: MPI_Rsend(buf, n, MPI_BYTE, to, tag, world); break;
	case BSEND: MPI_Bsend(buf, n, MPI_BYTE, to, tag, world); break;
	case ISEND: MPI_Isend(buf, n, MPI_BYTE, to, tag, world, &request); break;
	case ISSEND: MPI_Issend(buf, n, MPI_BYTE, to, tag, world, &request); break;
	case IRSEND: MPI_Irsend(buf, n, MPI_BYTE, to, tag, world, &request); break;
	case IBSEND: MPI_Ibsend(buf, n, MPI_BYTE, to, tag, world, &request); break;
	default: FAIL("no such mode");
	}
	MPI_Wait(&request, MPI_STATUS_IGNORE);
	CHECK(request == MPI_REQUEST_NULL);
}

/* A ready send must find its receive posted; with MPI_Irecv both kinds are sent after the token. */
static void sender(enum mode mode, bool posted, struct t_buf *buf, int n, int peer, int tag, int sequence)
{
	t_fill(buf->at, (size_t)n, t_rank, tag, sequence);
	if (posted)
		t_token_recv(peer);
	send_by(mode, buf->at, n, peer, tag);
	memset(buf->at, 0, (size_t)n);	/* the call has returned: the buffer is ours, the message must not change */
}

static void receiver(bool posted, struct t_buf *buf, int n, int peer, int tag, int sequence)
{
	MPI_Request request;
	MPI_Status status;

	buf->bytes = (size_t)n + 100;
	t_poison(buf);
	if (posted) {
		MPI_Irecv(buf->at, (int)buf->bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD, &request);
		t_token_send(peer);
		MPI_Wait(&request, &status);
		CHECK(request == MPI_REQUEST_NULL);
	} else {
		MPI_Recv(buf->at, (int)buf->bytes, MPI_BYTE, peer, tag, MPI_COMM_WORLD, &status);
	}
	STATUS(&status, peer, tag, n);
	GOT(buf, n, peer, tag, sequence);
	memset(buf->at, T_POISON, buf->bytes);
}

static void one_skew(int from_rank, size_t from, size_t to)
{
	struct t_buf buf = t_new(LARGEST + 100, t_rank == from_rank ? from : to);
	int peer = 1 - t_rank, sequence = 0;

	for (int i = 0; i < SIZES; i++)
		for (int mode = 0; mode < MODES; mode++)
			for (int posted = 0; posted < 2; posted++) {
				if (!posted && (mode == RSEND || mode == IRSEND))
					continue;
				int tag = 100 + mode;
				sequence++;
				if (t_rank == from_rank)
					sender((enum mode)mode, posted, &buf, sizes[i], peer, tag, sequence);
				else
					receiver(posted, &buf, sizes[i], peer, tag, sequence);
			}
	t_free(&buf);
}

int main(int argc, char **argv)
{
	int room = 4 * (LARGEST + MPI_BSEND_OVERHEAD);
	char *attached = malloc((size_t)room);

	t_begin(&argc, &argv, 25);
	MPI_Buffer_attach(attached, room);
	for (int i = 0; i < SKEWS; i++)
		one_skew(i % 2, skews[i].from, skews[i].to);
	MPI_Buffer_detach(&attached, &room);
	return t_end();
}
