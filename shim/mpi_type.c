/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Count x datatype -> bytes, and packing for what is not contiguous.
 *
 * Contiguous here: predefined types without gaps, and MPI_Type_contiguous and MPI_Type_dup of such.
 * Anything else is packed and unpacked by MPI. A packed message is the plain bytes in type map order
 * on both MPIs (checked by a test), so either side may be contiguous while the other is not.
 *
 * An RTS can be received into most types as it is. Where its end falls within a basic element, MPICH
 * (4.0.2) reports MPI_ERR_TRUNCATE and leaves the last bytes out; such receives need a landing.
 *
 * What was found out about a type is kept on it as an attribute.
 */
#include "mpi_shim.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool named_contiguous(MPI_Datatype type)
{
	MPI_Aint lb, extent;
	int size;

	shim.mpi.Type_size(type, &size);
	shim.mpi.Type_get_extent(type, &lb, &extent);
	return size > 0 && lb == 0 && extent == size;
}

static void free_unless_named(MPI_Datatype type)
{
	int ni, na, nd, combiner;

	shim.mpi.Type_get_envelope(type, &ni, &na, &nd, &combiner);
	if (combiner != MPI_COMBINER_NAMED)
		shim.mpi.Type_free(&type);
}

static bool made_contiguous(MPI_Datatype type);

/* The type that an MPI_Type_dup or MPI_Type_contiguous was made from decides; it need not be committed. */
static bool derived_contiguous(MPI_Datatype type, int ni, int na, int nd)
{
	int integers[1];
	MPI_Aint address[1];
	MPI_Datatype base[1];

	if (ni > 1 || na > 0 || nd != 1)
		return false;
	if (shim.mpi.Type_get_contents(type, ni, na, nd, integers, address, base) != MPI_SUCCESS)
		return false;
	bool contiguous = made_contiguous(base[0]);
	free_unless_named(base[0]);
	return contiguous;
}

static bool made_contiguous(MPI_Datatype type)
{
	int ni, na, nd, combiner;

	if (shim.mpi.Type_get_envelope(type, &ni, &na, &nd, &combiner) != MPI_SUCCESS)
		return false;
	if (combiner == MPI_COMBINER_NAMED)
		return named_contiguous(type);
	return (combiner == MPI_COMBINER_DUP || combiner == MPI_COMBINER_CONTIGUOUS) &&
	       derived_contiguous(type, ni, na, nd);
}

static MPI_Count elements_in(MPI_Datatype type, MPI_Count bytes)
{
	MPI_Status status = { 0 };
	MPI_Count elements = MPI_UNDEFINED;

	shim.mpi.Status_set_elements_x(&status, MPI_BYTE, bytes);
	shim.mpi.Get_elements_x(&status, type, &elements);
	return elements;
}

/* Does the RTS's last byte complete a basic element of this type? */
static bool ends_with_rts(MPI_Datatype type)
{
	MPI_Count with = elements_in(type, VMO_RTS_BYTES);

	return with != MPI_UNDEFINED && with != elements_in(type, VMO_RTS_BYTES - 1);
}

enum { KNOWN = 1, CONTIGUOUS = 2, TAKES_RTS = 4 };

static uintptr_t examine(MPI_Datatype type)
{
	return KNOWN | (made_contiguous(type) ? CONTIGUOUS : 0) | (ends_with_rts(type) ? TAKES_RTS : 0);
}

/* A contiguous predefined type, seen last: most programs use few, and asking costs more than a small message. */
static MPI_Datatype plain;

static uintptr_t facts(MPI_Datatype type)
{
	int ni, na, nd, combiner, found = 0;
	void *known = NULL;

	if (vmo_likely(type == __atomic_load_n(&plain, __ATOMIC_RELAXED)))
		return KNOWN | CONTIGUOUS | TAKES_RTS;
	if (shim.mpi.Type_get_envelope(type, &ni, &na, &nd, &combiner) != MPI_SUCCESS)
		return 0;
	if (vmo_likely(combiner == MPI_COMBINER_NAMED) && named_contiguous(type) && ends_with_rts(type)) {
		__atomic_store_n(&plain, type, __ATOMIC_RELAXED);
		return KNOWN | CONTIGUOUS | TAKES_RTS;
	}
	shim.mpi.Type_get_attr(type, shim.type_keyval, &known, &found);
	if (found)
		return (uintptr_t)known;
	uintptr_t found_out = examine(type);
	shim.mpi.Type_set_attr(type, shim.type_keyval, (void *)found_out);
	return found_out;
}

bool vmo_type_contiguous(MPI_Datatype type)
{
	return facts(type) & CONTIGUOUS;
}

bool vmo_type_takes_rts(MPI_Datatype type)
{
	return facts(type) & TAKES_RTS;
}

bool vmo_layout_of(MPI_Count count, MPI_Datatype type, struct vmo_layout *out)
{
	MPI_Count size;

	if (count < 0 || type == MPI_DATATYPE_NULL || shim.mpi.Type_size_x(type, &size) != MPI_SUCCESS || size < 0 ||
	    __builtin_mul_overflow(size, count, &out->bytes))
		return false;
	out->count = count;
	out->type = type;
	out->contiguous = false;
	return true;
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
	*out = malloc((size_t)*size);
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
	int rc = MPI_SUCCESS;
	size_t got = 0;

	if (layout->contiguous) {
		memcpy(to, buf, bytes);
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
	if (layout->contiguous) {
		memcpy(buf, from, (size_t)bytes);
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
	plain = MPI_BYTE;
	return shim.mpi.Type_create_keyval(MPI_TYPE_NULL_COPY_FN, MPI_TYPE_NULL_DELETE_FN, &shim.type_keyval, NULL)
	       == MPI_SUCCESS ? 0 : -EIO;
}

void vmo_type_cleanup(void)
{
	if (shim.type_keyval != MPI_KEYVAL_INVALID)
		shim.mpi.Type_free_keyval(&shim.type_keyval);
}
