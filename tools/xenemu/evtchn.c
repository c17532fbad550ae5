/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * evtchn.c - the xenevtchn API: a handle is a pipe, from which the numbers of signalled ports are read.
 *
 * Invariants: only a handle's own ports may be notified, unbound and unmasked through it (ENOTCONN otherwise).
 * Blocking: only xenevtchn_pending, in read(2), with no lock held; the descriptor may be made non-blocking.
 * Threads: any. Not handled: VIRQs, fdopen, NO_CLOEXEC (accepted; the descriptors are close-on-exec all the same),
 * reading the descriptor by hand.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "xenemu.h"

struct xenevtchn_handle {
	pid_t pid;
	int pipe[2];
	uint64_t ino;
	bool restricted;
	uint32_t only_domid;
};

XENEMU_API xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	struct xenevtchn_handle *handle;
	int rc;

	(void)logger;
	if (flags & ~(unsigned)XENEVTCHN_NO_CLOEXEC) {
		errno = EINVAL;
		return NULL;
	}
	handle = calloc(1, sizeof *handle);
	if (!handle)
		return NULL;
	handle->pid = getpid();
	rc = pipe2(handle->pipe, O_CLOEXEC) ? -errno : 0;
	if (!rc) {
		fcntl(handle->pipe[1], F_SETFL, O_NONBLOCK);
		handle->ino = xenemu_inode_of(handle->pipe[1]);
		rc = xenemu_attach();
		if (!rc)
			return handle;
		close(handle->pipe[0]);
		close(handle->pipe[1]);
	}
	free(handle);
	errno = -rc;
	return NULL;
}

XENEMU_API xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned open_flags)
{
	(void)logger, (void)fd, (void)open_flags;
	errno = EOPNOTSUPP;
	return NULL;
}

/* [locked] Is it a port of this handle? */
static bool owns(const xenevtchn_handle *handle, uint32_t port)
{
	const struct xenemu_port *end = xenemu_port_at(xenemu.domain, port);

	return end && end->owner == xenemu.self && end->pipe_ino == handle->ino && end->pipe_fd >= 0;
}

XENEMU_API int xenevtchn_close(xenevtchn_handle *handle)
{
	bool attached;

	if (!handle)
		return 0;
	attached = xenemu_enter(handle->pid) == 0;
	if (attached) {
		for (uint32_t port = 1; port < xenemu.registry->domains[xenemu.domain].ports_top; port++)
			if (owns(handle, port))
				xenemu_port_close(xenemu.domain, port);
		xenemu_leave();
	}
	close(handle->pipe[0]);
	close(handle->pipe[1]);
	free(handle);
	if (attached)
		xenemu_detach();
	return 0;
}

XENEMU_API int xenevtchn_fd(xenevtchn_handle *handle)
{
	return handle->pipe[0];
}

XENEMU_API int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	rc = owns(handle, port) ? 0 : -ENOTCONN;
	if (!rc)
		xenemu_port_send(xenemu.domain, port);
	xenemu_leave();
	return xenemu_result(rc);
}

/* [locked] */
static int may_bind(const xenevtchn_handle *handle, uint32_t domid)
{
	if (handle->restricted && handle->only_domid != domid)
		return -EACCES;
	return xenemu_watch_start();
}

XENEMU_API xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle, uint32_t domid)
{
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	rc = may_bind(handle, domid);
	if (!rc)
		rc = xenemu_port_open((uint16_t)(domid == DOMID_SELF ? xenemu.settings.domid : domid), handle->pipe[1], handle->ino);
	xenemu_leave();
	return xenemu_result(rc);
}

XENEMU_API xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle, uint32_t domid,
                                                                evtchn_port_t remote_port)
{
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	rc = may_bind(handle, domid);
	if (!rc)
		rc = xenemu_port_bind(domid, remote_port, handle->pipe[1], handle->ino);
	xenemu_leave();
	return xenemu_result(rc);
}

XENEMU_API xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *handle, unsigned int virq)
{
	(void)handle, (void)virq;
	return xenemu_result(-EOPNOTSUPP);
}

XENEMU_API int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	rc = port >= XENEMU_PORTS ? -EINVAL : owns(handle, port) ? 0 : -ENOTCONN;
	if (!rc)
		xenemu_port_close(xenemu.domain, port);
	xenemu_leave();
	return xenemu_result(rc);
}

XENEMU_API xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
	uint32_t port;
	ssize_t n;
	int rc;

	if (handle->pid != getpid())
		return xenemu_result(-EBADF);
	n = read(handle->pipe[0], &port, sizeof port);
	if (n != (ssize_t)sizeof port)
		return xenemu_result(n < 0 ? -errno : -EIO);
	rc = xenemu_enter(handle->pid);
	if (rc)
		return xenemu_result(rc);
	if (owns(handle, port))
		xenemu_port_at(xenemu.domain, port)->line = XENEMU_LINE_MASKED;
	xenemu_leave();
	return (xenevtchn_port_or_error_t)port;
}

/* As the kernel does: a port that isn't masked, or isn't ours, is passed over. */
XENEMU_API int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
	int rc = xenemu_enter(handle->pid);

	if (rc)
		return xenemu_result(rc);
	if (owns(handle, port))
		xenemu_port_unmask(xenemu.domain, port);
	xenemu_leave();
	return 0;
}

XENEMU_API int xenevtchn_restrict(xenevtchn_handle *handle, domid_t domid)
{
	if (handle->restricted)
		return xenemu_result(-EACCES);
	handle->restricted = true;
	handle->only_domid = domid;
	return 0;
}
