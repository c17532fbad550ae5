/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A message with gaps, in place: its extents are mapped, its strips copied here and checked, then the
 * message goes from the sender's shape to the receiver's in one copy.
 *
 *   extent 0     extent 1              extent 2       extent 3
 *   [head page]  [interior pages ...]  [tail page]    [strips]
 *   |<------------- span, with gaps ------------>|
 */
#include "rndv_internal.h"

#include "fault.h"
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One extent as it can be read here: mapped, or copied by grant copy. */
struct held {
	struct vmo_mapping *mapping;
	struct vmo_room copy;
	const char *at;
};

/* Memory is taken for what the run holds, not for what the extent says. */
static int check_run(struct vmo_incoming *in, const struct vmo_extent *extent)
{
	return vmo_mapcache_copy(in->peer->engine->cache, &in->peer->remote, extent->run, extent->generation,
	                         (uint64_t)extent->offset + extent->bytes, 0, NULL);
}

static int hold(struct vmo_incoming *in, const struct vmo_extent *extent, struct held *held)
{
	int rc = vmo_rndv_map(in, extent, &held->mapping, &held->at);

	held->copy = (struct vmo_room){ 0 };
	if (!rc)
		return 0;
	held->mapping = NULL;
	if (rc == -EPROTO || !in->peer->engine->config.grant_copy)
		return rc;
	rc = check_run(in, extent);
	if (rc)
		return rc;
	held->copy.memory = vmo_fault(spaced_copy) ? NULL : malloc((size_t)extent->bytes + 1);
	char *to = vmo_room_at(&held->copy, in->peer->pool, (uint64_t)extent->bytes + 1);
	rc = to ? vmo_rndv_grant_copy(in, extent, to, extent->bytes) : -ENOMEM;
	held->at = to;
	if (rc)
		vmo_room_leave(&held->copy);
	return rc;
}

static void let_go(struct vmo_incoming *in, struct held *held)
{
	if (held->mapping)
		vmo_mapcache_put(in->peer->engine->cache, held->mapping);
	vmo_room_leave(&held->copy);
}

/* A private copy of the strips, that the peer can no longer change, checked against message and span. */
static int take_shape(const struct vmo_incoming *in, const char *from, struct vmo_strip *strip, struct vmo_shape *out)
{
	struct vmo_bounds bounds;

	memcpy(strip, from, in->strips * sizeof *strip);
	*out = (struct vmo_shape){ strip, in->strips, in->count, in->stride };
	if (!vmo_shape_bounds(out, &bounds) || bounds.bytes != in->bytes || bounds.low < 0 ||
	    (uint64_t)bounds.high > in->span)
		return -EPROTO;
	return 0;
}

static int copy(struct vmo_incoming *in, const struct held *held, struct vmo_strip *strip, struct vmo_sink *sink,
                uint64_t bytes)
{
	struct vmo_part part[VMO_SLOT_EXTENTS];
	struct vmo_shape shape;
	uint32_t parts = in->extents - 1;
	uint64_t begin = 0;
	int rc = take_shape(in, held[parts].at, strip, &shape);

	if (rc)
		return rc;
	for (uint32_t i = 0; i < parts; i++) {
		part[i] = (struct vmo_part){ begin, begin + in->extent[i].bytes, held[i].at };
		begin = part[i].end;
		if (!held[i].mapping)
			vmo_peer_bounced(in->peer, in->extent[i].bytes < in->bytes ? in->extent[i].bytes : in->bytes);
	}
	uint64_t began = vmo_time_begin();
	vmo_shape_copy(&shape, part, parts, sink, bytes);
	vmo_time_end(began, VMO_C_copy_ns);
	return 0;
}

#define FEW 16	/* strips that need no malloc */

int vmo_rndv_pull_spaced(struct vmo_incoming *in, struct vmo_sink *sink, uint64_t bytes)
{
	struct vmo_strip few[FEW], *strip = few;
	struct vmo_room room = { 0 };
	struct held held[VMO_SLOT_EXTENTS];
	uint32_t n = 0;
	int rc;

	if (in->strips > FEW) {
		room.memory = vmo_fault(spaced_strips) ? NULL : malloc(in->strips * sizeof *strip);
		strip = vmo_room_at(&room, in->peer->pool, in->strips * sizeof *strip);
	}
	rc = strip ? 0 : -ENOMEM;
	while (!rc && n < in->extents && !(rc = hold(in, &in->extent[n], &held[n])))
		n++;
	if (!rc)
		rc = copy(in, held, strip, sink, bytes);
	while (n)
		let_go(in, &held[--n]);
	vmo_room_leave(&room);
	return rc;
}
