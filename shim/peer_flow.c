/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_flow.h"

#include "fault.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* Those of the peer domains, this VM's own, and at [0] the rest. */
static bool open_flows(struct vmo_engine *e)
{
	struct utsname name = { .nodename = "" };

	e->flow = vmo_fault(flows) ? NULL : calloc((size_t)e->pools + 2, sizeof *e->flow);
	if (!e->flow)
		return false;
	uname(&name);
	e->flow[0].to = e->flow[0].to_domid = VMO_FLOW_ELSEWHERE;
	e->flow[0].from_domid = e->peer[e->self].domid;
	memcpy(e->flow[0].host, name.nodename, VMO_FLOW_HOST_BYTES - 1);
	e->flows = 1;
	for (uint32_t r = 0; r < e->ranks; r++)
		e->peer[r].flow = &e->flow[0];
	e->elsewhere.flow = &e->flow[0];
	return true;
}

void vmo_flow_for(struct vmo_engine *e, struct vmo_peer *peer, uint32_t vm)
{
	uint32_t i = 1;

	if (!e->flow && !open_flows(e))
		return;
	while (i < e->flows && e->flow[i].to != vm)
		i++;
	if (i == e->flows) {
		if (i == e->pools + 2)	/* no VM has two domids */
			return;
		e->flow[i] = e->flow[0];
		e->flow[i].to = vm;
		e->flow[i].to_domid = peer->domid;
		e->flows++;
	}
	peer->flow = &e->flow[i];
	if (peer->rank != e->rank)
		return;
	for (uint32_t k = 0; k <= e->pools + 1; k++)	/* this VM's name is known */
		e->flow[k].from = vm;
}

void vmo_flow_stop(struct vmo_engine *e)
{
	vmo_detailed = false;
	free(e->flow);
	e->flow = e->elsewhere.flow = NULL;
	e->flows = 0;
}
