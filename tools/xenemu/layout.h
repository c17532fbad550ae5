/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * layout.h - the registry file: what all emulated domains of one user on one host share.
 *
 * Purpose: the part of Xen that is state. One sparse file, mapped whole by every process.
 *
 *   +--------+-------+---------+------+---------------------+-------------------+
 *   | header | procs | domains | maps | ports of each domain | grants, in chunks |
 *   +--------+-------+---------+------+---------------------+-------------------+
 *
 *   gref --(domain.chunk[gref / 1024])--> grant --> (owner process, its memfd, page number)
 *   map  = "process M has pages [page, page + count) of memfd `ino` mapped"
 *   port = one end of an event channel; its owner reads a pipe that notifiers open by /proc
 *
 * Invariants
 *   - Everything below the lock is read and written with the lock held.
 *   - A memfd or pipe is known by its inode number: descriptor numbers can be closed and reused by an application,
 *     so whoever opens /proc/PID/fd/N compares the inode before it believes it.
 *   - `state` (grant, port), `used` (map, domain) and `live` (process) are primary; counters and free lists
 *     follow from them and are rebuilt when a lock holder dies (registry.c).
 *
 * Not handled: processes with different word sizes or different C libraries sharing one file.
 */
#ifndef XENEMU_LAYOUT_H
#define XENEMU_LAYOUT_H

#include <pthread.h>
#include <stdint.h>

#define XENEMU_PAGE_BYTES 4096UL
#define XENEMU_MAGIC 0x756d656e6578ULL /* "xenemu" */
#define XENEMU_VERSION 1u

enum {
	XENEMU_PROCS = 512,         /* processes attached at one time */
	XENEMU_DOMAINS = 256,       /* domains alive at one time */
	XENEMU_PORTS = 4096,        /* event channel ports of a domain */
	XENEMU_MAPS = 65536,        /* contiguous mapped spans, all processes together */
	XENEMU_CHUNK = 1024,        /* grants handed to a domain at a time */
	XENEMU_CHUNKS = 1024,       /* chunk 0 stays unused: 0 means "none" */
	XENEMU_DOMAIN_CHUNKS = 129, /* 131072 grants and the reserved ones */
	XENEMU_RESERVED_GREFS = 8,  /* as in Linux: never handed out */
	XENEMU_FRAME_GREFS = 512,   /* version 1 grants in one frame of the table */
};

/* What happens when a page goes away: the actions of UNMAP_NOTIFY_*. */
struct xenemu_notify {
	uint32_t port;
	uint16_t offset_bytes;
	uint16_t action; /* 0: not armed */
};

enum xenemu_grant_state {
	XENEMU_GRANT_FREE,
	XENEMU_GRANT_ACTIVE,
	XENEMU_GRANT_ORPHAN, /* deallocated; some mapping may still hold the page */
};

struct xenemu_grant {
	uint64_t ino;
	struct xenemu_notify notify;
	uint32_t page;
	uint32_t next_free;
	int32_t fd; /* in the owner */
	uint16_t owner;
	uint16_t to_domid : 15;
	uint16_t writable : 1;
	uint8_t state;
};

struct xenemu_map {
	uint64_t ino;
	struct xenemu_notify notify;
	uint32_t page;
	uint32_t count;
	int32_t keeper_fd; /* in the mapper, O_RDWR: outlives the granter */
	uint16_t mapper;
	uint8_t used;
};

enum xenemu_port_state { XENEMU_PORT_FREE, XENEMU_PORT_UNBOUND, XENEMU_PORT_BOUND };
enum xenemu_port_line { XENEMU_LINE_IDLE, XENEMU_LINE_QUEUED, XENEMU_LINE_MASKED };

struct xenemu_port {
	uint64_t pipe_ino;
	int32_t pipe_fd;       /* write end, in the owner; -1: its handle is closed */
	uint16_t owner;
	uint16_t remote_domid; /* who may bind, or has bound */
	uint16_t remote_port;
	uint8_t state;
	uint8_t line;
	uint8_t pending; /* signalled while masked */
	uint8_t held;    /* armed unmap-notifies that name this port */
};

struct xenemu_domain {
	uint16_t domid;
	uint8_t used;
	uint8_t dry; /* the table ran out once: it stays out (a fact about gntalloc) */
	uint32_t procs;
	uint32_t grants;    /* not free: what the limit and the table count */
	uint32_t orphans;
	uint32_t fresh;     /* lowest gref never handed out */
	uint32_t free_head; /* last freed gref; 0: none */
	uint32_t ports_top; /* one above the highest port ever used */
	uint16_t chunk[XENEMU_DOMAIN_CHUNKS];
};

struct xenemu_proc {
	uint64_t start_ticks; /* with the pid: who it is */
	uint64_t bell_ino;
	uint64_t peers[XENEMU_PROCS / 64]; /* whose death concerns this process */
	int32_t pid;
	int32_t bell_fd; /* write end of the pipe that wakes its watcher */
	uint32_t generation;
	uint16_t domain;
	uint8_t live;
};

struct xenemu_registry {
	uint64_t magic; /* written last */
	uint32_t version;
	uint32_t pid_namespace;
	uint64_t bytes;
	pthread_mutex_t lock;
	uint32_t maps_top;
	uint32_t generation;
	uint8_t chunk_used[XENEMU_CHUNKS];
	struct xenemu_proc procs[XENEMU_PROCS];
	struct xenemu_domain domains[XENEMU_DOMAINS];
	struct xenemu_map maps[XENEMU_MAPS];
	struct xenemu_port ports[XENEMU_DOMAINS][XENEMU_PORTS];
	struct xenemu_grant grants[XENEMU_CHUNKS][XENEMU_CHUNK];
};

#endif
