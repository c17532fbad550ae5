/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checked mode (VMONECOPY_CHECK=1): does a buffer that is sent in place still have its granted pages, and did the
 * receiver get what the sender's buffer held?
 *
 *   sender     pages     associations of the buffer against /proc/self/pagemap and /proc/self/maps (subst_verify.c); one
 *                        that is stale ends, and the message is staged from the buffer: right data nevertheless
 *              sum       over the buffer, in the order of the message, before the RTS     --> slot.sum
 *   receiver   compares  after the copy, over its own buffer; a reduction, over the pages that it reads
 *
 * Sums differ where the sender's program wrote to its buffer during the send, which MPI forbids, and where something went
 * wrong in this library; the message is then as it came, because nobody has better bytes.
 *
 * Not compared: what MPI packs, what is cut off (MPI_ERR_TRUNCATE), what is refused and comes by MPI.
 * Only the sender's option counts: a receiver compares whatever brings a sum.
 */
#include "rndv_internal.h"

#include "log.h"

#include <stdatomic.h>

#define SUM_BEGIN 0xcbf29ce484222325u
#define SUM_TIMES 0x9e3779b97f4a7c15u
#define PIECE_BYTES 4096
#define WARNINGS_MOST 8		/* of a kind; the report has them all */

static uint64_t sum_more(uint64_t sum, const void *at, uint64_t bytes)
{
	for (const unsigned char *byte = at; bytes--; byte++)
		sum = sum * SUM_TIMES + *byte;
	return sum;
}

static uint64_t sum_end(uint64_t sum)
{
	return sum ? sum : 1;	/* 0 means none */
}

static uint64_t sum_walk(struct vmo_walk walk, const void *base, uint64_t bytes)
{
	char piece[PIECE_BYTES];
	uint64_t sum = SUM_BEGIN;

	for (uint64_t n; bytes; bytes -= n) {
		n = bytes < sizeof piece ? bytes : sizeof piece;
		vmo_gather(&walk, base, piece, n);
		sum = sum_more(sum, piece, n);
	}
	return sum_end(sum);
}

uint64_t vmo_check_source(const struct vmo_xfer *xfer)
{
	if (xfer->shape.strips)
		return sum_walk(vmo_walk_from(&xfer->shape), xfer->from, xfer->bytes);
	return xfer->from ? sum_end(sum_more(SUM_BEGIN, xfer->from, xfer->bytes)) : 0;
}

static bool may_warn(_Atomic unsigned *said)
{
	return atomic_fetch_add_explicit(said, 1, memory_order_relaxed) < WARNINGS_MOST;
}

bool vmo_check_pages(struct vmo_engine *e, uintptr_t begin, size_t bytes)
{
	static _Atomic unsigned said;
	int rc = vmo_subst_check(e->subst, begin, bytes);

	if (rc > 0)
		return true;
	if (rc < 0) {
		if (may_warn(&said))
			vmo_warn("CHECK: cannot look at the pages of the buffer at %#lx (errno %d); it is staged",
			         (unsigned long)begin, -rc);
		return false;
	}
	vmo_count(stale_buffers, 1);
	if (may_warn(&said))
		vmo_warn("CHECK: the buffer at %#lx, %zu bytes, no longer has its granted pages: they were replaced past free, "
		         "munmap and their like (a system call of the program's own?); it is staged, its data is right. Without "
		         "VMONECOPY_CHECK=1 old data would be sent: set VMONECOPY_SUBSTITUTE=0 for this program",
		         (unsigned long)begin, bytes);
	return false;
}

static void compare(struct vmo_incoming *in, uint64_t sum, const void *at)
{
	static _Atomic unsigned said;

	vmo_count(checked_messages, 1);
	if (sum == in->sum)
		return;
	vmo_count(checksum_errors, 1);
	if (may_warn(&said))
		vmo_warn("CHECK: the message of %llu bytes from rank %u to %p differs from what its buffer held when the send began: "
		         "did the sender's program write to the buffer during the send? If not, VMONECOPY_SUBSTITUTE=0 on all ranks "
		         "avoids it, and it is a bug of libvmonecopy",
		         (unsigned long long)in->bytes, in->peer->rank, at);
}

void vmo_check_sink(struct vmo_incoming *in, const struct vmo_sink *sink)
{
	compare(in, sink->shaped ? sum_walk(sink->walk, sink->base, in->bytes)
	                         : sum_end(sum_more(SUM_BEGIN, sink->base, in->bytes)), sink->base);
}

void vmo_check_read(struct vmo_incoming *in, uint64_t at, const char *here, uint64_t bytes)
{
	uint64_t again = in->summed - at;	/* bytes shown before: an element that lies in two pieces */

	if (at > in->summed || again >= bytes)
		return;
	in->so_far = sum_more(in->summed ? in->so_far : SUM_BEGIN, here + again, bytes - again);
	in->summed += bytes - again;
	if (in->summed == in->bytes)
		compare(in, sum_end(in->so_far), here);
}
