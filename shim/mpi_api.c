/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program asks through include/vmonecopy.h. */
#define VMONECOPY_LIBRARY
#include "mpi_shim.h"

#include <errno.h>
#include <string.h>

#include "vmonecopy.h"

static int active(const char **why)
{
	const char *said = shim.engine.why;

	*why = "";
	if (shim.active)
		return 1;
	*why = *said ? said : vmo_stats.call[VMO_CALL_Finalize] ? "MPI_Finalize was called" : "MPI_Init was not called yet";
	return 0;
}

static void counters(struct vmonecopy_counters *out)
{
	const struct vmo_stats *now = &vmo_stats;
	const uint64_t *c = now->counter;
	uint64_t edges = c[VMO_C_edge_bytes] < c[VMO_C_onecopy_bytes] ? c[VMO_C_edge_bytes] : c[VMO_C_onecopy_bytes];

	out->onecopy_messages = c[VMO_C_onecopy_messages];
	out->onecopy_bytes = c[VMO_C_onecopy_bytes] - edges;
	out->staged_messages = c[VMO_C_staged_messages];
	out->staged_bytes = c[VMO_C_staged_bytes] + edges;
	out->fell_through_messages = vmo_fallen_messages(now);
	out->fell_through_bytes = vmo_fallen_bytes(now);
	out->received_messages = c[VMO_C_pulled_messages];
	out->received_bytes = c[VMO_C_pulled_bytes];
	out->bounced_bytes = c[VMO_C_bounced_bytes];
	out->substitutions = c[VMO_C_substitutions];
	out->emulated = shim.engine.config.xen && !strcmp(shim.engine.config.xen, "emulated");
}

static int prefer(const void *buffer, size_t bytes, int rank)
{
	struct vmo_engine *e = &shim.engine;
	struct vmo_piece pieces[VMO_SLOT_EXTENTS - 2];	/* two more are a message's first and last page */

	if (!shim.active)
		return 0;
	if (!buffer || rank < 0 || rank >= shim.world->size)
		return -EINVAL;
	const struct vmo_peer *peer = shim.world->peer[rank];
	if (!peer->on || bytes < (size_t)shim.threshold)
		return 0;
	vmo_subst_expect(e->subst, (uintptr_t)buffer, bytes);
	int n = vmo_subst_prepare(e->subst, peer->pool, (uintptr_t)buffer, bytes, pieces, VMO_SLOT_EXTENTS - 2);
	for (int i = 0; i < n; i++)
		vmo_block_drop(pieces[i].block);
	return n == -ENOBUFS ? -ENOSPC : n > 0 ? 1 : n;
}

static int forget(const void *buffer, size_t bytes)
{
	return shim.active ? vmo_subst_forget(shim.engine.subst, (uintptr_t)buffer, bytes) : 0;
}

const struct vmo_api vmo_mpi_api = { active, counters, prefer, forget };
