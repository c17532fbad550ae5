/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reduction reads its operand in the peer's own pages:
 *
 *   peer's extents   |#########|##|##################|###|
 *   whole elements    ^^^^^^^^     ^^^^^^^^^^^^^^^^^  ^^   MPI_Reduce_local straight from the mapping
 *   across two                ^^^                  ^^      gathered into a small buffer first
 *
 * The pages are mapped read-only, which a predefined operation respects. The user's own operation might write to its
 * first argument, although it may not (MPI 3.1, 5.9.5); for it the operand is pulled into memory of this process.
 */
#include "mpi_coll.h"

#include <string.h>

#define ELEMENT_BYTES 64	/* predefined types are smaller */
#define APPLY_MOST ((MPI_Count)1 << 30)	/* MPI_Reduce_local counts in int */

void vmo_coll_apply(struct vmo_coll *coll, const void *from, void *inout, MPI_Count count, MPI_Datatype type, MPI_Op op)
{
	MPI_Aint extent = vmo_coll_extent(type);

	for (MPI_Count done = 0, n; done < count; done += n) {
		n = count - done < APPLY_MOST ? count - done : APPLY_MOST;
		vmo_coll_note(coll, shim.mpi.Reduce_local((const char *)from + done * extent, (char *)inout + done * extent,
		                                          (int)n, type, op));
	}
}

/* One element that lies in several pieces. */
static bool gather_element(struct vmo_incoming *offer, uint64_t at, char *element, uint64_t bytes)
{
	struct vmo_mapping *mapping;
	const char *from;

	for (uint64_t got = 0; got < bytes;) {
		int64_t n = vmo_rndv_look(offer, at + got, &from, &mapping);
		if (n <= 0)
			return false;
		uint64_t use = (uint64_t)n < bytes - got ? (uint64_t)n : bytes - got;
		memcpy(element + got, from, use);
		vmo_rndv_unlook(offer, mapping);
		got += use;
	}
	return true;
}

static bool aligned(const char *from, uint64_t size)
{
	uint64_t align = size & -size;

	return (uintptr_t)from % (align < 16 ? align : 16) == 0;
}

/* As far as it goes: elements done, from the first on. All of them: the offer is finished. */
static MPI_Count read_in_place(struct vmo_coll *coll, struct vmo_coll_in *in, char *inout, MPI_Op op)
{
	_Alignas(16) char element[ELEMENT_BYTES];
	struct vmo_layout *layout = &in->rx.to;
	uint64_t size = (uint64_t)(layout->bytes / layout->count);
	struct vmo_incoming offer;
	struct vmo_mapping *mapping;
	const char *from;
	MPI_Count done = 0;

	if (size > sizeof element || vmo_rndv_accept(in->peer, in->record, &offer) ||
	    offer.bytes != (uint64_t)layout->bytes)
		return 0;
	while (done < layout->count) {
		uint64_t at = (uint64_t)done * size;
		int64_t n = vmo_rndv_look(&offer, at, &from, &mapping);
		if (n <= 0)
			return done;
		MPI_Count whole = n / (int64_t)size;
		bool fits = whole && aligned(from, size);
		if (fits)
			vmo_coll_apply(coll, from, inout + at, whole, layout->type, op);
		vmo_rndv_unlook(&offer, mapping);
		if (!fits && !gather_element(&offer, at, element, size))
			return done;
		if (!fits)
			vmo_coll_apply(coll, element, inout + at, 1, layout->type, op);
		done += fits ? whole : 1;
	}
	vmo_rndv_finish(&offer);
	vmo_count(operand_bytes, layout->bytes);
	return done;
}

void vmo_coll_operand(struct vmo_coll *coll, int source, void *inout, MPI_Op op, bool direct)
{
	struct vmo_coll_in *in = &coll->in[coll->round * coll->size + source];
	struct vmo_layout *layout = &in->rx.to;
	bool offered = vmo_coll_await(coll, source);
	MPI_Count done = 0;

	if (!in->used)
		return;
	if (offered && direct && layout->contiguous)
		done = read_in_place(coll, in, inout, op);
	if (done < layout->count)
		vmo_coll_take(coll, source);
	in->offered = false;
	MPI_Aint extent = vmo_coll_extent(layout->type);
	vmo_coll_apply(coll, (char *)in->rx.buf + done * extent, (char *)inout + done * extent, layout->count - done, layout->type, op);
}
