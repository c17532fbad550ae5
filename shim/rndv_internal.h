/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rndv_internal.h: what the files of the receiver's half share.
 *
 *   rndv_pull.c     accepts an RTS, pulls, answers
 *   rndv_spaced.c   pulls a message with gaps, which brings its shape along
 */
#ifndef VMO_RNDV_INTERNAL_H
#define VMO_RNDV_INTERNAL_H

#include "rndv.h"

/* Maps an extent's run and checks that the extent lies in it. Give back with vmo_mapcache_put. */
int vmo_rndv_map(struct vmo_incoming *in, const struct vmo_extent *extent, struct vmo_mapping **mapping,
                 const char **from);

/* The first `bytes` of an extent by grant copy. */
int vmo_rndv_grant_copy(struct vmo_incoming *in, const struct vmo_extent *extent, void *to, uint64_t bytes);

/* vmo_rndv_pull_into for in->strips != 0. -EPROTO: the shape makes no sense. */
int vmo_rndv_pull_spaced(struct vmo_incoming *in, struct vmo_sink *sink, uint64_t bytes);

#endif
