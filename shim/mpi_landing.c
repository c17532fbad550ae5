/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receives that are not posted into the user's buffer: an RTS or a message of MPI's comes to a landing,
 * plain bytes, first. Two kinds need it.
 *
 * Types in which an RTS would end within a basic element (vmo_type_takes_rts).
 *
 * Several receives pending into one and the same buffer. MPI forbids it (3.1, 3.7.2), yet widely used
 * bandwidth benchmarks do it, and natively it only mixes data that nobody looks at. Here a second RTS
 * would overwrite the first before it was read, and the first message would never be pulled.
 *
 * So the first receive is posted into the buffer as ever; while it is pending, further ones are posted
 * into landings of their own. An RTS is read from there and its message pulled into the user's buffer;
 * a message that MPI itself carried is copied on. Landings are kept for the next ones of their size.
 *
 * Of several threads (MPI_THREAD_MULTIPLE) the first claims the buffer, for a blocking receive too. The other ones'
 * messages stay in their landings as long as its own may still come: no thread can tell whether it has, and to copy
 * over a request that nobody has read would lose a message, and leave its sender waiting.
 */
#include "mpi_shim.h"

#include <stdlib.h>
#include <string.h>

struct landing {		/* stands before the bytes that are handed out */
	struct landing *next;
	size_t bytes;
};

#define SPARE_MOST 64		/* a benchmark's window */

static struct landing *spare;	/* under the shim's lock */
static int spares;

static struct landing *take_spare(size_t bytes)
{
	for (struct landing **link = &spare; *link; link = &(*link)->next)
		if ((*link)->bytes == bytes) {
			struct landing *found = *link;
			*link = found->next;
			spares--;
			return found;
		}
	return NULL;
}

static char *new_landing(size_t bytes)
{
	vmo_enter();
	struct landing *landing = take_spare(bytes);
	vmo_leave();
	if (!landing && !vmo_fault(landing) && (landing = malloc(sizeof *landing + bytes)))
		landing->bytes = bytes;
	return landing ? (char *)(landing + 1) : NULL;
}

static bool land(struct vmo_rx *rx)
{
	rx->landing = new_landing((size_t)rx->to.bytes);
	return rx->landing != NULL;
}

static bool by_type(struct vmo_rx *rx)
{
	return vmo_likely(vmo_type_takes_rts(rx->to.type)) || land(rx);
}

bool vmo_landing_place(struct vmo_rx *rx, void **buf, MPI_Count *count, MPI_Datatype *type)
{
	if (rx->to.bytes < VMO_RTS_BYTES)
		return true;
	if (!by_type(rx))
		return false;
	if (vmo_likely(!rx->landing))
		return true;
	*buf = rx->landing;
	*count = rx->to.bytes;
	*type = MPI_BYTE;
	return true;
}

/* As in mpi_op.c: stays in the table, so that this is kept. */
static struct vmo_op anchor;
static uint32_t indexed;

static void add_by_buffer(struct vmo_op *op)
{
	static char nowhere;

	if (vmo_unlikely(!shim.by_buffer)) {
		anchor.rx.buf = &nowhere;
		HASH_ADD(by_buffer, shim.by_buffer, rx.buf, sizeof anchor.rx.buf, &anchor);
	}
	HASH_ADD(by_buffer, shim.by_buffer, rx.buf, sizeof op->rx.buf, op);
}

static struct vmo_claim *claims;	/* under the shim's lock */

/*
 * Do receives into one buffer overlap, which no correct program has while both are pending (MPI 3.1, 3.7.2)? Those of other
 * layouts need not: parts of one array, say, or MPI_BOTTOM.
 */
static bool overlap(const struct vmo_layout *a, const struct vmo_layout *b)
{
	return (a->contiguous && b->contiguous) || (a->known && a->known == b->known && a->count == b->count);
}

static bool is_claimed(const void *buf, const struct vmo_layout *to)
{
	for (const struct vmo_claim *claim = claims; claim; claim = claim->next)
		if (claim->buf == buf && overlap(&claim->to, to))
			return true;
	return false;
}

static bool is_pending(const void *buf)
{
	struct vmo_op *op = NULL;

	if (indexed)
		HASH_FIND(by_buffer, shim.by_buffer, &buf, sizeof buf, op);
	return op;
}

bool vmo_landing_claim(struct vmo_claim *claim, const struct vmo_rx *rx)
{
	vmo_enter();
	claim->held = !is_pending(rx->buf) && !is_claimed(rx->buf, &rx->to);
	claim->buf = rx->buf;
	claim->to = rx->to;
	if (claim->held)
		DL_APPEND(claims, claim);
	vmo_leave();
	return claim->held;
}

void vmo_landing_unclaim(struct vmo_claim *claim)
{
	if (!claim->held)
		return;
	vmo_enter();
	DL_DELETE(claims, claim);
	claim->held = false;
	vmo_leave();
}

