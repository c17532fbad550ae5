/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenemu.h - the emulated Xen, its map and its inner contracts. Start here.
 *
 * Purpose: libxengnttab, libxenevtchn and a corner of libxenstore on ONE kernel, with no hypervisor, daemon or
 * privilege, so that code written for two domains runs, and is tested, between processes.
 *
 *   granter, domain 1                registry file                    mapper, domain 2
 *   memfd "xenemu"                   /dev/shm/xenemu-UID              opens /proc/PID/fd/N of the
 *     page 0..n  <--- gref 8,9,.. -- grants, maps, ports -- gref ---> granter's memfd, mmaps it
 *   event channel: pipe  <---------------------------------------------- write(port)
 *
 *   settings.c   XENEMU_*: which domain am I, and how much may it have
 *   registry.c   the shared file: open, lock, recover, remove
 *   process.c    attach, detach, who is alive, fork
 *   domain.c     domains, their grant tables, what a gref means
 *   reclaim.c    pages that were given up: free them when nobody looks at them
 *   procfd.c     /proc/PID/fd/N, checked
 *   keeper.c     kept descriptors of others' memfds, the cache of their pipes
 *   notify.c     unmap-notify: arm, fire exactly once
 *   port.c       event channel ends;  evtchn.c  the xenevtchn API over them
 *   gntshr.c     xengntshr, gntalloc.c the ioctl
 *   gnttab.c     xengnttab map and unmap;  copy.c  grant copy
 *   reap.c       a process is gone: do what its kernel would have done
 *   watch.c      the one thread, asleep, that learns of deaths
 *   xenstore.c   the path "domid"
 *
 * Invariants
 *   - Two locks, always in this order: the process's (context.lock), the registry's (robust, in the file).
 *     xenemu_enter takes both. No function marked [locked] blocks for long; none calls back into the application.
 *   - A forked child owns nothing: its context is empty, its inherited handles can only be closed.
 *   - Every descriptor is close-on-exec.
 *   - Inner functions return 0 or -errno; only the exported ones set errno.
 *
 * Not handled: see README.md, "Where it differs from real Xen".
 */
#ifndef XENEMU_H
#define XENEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "layout.h"

#define XENEMU_API __attribute__((visibility("default")))

struct xenemu_settings {
	bool read;
	uint32_t domid;
	uint32_t limit_pages;
	uint32_t table_grants;
	uint32_t maptrack_pages;
	char path[256]; /* of the registry file */
};

struct xenemu_context {
	pthread_mutex_t lock;
	pid_t pid; /* whose context this is */
	uint32_t handles;
	struct xenemu_settings settings;
	struct xenemu_registry *registry; /* NULL: not attached */
	int registry_fd;
	uint64_t registry_ino;
	bool ended;      /* the program is exiting: nothing is opened any more */
	uint16_t self;   /* my process slot; XENEMU_PROCS: none */
	uint16_t domain; /* my domain slot */
	uint32_t mapped_pages;
	int bell[2]; /* wakes my watcher */
	bool watching, stop_watching;
	pthread_t watcher;
};

extern struct xenemu_context xenemu;

/* settings.c. [process lock] -EINVAL after one line on stderr. */
int xenemu_settings_read(struct xenemu_settings *settings);

/* registry.c */
int xenemu_registry_open(void);                 /* [process lock] */
void xenemu_registry_close(void);               /* [process lock] removes the file if no process is left */
int xenemu_registry_lock(void);                 /* [process lock] */
void xenemu_registry_unlock(void);
int xenemu_registry_back(void *at, size_t bytes); /* [locked] give that part memory: -ENOSPC, not SIGBUS */

/* process.c */
int xenemu_attach(void);               /* no lock held; counts one handle more */
void xenemu_detach(void);              /* no lock held; one handle fewer, the last one leaves */
int xenemu_enter(pid_t handle_pid);    /* both locks; -EBADF in a forked child */
void xenemu_leave(void);
bool xenemu_alive(const struct xenemu_proc *proc);
int xenemu_pidfd(const struct xenemu_proc *proc); /* a pidfd that is surely this process, or -errno */
void xenemu_close_fd(int *fd);         /* forgets, then closes: safe against a fork in between */

