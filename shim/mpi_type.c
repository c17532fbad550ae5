/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Count x datatype -> bytes, and where they lie.
 *
 * Contiguous here: one piece without gaps from the buffer's address on, element after element. Anything else
 * is a shape (shape.h), found once (mpi_flatten.c) and walked by the shim itself. What cannot be flattened is
 * packed and unpacked by MPI. A packed message is the plain bytes in type map order on both MPIs (checked by a
 * test), so either side may be one piece while the other is not.
 *
 * An RTS can be received into most types as it is. Where its end falls within a basic element, MPICH
 * (4.0.2) reports MPI_ERR_TRUNCATE and leaves the last bytes out; such receives need a landing, and so do types
 * that are not flattened. (Its
 * MPI_Get_elements_x cannot be asked: it counts the elements of structs within structs wrongly.)
 *
 * What was found out about a type is kept on it as an attribute, reference counted, because a receive may
 * outlive its type's handle (MPI 3.1, 4.1.9).
 */
#include "mpi_small.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FAR ((int64_t)1 << 61)	/* no buffer reaches so far */

static struct vmo_type byte_facts = { .refs = 1, .size = 1, .contiguous = true, .takes_rts = true };

/* MPI itself shall complain of a type that is not committed: does it take it? */
static bool committed(MPI_Datatype type)
{
	char nothing[1];
	int position = 0;

	return shim.mpi.Pack(nothing, 0, type, nothing, 0, &position, shim.private_comm) == MPI_SUCCESS;
}

static void find_shape(struct vmo_type *t, MPI_Datatype type)
{
	struct vmo_shape one;
	MPI_Aint lb, extent;

	if (vmo_flatten(type, &t->strips))
		return;
	shim.mpi.Type_get_extent(type, &lb, &extent);
	t->extent = extent;
	one = (struct vmo_shape){ t->strips.strip, t->strips.strips, 1, extent };
	t->flat = vmo_shape_bounds(&one, &t->bounds);
	t->contiguous = t->flat && one.strips == 1 && one.strip[0].repeat == 1 && one.strip[0].at == 0 &&
	                extent == (MPI_Aint)t->bounds.bytes;
}

static struct vmo_type *examine(MPI_Datatype type)
{
	struct vmo_type *t = committed(type) && !vmo_fault(type_facts) ? calloc(1, sizeof *t) : NULL;

	if (!t)
		return NULL;
	t->refs = 1;
	t->type = type;
	t->named = vmo_type_combiner(type) == MPI_COMBINER_NAMED;
	shim.mpi.Type_size_x(type, &t->size);
	find_shape(t, type);
	t->takes_rts = t->flat && vmo_type_ends_after(type, VMO_RTS_BYTES);	/* to read it otherwise takes memory */
	return t;
}

struct vmo_type *vmo_type_hold(struct vmo_type *t)
{
	if (t)
		__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

void vmo_type_drop(struct vmo_type *t)
{
	if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free(t->strips.strip);
	free(t);
}

static int forget(MPI_Datatype type, int keyval, void *value, void *extra)
{
	vmo_type_drop(value);
	return MPI_SUCCESS;
}

static struct vmo_type *known(MPI_Datatype type)
{
	struct vmo_type *t = NULL;
	int found = 0;

	shim.mpi.Type_get_attr(type, shim.type_keyval, &t, &found);
	return found ? t : NULL;
}

/* One thread examines; others then find what it found. */
static struct vmo_type *find_out(MPI_Datatype type)
{
	vmo_enter();
	struct vmo_type *t = known(type);
	if (!t && (t = examine(type)) &&
	    (vmo_fault(type_attribute) || shim.mpi.Type_set_attr(type, shim.type_keyval, t) != MPI_SUCCESS)) {
		vmo_type_drop(t);
		t = NULL;
	}
	vmo_leave();
	return t;
}

struct vmo_type *vmo_plain_types[VMO_PLAIN_TYPES] = { [0 ... VMO_PLAIN_TYPES - 1] = &byte_facts };

struct vmo_type *vmo_type_of(MPI_Datatype type)
{
	struct vmo_type *t = vmo_plain_type(type);

