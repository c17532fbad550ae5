/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reap.c - a process is gone, or leaves: do what the hypervisor and its kernel would have done.
 *
 *   1 its unmap-notifies fire    2 its mappings go    3 its ports close    4 its grants end    5 its slot is free
 *
 * Invariants: done under the lock by whoever comes first (a watcher, a new process, the process itself at exit), once,
 * because the slot is free afterwards. Notifies come first: they need the maps (for a keeper) and the ports.
 * If the reaper itself dies midway, the slot is still live and the next one starts again; each step may be repeated.
 * Threads: both locks held. Not handled: the 2 s for which real gntalloc keeps the pages of the dead.
 */
#include <string.h>

#include "xenemu.h"

static void fire_notifies(uint16_t slot, struct xenemu_domain *domain)
{
	struct xenemu_registry *registry = xenemu.registry;

	for (uint32_t gref = XENEMU_RESERVED_GREFS; gref < domain->fresh; gref++) {
		struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

		if (grant->state != XENEMU_GRANT_FREE && grant->owner == slot && grant->notify.action)
			xenemu_notify_fire_grant(grant);
	}
	for (uint32_t i = 0; i < registry->maps_top; i++)
		if (registry->maps[i].used && registry->maps[i].mapper == slot && registry->maps[i].notify.action)
			xenemu_notify_fire_map(&registry->maps[i]);
}

static void drop_maps(uint16_t slot)
{
	for (uint32_t i = 0; i < xenemu.registry->maps_top; i++)
		if (xenemu.registry->maps[i].mapper == slot)
			xenemu.registry->maps[i].used = 0;
}

static void close_ports(uint16_t slot, uint16_t domain)
{
	for (uint32_t port = 1; port < xenemu.registry->domains[domain].ports_top; port++) {
		struct xenemu_port *end = xenemu_port_at(domain, port);

		if (!end || end->owner != slot)
			continue;
		end->held = 0;
		xenemu_port_close(domain, port);
	}
}

/* Downwards, so that the lowest reference is on top of the free list again. */
static void end_grants(uint16_t slot, struct xenemu_domain *domain)
{
	for (uint32_t gref = domain->fresh; gref-- > XENEMU_RESERVED_GREFS;) {
		struct xenemu_grant *grant = xenemu_grant_at(domain, gref);

		if (grant->state != XENEMU_GRANT_FREE && grant->owner == slot)
			xenemu_grant_free(domain, gref);
	}
}

void xenemu_reap(uint16_t slot)
{
	struct xenemu_proc *proc = &xenemu.registry->procs[slot];
	struct xenemu_domain *domain = &xenemu.registry->domains[proc->domain];

	if (!proc->live)
		return;
	fire_notifies(slot, domain);
	drop_maps(slot);
	close_ports(slot, proc->domain);
	end_grants(slot, domain);
	for (int i = 0; i < XENEMU_PROCS; i++)
		xenemu.registry->procs[i].peers[slot / 64] &= ~(1ULL << (slot % 64));
	proc->live = 0;
	xenemu_domain_part(domain);
	xenemu_reclaim_all();
	xenemu_keepers_trim();
}

void xenemu_sweep(void)
{
	for (int i = 0; i < XENEMU_PROCS; i++)
		if (xenemu.registry->procs[i].live && !xenemu_alive(&xenemu.registry->procs[i]))
			xenemu_reap((uint16_t)i);
}