/* domain.c, all [locked] */
struct xenemu_domain *xenemu_domain_find(uint32_t domid); /* NULL: none; knows DOMID_SELF */
int xenemu_domain_join(uint32_t domid, uint16_t *slot);
void xenemu_domain_part(struct xenemu_domain *domain);
struct xenemu_grant *xenemu_grant_at(struct xenemu_domain *domain, uint32_t gref);
int xenemu_grant_alloc(struct xenemu_domain *domain, uint32_t count, const struct xenemu_grant *model, uint32_t *grefs);
void xenemu_grant_free(struct xenemu_domain *domain, uint32_t gref);
void xenemu_domain_rebuild(struct xenemu_domain *domain);
int xenemu_grant_check(uint32_t domid, uint32_t gref, bool write, struct xenemu_grant **grant); /* GNTST_* */

/* reclaim.c, [locked] */
bool xenemu_page_is_mapped_by_peer(uint64_t ino, uint32_t page);
void xenemu_reclaim(struct xenemu_domain *domain);
void xenemu_reclaim_all(void);

/* procfd.c: open descriptor fd of a process if it still is inode ino. */
int xenemu_procfd_open(pid_t pid, int fd, uint64_t ino, int flags);
uint64_t xenemu_inode_of(int fd); /* 0: not open */

/* keeper.c, all [locked]. A keeper is my own O_RDWR descriptor of somebody's memfd. */
int xenemu_keeper_get(const struct xenemu_grant *grant); /* -> fd or -errno; pair with xenemu_keeper_put */
void xenemu_keeper_put(uint64_t ino);
int xenemu_keeper_find(uint64_t ino);                    /* -> fd, not counted, or -ENOENT */
int xenemu_pipe_of(const struct xenemu_proc *owner, int fd, uint64_t ino); /* write to it; cached; -> fd or -errno */
void xenemu_keepers_trim(void);                          /* close the unused: they may pin a dead granter's memory */
void xenemu_keepers_drop(void);                          /* close all */
void xenemu_keepers_forget(bool whole);                  /* after fork */

/* notify.c, all [locked] */
int xenemu_notify_arm(struct xenemu_notify *notify, uint32_t action, uint32_t offset_bytes, uint32_t port);
void xenemu_notify_fire_grant(struct xenemu_grant *grant);
void xenemu_notify_fire_map(struct xenemu_map *map);

/* port.c, all [locked]; "domain" is the domain the port belongs to */
int xenemu_port_open(uint16_t remote_domid, int pipe_fd, uint64_t pipe_ino);
int xenemu_port_bind(uint32_t remote_domid, uint32_t remote_port, int pipe_fd, uint64_t pipe_ino);
struct xenemu_port *xenemu_port_at(uint16_t domain, uint32_t port);
void xenemu_port_send(uint16_t domain, uint32_t port);
void xenemu_port_deliver(uint16_t domain, uint32_t port);
void xenemu_port_unmask(uint16_t domain, uint32_t port);
void xenemu_port_close(uint16_t domain, uint32_t port);
void xenemu_port_release(uint16_t domain, uint32_t port); /* one armed notify fewer */

/* gnttab.c, [locked] */
bool xenemu_is_gntdev_memory(const void *start, size_t bytes);
void xenemu_gnttab_forget(bool whole); /* after fork */

/* gntshr.c, [locked] */
struct xengntdev_handle;
int xenemu_share(struct xengntdev_handle *handle, bool keep, const struct xenemu_grant *model, uint32_t count,
                 uint32_t *grefs, void **addr, uint64_t *index);
int xenemu_unshare_pages(struct xengntdev_handle *handle, uint64_t index, uint32_t count);
struct xenemu_grant *xenemu_grant_by_index(struct xengntdev_handle *handle, uint64_t index);
struct xengntdev_handle *xenemu_gntshr_by_fd(int fd);
void xenemu_gntshr_forget(bool whole); /* after fork; whole: no other thread was amid a change */

/* reap.c, [locked] */
void xenemu_reap(uint16_t slot);
void xenemu_sweep(void); /* reap every dead process */

/* watch.c */
int xenemu_watch_start(void);            /* [locked] */
void xenemu_watch_peer(uint16_t slot);   /* [locked] from now on, each learns of the other's death */
void xenemu_watch_stop(void);            /* no lock held */
void xenemu_watch_forget(bool whole);    /* after fork */

/* The end of an exported function: 0 stays 0, -errno becomes -1 and errno. */
int xenemu_result(int rc);

#endif
