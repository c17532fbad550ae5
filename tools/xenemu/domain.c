/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain.c - a domain and its grant table.
 *
 *   free_head -> last freed -> .. -> 0        fresh: lowest reference never used
 *   new references: first the free list (last in, first out, as Linux does), then fresh++
 *
 * Invariants
 *   - A domain lives while a process is in it; then its chunks go back.
 *   - grants = entries that are not FREE; orphans = entries that are ORPHAN.
 *   - A table that once ran out stays out (dry) for the life of the domain.
 *   - `state` of a grant is stored last when it is made, first when it ends: a crash in between leaves a free entry.
 *
 * Threads: both locks held. Not handled: growth of the table in frames costs nothing here.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <xen/grant_table.h>

#include "xenemu.h"

struct xenemu_domain *xenemu_domain_find(uint32_t domid)
{
	struct xenemu_domain *domains = xenemu.registry->domains;

	if (domid == DOMID_SELF)
		return &domains[xenemu.domain];
	for (int i = 0; i < XENEMU_DOMAINS; i++)
		if (domains[i].used && domains[i].domid == domid)
			return &domains[i];
	return NULL;
}

int xenemu_domain_join(uint32_t domid, uint16_t *slot)
{
	struct xenemu_domain *domains = xenemu.registry->domains, *domain = NULL;

	for (int i = 0; i < XENEMU_DOMAINS && !domain; i++)
		if (domains[i].used && domains[i].domid == domid)
			domain = &domains[i];
	for (int i = 0; i < XENEMU_DOMAINS && !domain; i++)
		if (!domains[i].used) {
			domain = &domains[i];
			memset(domain, 0, sizeof *domain);
			domain->domid = (uint16_t)domid;
			domain->fresh = XENEMU_RESERVED_GREFS;
			__atomic_store_n(&domain->used, 1, __ATOMIC_RELEASE);
		}
	if (!domain)
		return -EAGAIN;
	domain->procs++;
	*slot = (uint16_t)(domain - domains);
	return 0;
}

void xenemu_domain_part(struct xenemu_domain *domain)
{
	if (--domain->procs)
		return;
	domain->used = 0;
	for (int i = 0; i < XENEMU_DOMAIN_CHUNKS; i++)
		if (domain->chunk[i])
			xenemu.registry->chunk_used[domain->chunk[i]] = 0;
}

struct xenemu_grant *xenemu_grant_at(struct xenemu_domain *domain, uint32_t gref)
{
	if (gref < XENEMU_RESERVED_GREFS || gref >= domain->fresh)
		return NULL;
	return &xenemu.registry->grants[domain->chunk[gref / XENEMU_CHUNK]][gref % XENEMU_CHUNK];
}

/* Memory for the entry of the reference `fresh`. */
static int back_fresh(struct xenemu_domain *domain)
{
	uint16_t *slot = &domain->chunk[domain->fresh / XENEMU_CHUNK];
	int chunk = 1, rc;

	if (*slot)
		return 0;
	while (chunk < XENEMU_CHUNKS && xenemu.registry->chunk_used[chunk])
		chunk++;
	if (chunk == XENEMU_CHUNKS)
		return -ENOSPC;
	rc = xenemu_registry_back(xenemu.registry->grants[chunk], sizeof xenemu.registry->grants[chunk]);
	if (rc)
		return rc;
	memset(xenemu.registry->grants[chunk], 0, sizeof xenemu.registry->grants[chunk]);
	xenemu.registry->chunk_used[chunk] = 1;
	*slot = (uint16_t)chunk;
	return 0;
}

static int take_gref(struct xenemu_domain *domain, uint32_t *gref)
{
	int rc;

	*gref = domain->free_head;
	if (*gref) {
		domain->free_head = xenemu_grant_at(domain, *gref)->next_free;
		return 0;
	}
	rc = back_fresh(domain);
	if (!rc)
		*gref = domain->fresh++;
	return rc;
}

/* gntalloc's limit and the table's end, in this order. What the dead of this domain had does not count. */
static int may_grow(struct xenemu_domain *domain, uint32_t count)
{
	const struct xenemu_settings *settings = &xenemu.settings;

	if (domain->orphans)
		xenemu_reclaim(domain);
	if (domain->grants + (uint64_t)count > settings->limit_pages ||
	    domain->grants + (uint64_t)count > settings->table_grants)
		xenemu_sweep();
	if (domain->dry || domain->grants + (uint64_t)count > settings->limit_pages)
		return -ENOSPC;
	if (domain->grants + count <= settings->table_grants)
		return 0;
	domain->dry = 1;
	return -ENOSPC;
}

/* `model` says everything but the page, which counts up from model->page. All or nothing: -ENOSPC. */
int xenemu_grant_alloc(struct xenemu_domain *domain, uint32_t count, const struct xenemu_grant *model, uint32_t *grefs)
{
	int rc = may_grow(domain, count);

	for (uint32_t i = 0; !rc && i < count; i++) {
		struct xenemu_grant *grant;

		rc = take_gref(domain, &grefs[i]);
		if (rc) {
			while (i--)
				xenemu_grant_free(domain, grefs[i]);
			break;
		}
		grant = xenemu_grant_at(domain, grefs[i]);
		*grant = *model;
		grant->page = model->page + i;
		domain->grants++;
		__atomic_store_n(&grant->state, XENEMU_GRANT_ACTIVE, __ATOMIC_RELEASE);
	}
	return rc;
}

void xenemu_grant_free(struct xenemu_domain *domain, uint32_t gref)
{
	struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

	domain->orphans -= grant->state == XENEMU_GRANT_ORPHAN;
	domain->grants--;
	__atomic_store_n(&grant->state, XENEMU_GRANT_FREE, __ATOMIC_RELEASE);
	grant->next_free = domain->free_head;
	domain->free_head = gref;
}

void xenemu_domain_rebuild(struct xenemu_domain *domain)
{
	domain->grants = domain->orphans = domain->free_head = 0;
	for (uint32_t gref = domain->fresh; gref-- > XENEMU_RESERVED_GREFS;) {
		struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

		domain->orphans += grant->state == XENEMU_GRANT_ORPHAN;
		domain->grants += grant->state != XENEMU_GRANT_FREE;
		if (grant->state != XENEMU_GRANT_FREE)
			continue;
		grant->next_free = domain->free_head;
		domain->free_head = gref;
	}
}

/* May my domain use this grant? The answers of Xen; the table is as long as the frames in use. */
int xenemu_grant_check(uint32_t domid, uint32_t gref, bool write, struct xenemu_grant **found)
{
	struct xenemu_domain *domain = xenemu_domain_find(domid);
	struct xenemu_grant *grant;

	if (!domain)
		return GNTST_bad_domain;
	if (gref >= (domain->fresh + XENEMU_FRAME_GREFS - 1) / XENEMU_FRAME_GREFS * XENEMU_FRAME_GREFS)
		return GNTST_bad_gntref;
	grant = xenemu_grant_at(domain, gref);
	if (!grant || grant->state == XENEMU_GRANT_FREE || grant->to_domid != xenemu.settings.domid)
		return GNTST_general_error;
	if (grant->state == XENEMU_GRANT_ORPHAN && !xenemu_page_is_mapped_by_peer(grant->ino, grant->page))
		return GNTST_general_error;
	if (write && !grant->writable)
		return GNTST_general_error;
	*found = grant;
	return GNTST_okay;
}
