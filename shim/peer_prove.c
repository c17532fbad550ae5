/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_internal.h"

int vmo_start_agree(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;

	for (uint32_t r = 0; r < e->ranks; r++)
		s->said[r] = e->peer[r].on;
	int rc = s->exchange(s->context, s->said, s->heard, sizeof *s->said);
	for (uint32_t r = 0; r < e->ranks; r++)
		e->peer[r].on = !rc && e->peer[r].on && s->heard[r] == 1;
	return rc;
}

int vmo_start_prove(struct vmo_start *s)
{
	struct vmo_engine *e = s->engine;
	const struct vmo_vm *own = &s->hello[e->self].vm;

	for (uint32_t r = 0; r < e->ranks; r++)
		if (vmo_vm_candidates(&s->hello[r].vm, own))
			s->mine[r] = vmo_proof_for(&s->pages, e->xen, s->hello[r].vm.domid);
	int rc = s->exchange(s->context, s->mine, s->theirs, sizeof *s->mine);
	for (uint32_t r = 0; !rc && r < e->ranks; r++)
		e->peer[r].on = vmo_vm_candidates(&s->hello[r].vm, own) &&
		                vmo_proof_holds(e->xen, s->hello[r].vm.domid, &s->theirs[r]);
	if (!rc)
		rc = vmo_start_agree(s);
	vmo_proof_pages_back(&s->pages, e->xen);
	return rc;
}
