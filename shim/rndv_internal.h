/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rndv_internal.h: what the files of the rendezvous share.
 *
 *   rndv.c          the sender's half
 *   rndv_pull.c     accepts an RTS, pulls, answers
 *   rndv_spaced.c   pulls a message with gaps, which brings its shape along
 *   rndv_check.c    the checked mode, of both halves
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

/* Are the granted pages that the interior is said to have really there? If not: said, counted, and those are forgotten. */
bool vmo_check_pages(struct vmo_engine *engine, uintptr_t begin, size_t bytes);

/* The checksum of what is to be sent; 0 where only MPI can read it (packed). */
uint64_t vmo_check_source(const struct vmo_xfer *xfer);

/* Compares what a whole message became in the sink's memory; the sink as it was before the copy. */
void vmo_check_sink(struct vmo_incoming *in, const struct vmo_sink *sink);

/* Compares as it is read: [at, at + bytes) of the message is here. Only a reader from beginning to end compares. */
void vmo_check_read(struct vmo_incoming *in, uint64_t at, const char *here, uint64_t bytes);

#endif
