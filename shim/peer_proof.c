/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer_host.h"

#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

void vmo_fill_random(void *to, size_t bytes)
{
	uint64_t now = vmo_now_ns() ^ ((uint64_t)getpid() << 32);

	if (getrandom(to, bytes, 0) == (ssize_t)bytes)
		return;
	for (size_t i = 0; i < bytes; i++) {	/* no entropy at all: still unlike another job's */
		now = now * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)to)[i] = (uint8_t)(now >> 56);
	}
}

int vmo_proof_pages_new(struct vmo_proof_pages *pages, uint32_t room)
{
	pages->n = 0;
	pages->room = room;
	pages->at = vmo_fault(proof_pages) ? NULL : calloc(room, sizeof *pages->at);
	return pages->at ? 0 : -ENOMEM;
}

/* A page with a nonce, granted to that domain. On failure the proof stays empty. */
static void grant(struct vmo_xen *xen, vmo_domid domid, struct vmo_grant *out, struct vmo_proof *proof)
{
	struct vmo_grant fresh;
	void *page;

	if (vmo_xen_grant(xen, domid, 1, false, &fresh, &proof->gref))
		return;
	*out = fresh;
	if (vmo_xen_view(xen, &fresh, 0, 1, NULL, true, &page)) {
		proof->gref = 0;
		return;
	}
	vmo_fill_random(proof->nonce, sizeof proof->nonce);
	memcpy(page, proof->nonce, sizeof proof->nonce);
	syscall(SYS_munmap, page, VMO_PAGE_BYTES);
}

struct vmo_proof vmo_proof_for(struct vmo_proof_pages *pages, struct vmo_xen *xen, vmo_domid domid)
{
	uint32_t i = 0;

	while (i < pages->n && pages->at[i].domid != domid)
		i++;
	if (i == pages->room)
		return (struct vmo_proof){ 0 };
	if (i == pages->n) {
		memset(&pages->at[i], 0, sizeof pages->at[i]);
		pages->at[i].domid = domid;
		grant(xen, domid, &pages->at[i].grant, &pages->at[i].proof);
		pages->n++;
	}
	return pages->at[i].proof;
}

void vmo_proof_pages_back(struct vmo_proof_pages *pages, struct vmo_xen *xen)
{
	for (uint32_t i = 0; i < pages->n; i++)
		if (pages->at[i].grant.pages)
			vmo_xen_ungrant(xen, &pages->at[i].grant);
	pages->n = 0;
}

bool vmo_proof_holds(struct vmo_xen *xen, vmo_domid domid, const struct vmo_proof *proof)
{
	uint8_t copied[sizeof proof->nonce];
	void *page;

	if (!proof->gref || vmo_xen_map(xen, domid, &proof->gref, 1, false, &page))
		return false;
	bool same = !memcmp(page, proof->nonce, sizeof proof->nonce);
	vmo_xen_unmap(xen, page, 1);
	return same && !vmo_xen_copy(xen, domid, &proof->gref, 0, sizeof copied, copied) &&
	       !memcmp(copied, proof->nonce, sizeof copied);
}
