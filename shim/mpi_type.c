/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Count x datatype -> bytes, and packing for what is not contiguous.
 *
 * Contiguous here: predefined types without gaps, and MPI_Type_contiguous and MPI_Type_dup of such.
 * Anything else is packed and unpacked by MPI. A packed message is the plain bytes in type map order
 * on both MPIs (checked by a test), so either side may be contiguous while the other is not.
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

/* The type that an MPI_Type_dup or MPI_Type_contiguous was made from decides. */
static bool derived_contiguous(MPI_Datatype type, int ni, int na, int nd)
{
	int integers[1];
	MPI_Aint address[1];
	MPI_Datatype base[1];

	if (ni > 1 || na > 0 || nd != 1)
		return false;
	if (shim.mpi.Type_get_contents(type, ni, na, nd, integers, address, base) != MPI_SUCCESS)
		return false;
	bool contiguous = vmo_type_contiguous(base[0]);
	free_unless_named(base[0]);
	return contiguous;
}

bool vmo_type_contiguous(MPI_Datatype type)
{
	int ni, na, nd, combiner, found = 0;
	void *known = NULL;

	if (shim.mpi.Type_get_envelope(type, &ni, &na, &nd, &combiner) != MPI_SUCCESS)
		return false;
	if (vmo_likely(combiner == MPI_COMBINER_NAMED))
		return named_contiguous(type);
	if (combiner != MPI_COMBINER_DUP && combiner != MPI_COMBINER_CONTIGUOUS)
		return false;
	shim.mpi.Type_get_attr(type, shim.type_keyval, &known, &found);
	if (found)
		return known != NULL;
	bool contiguous = derived_contiguous(type, ni, na, nd);
	shim.mpi.Type_set_attr(type, shim.type_keyval, contiguous ? &shim : NULL);
	return contiguous;
}

bool vmo_layout_of(MPI_Count count, MPI_Datatype type, struct vmo_layout *out)
{
	int size;

	if (count < 0 || type == MPI_DATATYPE_NULL || shim.mpi.Type_size(type, &size) != MPI_SUCCESS || size < 0)
		return false;
	out->bytes = (MPI_Count)size * count;
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

/* One element, packed into a scratch buffer of its size, for reading or changing a part of it. */
static int pack_one(const void *element, const struct vmo_layout *layout, char **out, int *size)
{
	int position = 0;

	*size = (int)(layout->bytes / layout->count);
	*out = malloc((size_t)*size);
	if (!*out)
		return MPI_ERR_NO_MEM;
	int rc = shim.mpi.Pack(element, 1, layout->type, *out, *size, &position, shim.private_comm);
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
	int position = 0;

	vmo_count(packs, 1);
	return shim.mpi.Pack(buf, (int)layout->count, layout->type, to, (int)layout->bytes, &position,
	                     shim.private_comm);
}

/* The message ends within an element: only its first bytes may change. */
static int unpack_part(const char *from, int bytes, void *element, const struct vmo_layout *layout)
{
	char *packed;
	int size, position = 0;
	int rc = pack_one(element, layout, &packed, &size);

	if (rc != MPI_SUCCESS)
		return rc;
	memcpy(packed, from, (size_t)bytes);
	rc = shim.mpi.Unpack(packed, size, &position, element, 1, layout->type, shim.private_comm);
	free(packed);
	return rc;
}

int vmo_unpack(const void *from, MPI_Count bytes, void *buf, const struct vmo_layout *layout)
{
	int position = 0, rc = MPI_SUCCESS;

	if (layout->contiguous) {
		memcpy(buf, from, (size_t)bytes);
		return MPI_SUCCESS;
	}
	vmo_count(unpacks, 1);
	MPI_Count size = layout->bytes / layout->count, whole = bytes / size;
	if (whole)
		rc = shim.mpi.Unpack((void *)(uintptr_t)from, (int)bytes, &position, buf, (int)whole, layout->type,
		                     shim.private_comm);
	if (rc == MPI_SUCCESS && bytes % size)
		rc = unpack_part((const char *)from + whole * size, (int)(bytes % size),
		                 (char *)buf + whole * extent_of(layout->type), layout);
	return rc;
}

int vmo_type_setup(void)
{
	return shim.mpi.Type_create_keyval(MPI_TYPE_NULL_COPY_FN, MPI_TYPE_NULL_DELETE_FN, &shim.type_keyval, NULL)
	       == MPI_SUCCESS ? 0 : -EIO;
}

void vmo_type_cleanup(void)
{
	shim.mpi.Type_free_keyval(&shim.type_keyval);
}