bool vmo_landing_for(struct vmo_rx *rx, struct vmo_claim *claim)
{
	bool shared = false;

	claim->held = false;
	if (vmo_unlikely(shim.multiple))
		shared = !vmo_landing_claim(claim, rx);
	else if (vmo_unlikely(indexed))
		shared = is_pending(rx->buf);
	bool done = shared ? land(rx) : by_type(rx);
	if (!done || rx->landing)	/* only what is posted into the buffer itself keeps others out of it */
		vmo_landing_unclaim(claim);
	return done;
}

void vmo_landing_index(struct vmo_op *op)
{
	struct vmo_op *first = NULL;

	HASH_FIND(by_buffer, shim.by_buffer, &op->rx.buf, sizeof op->rx.buf, first);
	if (!first)
		add_by_buffer(op);
	DL_APPEND2(first, op, same_prev, same_next);
	op->indexed = true;
	indexed++;
}

/* The first of those that are pending in one buffer; it is in the table, if there was memory. */
static struct vmo_op *first_of(struct vmo_op *op)
{
	while (op->same_prev->same_next)	/* utlist: the last one's is NULL, and the first one's prev */
		op = op->same_prev;
	return op;
}

/* While any is pending there, no other may be posted into the buffer itself: one of them may be there already. */
void vmo_landing_unindex(struct vmo_op *op)
{
	if (!op->indexed)
		return;
	struct vmo_op *first = first_of(op);
	bool was_first = first == op;
	op->indexed = false;
	indexed--;
	if (op->by_buffer.tbl)
		HASH_DELETE(by_buffer, shim.by_buffer, op);
	op->by_buffer.tbl = NULL;
	DL_DELETE2(first, op, same_prev, same_next);
	if (was_first && first)
		add_by_buffer(first);
}

struct vmo_op *vmo_landing_direct(const struct vmo_op *op)
{
	struct vmo_op *other = NULL, *any = NULL;

	HASH_FIND(by_buffer, shim.by_buffer, &op->rx.buf, sizeof op->rx.buf, other);
	for (; other; other = other->same_next) {
		if (other == op || other->rx.landing)
			continue;
		if (overlap(&other->rx.to, &op->rx.to))
			return other;
		any = any ? any : other;
	}
	return any;
}

/* Its request may still come, or is there and not read for good. No longer if MPI itself brought its message. */
static bool awaits_rts(const struct vmo_op *direct)
{
	char head[VMO_RTS_BYTES];

	return !direct->pulled && (direct->listed || direct->pulling ||
	                           (vmo_pack_head(direct->rx.buf, &direct->rx.to, head, sizeof head) == MPI_SUCCESS &&
	                            vmo_rndv_is_rts(&shim.engine, head)));
}

/* Nobody may look at what overlaps, so it need not arrive there; one that does not must. */
static bool is_overrun(const struct vmo_op *op)
{
	const struct vmo_op *direct = vmo_landing_direct(op);

	return is_claimed(op->rx.buf, &op->rx.to) ||
	       (direct && overlap(&direct->rx.to, &op->rx.to) && awaits_rts(direct));
}

/* A landing is bytes. */
static void make_bytes(struct vmo_op *op)
{
	MPI_Count bytes = op->rx.to.bytes;

	vmo_op_drop_layout(op);
	op->rx.to = (struct vmo_layout){ .bytes = bytes, .count = bytes, .type = MPI_BYTE, .known = vmo_type_of(MPI_BYTE),
	                                 .contiguous = true };
}

void vmo_landing_keep(struct vmo_op *op)
{
	if (op->persistent || !is_overrun(op))
		return;
	vmo_landing_unindex(op);	/* it is here, and pending no more */
	if (!op->rx.to.contiguous)
		make_bytes(op);
	op->rx.buf = op->rx.landing;
}

int vmo_landing_deliver(struct vmo_rx *rx, const MPI_Status *status)
{
	MPI_Count bytes;

	if (vmo_unlikely(rx->buf == rx->landing))
		return MPI_SUCCESS;
	if (shim.mpi.Get_elements_x((MPI_Status *)(uintptr_t)status, MPI_BYTE, &bytes) != MPI_SUCCESS || bytes <= 0)
		return MPI_SUCCESS;
	return vmo_unpack(rx->landing, bytes < rx->to.bytes ? bytes : rx->to.bytes, rx->buf, &rx->to);
}

void vmo_landing_free(struct vmo_rx *rx)
{
	if (!rx->landing)
		return;
	struct landing *landing = (struct landing *)(void *)rx->landing - 1;
	rx->landing = NULL;
	vmo_enter();
	if (spares < SPARE_MOST) {
		landing->next = spare;
		spare = landing;
		spares++;
		landing = NULL;
	}
	vmo_leave();
	free(landing);
}
