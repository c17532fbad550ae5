/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* calls.c: see calls.h. */
#include "calls.h"
#include "quirks.h"

/* DO(call), or where a large count is wanted, and the MPI has such calls, DO(call_c). */
#if HAVE_MPI4
#define EITHER(large, call, ...) do { \
	if (large) \
		DO(MPI_##call##_c(__VA_ARGS__)); \
	else \
		DO(MPI_##call(__VA_ARGS__)); \
} while (0)
#else
#define EITHER(large, call, ...) do { \
	(void)(large); \
	DO(MPI_##call(__VA_ARGS__)); \
} while (0)
#endif

#define SEND_ARGS b->mpi_buf, b->mpi_count, b->mpi_type, side->comm->rank_of[side->m->dst], side->m->tag, side->comm->handle
#define RECV_ARGS b->mpi_buf, b->mpi_count, b->mpi_type, source, tag, side->comm->handle

void call_send(struct side *side)
{
	struct box *b = side->box;
	bool large = side->m->s_large;

	switch (side->m->send) {
	case S_SSEND:
		EITHER(large, Ssend, SEND_ARGS);
		break;
	case S_BSEND:
		EITHER(large, Bsend, SEND_ARGS);
		break;
	case S_RSEND:
		EITHER(large, Rsend, SEND_ARGS);
		break;
	default:
		EITHER(large, Send, SEND_ARGS);
	}
}

void call_isend(struct side *side)
{
	struct box *b = side->box;
	bool large = side->m->s_large;

	switch (side->m->send) {
	case S_ISSEND:
		EITHER(large, Issend, SEND_ARGS, &side->own);
		break;
	case S_IBSEND:
		EITHER(large, Ibsend, SEND_ARGS, &side->own);
		break;
	case S_IRSEND:
		EITHER(large, Irsend, SEND_ARGS, &side->own);
		break;
	default:
		EITHER(large, Isend, SEND_ARGS, &side->own);
	}
}

void call_send_init(struct side *side)
{
	struct box *b = side->box;
	bool large = side->m->s_large;

	switch (side->m->send) {
	case S_PERSIST_S:
		EITHER(large, Ssend_init, SEND_ARGS, &b->persistent);
		break;
	case S_PERSIST_B:
		EITHER(large, Bsend_init, SEND_ARGS, &b->persistent);
		break;
	case S_PERSIST_R:
		EITHER(large, Rsend_init, SEND_ARGS, &b->persistent);
		break;
	default:
		EITHER(large, Send_init, SEND_ARGS, &b->persistent);
	}
}

void call_irecv(struct side *side, int source, int tag)
{
	struct box *b = side->box;

	EITHER(side->m->r_large, Irecv, RECV_ARGS, &side->own);
}

void call_recv_init(struct side *side)
{
	struct box *b = side->box;
	int source = side_source(side), tag = side_tag(side);

	EITHER(side->m->r_large, Recv_init, RECV_ARGS, &b->persistent);
}

int call_recv(struct side *side, int source, int tag, MPI_Status *status)
{
	struct box *b = side->box;

	where.act = "MPI_Recv";
	if (side->m->truncated)
		return MPI_Recv(RECV_ARGS, status);
	EITHER(side->m->r_large, Recv, RECV_ARGS, status);
	return MPI_SUCCESS;
}

void call_mrecv(struct side *side, MPI_Status *status)
{
	struct box *b = side->box;

	EITHER(side->m->r_large, Mrecv, b->mpi_buf, b->mpi_count, b->mpi_type, &side->message, status);
}

void call_imrecv(struct side *side)
{
	struct box *b = side->box;

	EITHER(side->m->r_large, Imrecv, b->mpi_buf, b->mpi_count, b->mpi_type, &side->message, &side->own);
}

/* A message out and one in, in one call. */
#define OUT_ARGS o->mpi_buf, o->mpi_count, o->mpi_type, out->comm->rank_of[out->m->dst], out->m->tag
#define IN_ARGS i->mpi_buf, i->mpi_count, i->mpi_type, side_source(in), side_tag(in), in->comm->handle
#define REPLACE_ARGS OUT_ARGS, side_source(in), side_tag(in), in->comm->handle

void call_sendrecv(struct side *out, struct side *in, MPI_Status *status)
{
	struct box *o = out->box, *i = in->box;

	EITHER(out->m->s_large, Sendrecv, OUT_ARGS, IN_ARGS, status);
}

void call_sendrecv_replace(struct side *out, struct side *in, MPI_Status *status)
{
	struct box *o = out->box;

	EITHER(out->m->s_large, Sendrecv_replace, REPLACE_ARGS, status);
}

bool call_isendrecv(struct side *out, struct side *in, bool replace)
{
#if HAVE_MPI4
	struct box *o = out->box, *i = in->box;

	if (replace)
		EITHER(out->m->s_large, Isendrecv_replace, REPLACE_ARGS, &in->own);
	else
		EITHER(out->m->s_large, Isendrecv, OUT_ARGS, IN_ARGS, &in->own);
#endif
	return HAVE_MPI4;
}