	if (vmo_likely(t != NULL))
		return t;
	t = known(type);
	if (!t)
		t = find_out(type);
	if (t && t->contiguous && t->takes_rts && t->named)
		__atomic_store_n(vmo_plain_place(type), t, __ATOMIC_RELEASE);
	return t;
}

/* What is wrong with a type MPI itself shall say, where it is used: asked so, it says it to the shim alone. */
static bool valid(MPI_Datatype type)
{
	int bytes;

	return type != MPI_DATATYPE_NULL && shim.mpi.Pack_size(1, type, shim.private_comm, &bytes) == MPI_SUCCESS;
}

/* Of a type that is not among the plain ones yet. */
static bool size_of(MPI_Datatype type, MPI_Count *size)
{
	static MPI_Datatype derived;	/* seen last: no predefined type ever has its handle */

	if (!valid(type) || shim.mpi.Type_size_x(type, size) != MPI_SUCCESS)
		return false;
	if (type == __atomic_load_n(&derived, __ATOMIC_RELAXED))
		return true;
	if (vmo_type_combiner(type) == MPI_COMBINER_NAMED)
		vmo_type_of(type);	/* so that it will be */
	else
		__atomic_store_n(&derived, type, __ATOMIC_RELAXED);
	return true;
}

bool vmo_type_contiguous(MPI_Datatype type)
{
	const struct vmo_type *t = vmo_type_of(type);

	return t && t->contiguous;
}

bool vmo_type_takes_rts(MPI_Datatype type)
{
	const struct vmo_type *t = vmo_type_of(type);

	return t && t->takes_rts;
}

bool vmo_layout_of(MPI_Count count, MPI_Datatype type, struct vmo_layout *out)
{
	const struct vmo_type *t = vmo_plain_type(type);
	MPI_Count size = t ? t->size : -1;

	if (vmo_unlikely(!t) && !size_of(type, &size))
		return false;
	if (count < 0 || size < 0 || __builtin_mul_overflow(size, count, &out->bytes))
		return false;
	out->count = count;
	out->type = type;
	out->known = NULL;
	out->contiguous = false;
	return true;
}

bool vmo_layout_examine(struct vmo_layout *layout)
{
	layout->known = vmo_type_of(layout->type);
	layout->contiguous = layout->known && layout->known->contiguous;
	return layout->known || committed(layout->type);	/* without memory for what is to be known MPI packs it */
}

bool vmo_layout_shape(const struct vmo_layout *layout, struct vmo_shape *out)
{
	const struct vmo_type *t = layout->known;

	if (!t || !t->flat)
		return false;
	*out = (struct vmo_shape){ t->strips.strip, t->strips.strips, (uint64_t)layout->count, t->extent };
	return true;
}

bool vmo_layout_source(const void *buf, const struct vmo_layout *layout, struct vmo_shape *shape,
                       struct vmo_source *out)
{
	int64_t reach;

	*out = (struct vmo_source){ .from = layout->contiguous ? buf : NULL, .bytes = (uint64_t)layout->bytes };
	if (layout->contiguous || !vmo_layout_shape(layout, shape))
		return layout->contiguous;
	if (__builtin_mul_overflow((int64_t)layout->count - 1, shape->extent, &reach) || reach > FAR || reach < -FAR)
		return false;
	out->from = buf;
	out->shape = shape;
	out->bounds = layout->known->bounds;
	out->bounds.bytes = (uint64_t)layout->bytes;
	out->bounds.low += reach < 0 ? reach : 0;
	out->bounds.high += reach > 0 ? reach : 0;
	return true;
}

struct vmo_sink vmo_layout_sink(void *buf, const struct vmo_layout *layout)
{
	struct vmo_sink sink = { .base = buf };
	struct vmo_shape shape;

