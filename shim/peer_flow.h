/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer_flow.h: which peer's messages count in which flow (flow.h).
 *
 *   peer in this VM, oneself        this VM's own flow: what fell through to the MPI within it
 *   peer that is on                 its VM's
 *   all others, not named here      the flow to elsewhere
 *
 * Threads: start and stop from one thread.
 */
#ifndef VMO_PEER_FLOW_H
#define VMO_PEER_FLOW_H

#include "peer.h"

/* The peer is in the VM whose lowest rank is `vm`. The first call makes the engine's flows; without memory there are none. */
void vmo_flow_for(struct vmo_engine *engine, struct vmo_peer *peer, uint32_t vm);

void vmo_flow_stop(struct vmo_engine *engine);

#endif
