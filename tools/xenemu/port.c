/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * port.c - the ends of event channels.
 *
 *   FREE --bind_unbound--> UNBOUND <--the other end closes--- BOUND <--bind_interdomain (from the other end)
 *
 *   a signal on an end:  IDLE   -> QUEUED, its number goes into the owner's pipe
 *                        QUEUED -> absorbed (not yet read: one delivery stands for both)
 *                        MASKED -> pending, delivered again at unmask
 *   pending() reads it:  QUEUED -> MASKED;   unmask: MASKED -> IDLE, or QUEUED if pending
 *
 * Invariants: a number is in the pipe at most once while its end lives, so the pipe never fills. Sending to an end that
 * nobody holds is silently nothing, as in Xen.
 * Threads: both locks held; the writes don't block. Not handled: VIRQs, priorities.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "xenemu.h"

struct xenemu_port *xenemu_port_at(uint16_t domain, uint32_t port)
{
	struct xenemu_domain *owner = &xenemu.registry->domains[domain];
	struct xenemu_port *end;

	if (!port || port >= owner->ports_top)
		return NULL;
	end = &xenemu.registry->ports[domain][port];
	return end->state == XENEMU_PORT_FREE ? NULL : end;
}

/* The lowest free number, as Xen does; 0 is never one. */
int xenemu_port_open(uint16_t remote_domid, int pipe_fd, uint64_t pipe_ino)
{
	struct xenemu_domain *domain = &xenemu.registry->domains[xenemu.domain];
	struct xenemu_port *ends = xenemu.registry->ports[xenemu.domain];
	uint32_t port = 1;
	int rc;

	while (port < domain->ports_top && ends[port].state != XENEMU_PORT_FREE)
		port++;
	if (port == XENEMU_PORTS)
		return -ENOSPC;
	if (port >= domain->ports_top) {
		rc = xenemu_registry_back(&ends[port], sizeof ends[port]);
		if (rc)
			return rc;
		ends[port].state = XENEMU_PORT_FREE;
		domain->ports_top = port + 1;
	}
	ends[port] = (struct xenemu_port){
		.pipe_ino = pipe_ino, .pipe_fd = pipe_fd, .owner = xenemu.self, .remote_domid = remote_domid};
	__atomic_store_n(&ends[port].state, XENEMU_PORT_UNBOUND, __ATOMIC_RELEASE);
	return (int)port;
}

static uint16_t slot_of(const struct xenemu_domain *domain)
{
	return (uint16_t)(domain - xenemu.registry->domains);
}

int xenemu_port_bind(uint32_t remote_domid, uint32_t remote_port, int pipe_fd, uint64_t pipe_ino)
{
	struct xenemu_domain *remote = xenemu_domain_find(remote_domid);
	struct xenemu_port *far, *near;
	int port;

	if (!remote)
		return -ESRCH;
	far = xenemu_port_at(slot_of(remote), remote_port);
	if (!far || far->state != XENEMU_PORT_UNBOUND || far->remote_domid != xenemu.settings.domid || far->pipe_fd < 0)
		return -EINVAL;
	port = xenemu_port_open(remote->domid, pipe_fd, pipe_ino);
	if (port < 0)
		return port;
	near = &xenemu.registry->ports[xenemu.domain][port];
	near->remote_port = (uint16_t)remote_port;
	far->remote_port = (uint16_t)port;
	near->state = far->state = XENEMU_PORT_BOUND;
	xenemu_watch_peer(far->owner);
	xenemu_port_deliver(xenemu.domain, (uint32_t)port); /* the binder's one spurious event */
	return port;
}

static void queue(struct xenemu_port *end, uint32_t port)
{
	const struct xenemu_proc *owner = &xenemu.registry->procs[end->owner];
	int fd = end->owner == xenemu.self ? end->pipe_fd : xenemu_pipe_of(owner, end->pipe_fd, end->pipe_ino);

	end->line = XENEMU_LINE_QUEUED;
	if (fd >= 0 && write(fd, &port, sizeof port) != (ssize_t)sizeof port)
		end->line = XENEMU_LINE_IDLE;
}

void xenemu_port_deliver(uint16_t domain, uint32_t port)
{
	struct xenemu_port *end = xenemu_port_at(domain, port);

	if (!end || end->pipe_fd < 0)
		return;
	if (end->line == XENEMU_LINE_MASKED)
		end->pending = 1;
	else if (end->line == XENEMU_LINE_IDLE)
		queue(end, port);
}

/* Both ends must agree that they belong together. NULL: there is no other end. */
static struct xenemu_port *other_end(struct xenemu_port *end, uint16_t *domain)
{
	struct xenemu_domain *remote = NULL;

	for (int i = 0; i < XENEMU_DOMAINS && !remote; i++)
		if (xenemu.registry->domains[i].used && xenemu.registry->domains[i].domid == end->remote_domid)
			remote = &xenemu.registry->domains[i];
	if (!remote || end->state != XENEMU_PORT_BOUND)
		return NULL;
	*domain = slot_of(remote);
	return xenemu_port_at(*domain, end->remote_port);
}

void xenemu_port_send(uint16_t domain, uint32_t port)
{
	struct xenemu_port *end = xenemu_port_at(domain, port);
	uint16_t remote;

	if (end && other_end(end, &remote))
		xenemu_port_deliver(remote, end->remote_port);
}

void xenemu_port_unmask(uint16_t domain, uint32_t port)
{
	struct xenemu_port *end = xenemu_port_at(domain, port);

	if (!end || end->line != XENEMU_LINE_MASKED)
		return;
	end->line = XENEMU_LINE_IDLE;
	if (!end->pending)
		return;
	end->pending = 0;
	queue(end, port);
}

/* A held end loses its handle now and goes when its last notify does. */
void xenemu_port_close(uint16_t domain, uint32_t port)
{
	struct xenemu_port *end = xenemu_port_at(domain, port), *far;
	uint16_t remote;

	if (!end)
		return;
	end->pipe_fd = -1;
	if (end->held)
		return;
	far = other_end(end, &remote);
	if (far)
		far->state = XENEMU_PORT_UNBOUND;
	end->state = XENEMU_PORT_FREE;
}

void xenemu_port_release(uint16_t domain, uint32_t port)
{
	struct xenemu_port *end = xenemu_port_at(domain, port);

	if (end && end->held && --end->held == 0 && end->pipe_fd < 0)
		xenemu_port_close(domain, port);
}