	if (!layout->contiguous && vmo_layout_shape(layout, &shape)) {
		sink.shaped = true;
		sink.walk = vmo_walk_from(&shape);
	}
	return sink;
}

static MPI_Aint extent_of(MPI_Datatype type)
{
	MPI_Aint lb, extent;

	shim.mpi.Type_get_extent(type, &lb, &extent);
	return extent;
}

/* MPICH's MPI_Pack and MPI_Unpack refuse MPI_BOTTOM where it is a null pointer: the same bytes, said otherwise. */
static int beside_bottom(MPI_Count count, MPI_Datatype type, char **buf, MPI_Datatype *shifted)
{
	int blocks = (int)count;
	MPI_Aint back = -64;

	*buf = (char *)64;
	int rc = shim.mpi.Type_create_hindexed(1, &blocks, &back, type, shifted);
	return rc == MPI_SUCCESS ? shim.mpi.Type_commit(shifted) : rc;
}

static int mpi_pack(const void *buf, MPI_Count count, MPI_Datatype type, void *to, int bytes)
{
	MPI_Datatype shifted;
	char *base;
	int position = 0;

	if (vmo_likely(buf != NULL))
		return shim.mpi.Pack(buf, (int)count, type, to, bytes, &position, shim.private_comm);
	int rc = beside_bottom(count, type, &base, &shifted);
	if (rc == MPI_SUCCESS) {
		rc = shim.mpi.Pack(base, 1, shifted, to, bytes, &position, shim.private_comm);
		shim.mpi.Type_free(&shifted);
	}
	return rc;
}

static int mpi_unpack(const void *from, MPI_Count bytes, void *buf, MPI_Count count, MPI_Datatype type)
{
	MPI_Datatype shifted;
	void *in = (void *)(uintptr_t)from;
	char *base;
	int position = 0;

	if (vmo_likely(buf != NULL))
		return shim.mpi.Unpack(in, (int)bytes, &position, buf, (int)count, type, shim.private_comm);
	int rc = beside_bottom(count, type, &base, &shifted);
	if (rc == MPI_SUCCESS) {
		rc = shim.mpi.Unpack(in, (int)bytes, &position, base, 1, shifted, shim.private_comm);
		shim.mpi.Type_free(&shifted);
	}
	return rc;
}

/* One element, packed into a scratch buffer of its size, for reading or changing a part of it. */
static int pack_one(const void *element, const struct vmo_layout *layout, char **out, int *size)
{
	if (layout->bytes / layout->count > INT_MAX)
		return MPI_ERR_COUNT;	/* MPI_Pack counts in int */
	*size = (int)(layout->bytes / layout->count);
	*out = vmo_fault(part_of_element) ? NULL : malloc((size_t)*size);
	if (!*out)
		return MPI_ERR_NO_MEM;
	int rc = mpi_pack(element, 1, layout->type, *out, *size);
	if (rc != MPI_SUCCESS) {
		free(*out);
		*out = NULL;
	}
	return rc;
}

int vmo_pack_head(const void *buf, const struct vmo_layout *layout, void *to, size_t bytes)
{
	struct vmo_shape shape;
	int rc = MPI_SUCCESS;
	size_t got = 0;

	if (layout->contiguous) {
		memcpy(to, buf, bytes);
		return MPI_SUCCESS;
	}
	if (vmo_layout_shape(layout, &shape)) {
		struct vmo_walk walk = vmo_walk_from(&shape);
		vmo_gather(&walk, buf, to, bytes);
		return MPI_SUCCESS;
	}
	for (const char *element = buf; got < bytes && rc == MPI_SUCCESS; element += extent_of(layout->type)) {
		char *packed;
		int size;
		rc = pack_one(element, layout, &packed, &size);
		if (rc != MPI_SUCCESS)
			break;
		size_t n = (size_t)size < bytes - got ? (size_t)size : bytes - got;
		memcpy((char *)to + got, packed, n);
		got += n;
		free(packed);
	}
	return rc;
}

int vmo_pack(const void *buf, const struct vmo_layout *layout, void *to)
{
	struct vmo_shape shape;

	if (layout->contiguous || vmo_layout_shape(layout, &shape))
		return vmo_pack_head(buf, layout, to, (size_t)layout->bytes);
	vmo_count(packs, 1);
	return mpi_pack(buf, layout->count, layout->type, to, (int)layout->bytes);
}

/* The message ends within an element: only its first bytes may change. */
static int unpack_part(const char *from, int bytes, void *element, const struct vmo_layout *layout)
{
	char *packed;
	int size;
	int rc = pack_one(element, layout, &packed, &size);

	if (rc != MPI_SUCCESS)
		return rc;
	memcpy(packed, from, (size_t)bytes);
	rc = mpi_unpack(packed, size, element, 1, layout->type);
	free(packed);
	return rc;
}

int vmo_unpack(const void *from, MPI_Count bytes, void *buf, const struct vmo_layout *layout)
{
	int rc = MPI_SUCCESS;

	if (bytes <= 0)
		return rc;
	struct vmo_sink sink = vmo_layout_sink(buf, layout);
	if (layout->contiguous || sink.shaped) {
		vmo_sink_put(&sink, from, (uint64_t)bytes);
		return MPI_SUCCESS;
	}
	vmo_count(unpacks, 1);
	MPI_Count size = layout->bytes / layout->count, whole = bytes / size;
	if (whole)
		rc = mpi_unpack(from, bytes, buf, whole, layout->type);
	if (rc == MPI_SUCCESS && bytes % size)
		rc = unpack_part((const char *)from + whole * size, (int)(bytes % size),
		                 (char *)buf + whole * extent_of(layout->type), layout);
	return rc;
}

int vmo_type_setup(void)
{
	byte_facts.type = MPI_BYTE;
	return !vmo_fault(keyval) && shim.mpi.Type_create_keyval(MPI_TYPE_NULL_COPY_FN, forget, &shim.type_keyval, NULL)
	       == MPI_SUCCESS ? 0 : -EIO;
}

void vmo_type_cleanup(void)
{
	for (int i = 0; i < VMO_PLAIN_TYPES; i++)
		__atomic_store_n(&vmo_plain_types[i], &byte_facts, __ATOMIC_RELEASE);
	if (shim.type_keyval != MPI_KEYVAL_INVALID)
		shim.mpi.Type_free_keyval(&shim.type_keyval);
}
