/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * subst_setup.h: one process with a pool for one peer and the substitution, over the emulated Xen.
 *
 *   subst_test(20, scenario)    scenario(&s) in a process of its own, with the hooks if they can be; must be right
 *   hook_test(20, scenario)     first without the hooks, where it must go wrong (so it is known that it
 *                               can), then with them, where it must be right
 *   offer(&s, buf, bytes)         the pieces of a send in place, held as by a transfer under way
 *
 * What the peer reads are the pages of the pieces' blocks: message_is() looks at the same pages.
 * A scenario returns NULL, or in few words what is wrong. SIGBUS and SIGSEGV are wrong as well.
 */
#ifndef SUBST_SETUP_H
#define SUBST_SETUP_H

#include "substitute.h"

#include "stats.h"
#include "xen_pair.h"

#include <linux/aio_abi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/syscall.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define WRONG 3

#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

struct setup {
	struct vmo_xen *xen;
	struct vmo_budget budget;
	struct vmo_pool *pool;
	struct vmo_subst *subst;
	bool hooks;
	uintptr_t begin;		/* of the message's interior */
	size_t bytes;			/* of the interior */
	struct vmo_piece piece[64];
	int pieces;
};

typedef const char *scenario_fn(struct setup *s);

static inline bool yes(void)
{
	return true;
}

/* A table that nobody reads: as if free, munmap and the others were not hooked. */
static struct vmo_memhook deaf = { .effective = yes };

/* On real Xen (see xen_pair.h) guest 1 runs the test, for guest 2. */
static inline vmo_domid setup_peer(void)
{
	const char *guest = getenv("VMO_TEST_GUEST");
	unsigned role = 0, peer = 2;

	if (guest)
		CHECK(sscanf(guest, "%u %u", &role, &peer) == 2);
	if (role == 2)
		exit(0);
	return peer;
}

static inline void setup_open(struct setup *s, struct vmo_xen *xen, bool hooks, long admission, size_t run_bytes)
{
	struct vmo_subst_options options = { true, hooks, admission, hooks ? &vmo_memhook_table : &deaf };

	*s = (struct setup){ .xen = xen, .budget = { .pages = 1 << 20 }, .hooks = hooks };
	CHECK_RC(vmo_pool_new(&s->pool, xen, setup_peer(), run_bytes, &s->budget), 0);
	CHECK_RC(vmo_subst_new(&s->subst, &options), 0);
}

/* Pieces of the message, with references; s->pieces is what prepare returned. */
static inline int offer_in(struct setup *s, const void *buffer, size_t bytes, int most)
{
	s->begin = vmo_page_up((uintptr_t)buffer);
	s->bytes = vmo_page_down((uintptr_t)buffer + bytes) - s->begin;
	return s->pieces = vmo_subst_prepare(s->subst, s->pool, (uintptr_t)buffer, bytes, s->piece, most);
}

static inline int offer(struct setup *s, const void *buffer, size_t bytes)
{
	return offer_in(s, buffer, bytes, 8);
}

static inline void done(struct setup *s)
{
	for (int i = 0; i < s->pieces; i++)
		vmo_block_drop(s->piece[i].block);
	s->pieces = 0;
}

/* Sends it as often as it takes to be in place. */
static inline int offer_on(struct setup *s, const void *buffer, size_t bytes)
{
	for (int n = 0; n < 100 && !offer(s, buffer, bytes); n++)
		;
	return s->pieces;
}

/* Nobody gets pages of the pool any more: a detach has to use private ones. */
static inline void fill_pool(struct setup *s)
{
	struct vmo_block *ignored;

	s->budget.pages = s->budget.used;
	while (!vmo_pool_take(s->pool, 1 << 20, 1, &ignored))
		;
}

/* Is the message, as the peer sees it, these bytes? */
static inline bool message_is(const struct setup *s, const void *interior)
{
	const char *at = interior;
	size_t bytes = 0;

	for (int i = 0; i < s->pieces; i++) {
		const struct vmo_piece *p = &s->piece[i];

		if (memcmp(p->block->view + p->offset, at + bytes, p->bytes))
			return false;
		bytes += p->bytes;
	}
	return s->pieces > 0 && bytes == s->bytes;
}

static inline bool message_is_buffer(const struct setup *s)
{
	return message_is(s, (const void *)s->begin);
}

/* Is it what pair_fill(buffer, ..., seed) wrote? */
static inline bool message_has(const struct setup *s, const void *buffer, unsigned seed)
{
	size_t at = s->begin - (uintptr_t)buffer;

	for (int i = 0; i < s->pieces; i++) {
		const struct vmo_piece *p = &s->piece[i];

		if (!pair_same(p->block->view + p->offset, at, p->bytes, seed))
			return false;
		at += p->bytes;
	}
	return s->pieces > 0;
}

static inline char *map_anonymous(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

/* A fresh buffer, substituted, with a message of seed 1 under way. */
static inline void start(struct setup *s, char *buffer, size_t bytes)
{
	pair_fill(buffer, bytes, 1);
	offer_on(s, buffer, bytes);
	CHECK(s->pieces > 0);
	CHECK(message_has(s, buffer, 1));
}

/*
 * The memory was given up; `buffer` is memory that the program got since. It writes to it and sends
 * it. The message under way, which began at origin, may not change; what is sent now must be what
 * was written now.
 */
static inline const char *used_again(struct setup *s, uintptr_t origin, char *buffer, size_t bytes)
{
	struct setup first = *s;

	pair_fill(buffer, bytes, 2);
	if (!message_has(&first, (char *)origin, 1))
		return "the message under way was overwritten";
	offer_on(s, buffer, bytes);
	if (s->pieces < 0)
		return "a send of the new memory failed";
	if (s->pieces && !message_is_buffer(s))
		return "the peer gets other bytes than the buffer's";
	return NULL;
}

static inline int setup_process(scenario_fn *scenario, bool hooks, bool expected_wrong)
{
	struct setup s;
	const char *wrong;

	setup_open(&s, pair_open(getenv("VMO_TEST_GUEST") ? NULL : "1"), hooks, 1, MIB);
	wrong = scenario(&s);
	if (wrong)
		fprintf(expected_wrong ? stdout : stderr, "%s the hooks: %s\n", hooks ? "with" : "without", wrong);
	fflush(NULL);
	_exit(wrong ? WRONG : 0);
}

/* 0: right, WRONG: wrong, 1: the test itself failed. */
static inline int setup_run(unsigned seconds, scenario_fn *scenario, bool hooks, bool expected_wrong)
{
	pid_t child = fork();
	int status;

	if (!child) {
		alarm(seconds);
		setup_process(scenario, hooks, expected_wrong);
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(expected_wrong ? stdout : stderr, "%s the hooks: ended by signal %d\n", hooks ? "with" : "without",
	        WTERMSIG(status));
	return WTERMSIG(status) == SIGBUS || WTERMSIG(status) == SIGSEGV ? WRONG : 1;
}

static inline void setup_begin(void)
{
	setup_peer();
	if (!getenv("VMO_TEST_GUEST"))
		pair_emulation();
	pair_private_registry();
	setenv("XENEMU_LIMIT", "8192", 0);	/* as on real Xen: tests/xen/job.sh */
}

static inline int subst_test(unsigned seconds, scenario_fn *scenario)
{
	int result;

	setup_begin();
	result = setup_run(seconds, scenario, vmo_memhook_table.effective(), false);
	pair_remove_directory();
	return result ? 1 : 0;
}

static inline void need_hooks(void)
{
	if (!vmo_memhook_table.effective()) {
		printf("SKIP: free() or another function is not the hooked one (a sanitizer's?)\n");
		exit(77);
	}
}

static inline int hook_test(unsigned seconds, scenario_fn *scenario)
{
	int without, with;

	need_hooks();
	setup_begin();
	without = setup_run(seconds, scenario, false, true);
	with = setup_run(seconds, scenario, true, false);
	pair_remove_directory();
	if (without != WRONG)
		fprintf(stderr, "without the hooks nothing goes wrong: this test could not fail (%d)\n", without);
	return without == WRONG && with == 0 ? 0 : 1;
}

/* For tests that need the C library's own allocator. */
static inline void need_libc_malloc(void)
{
	if (UNDER_ASAN) {
		printf("SKIP: needs the C library's malloc, not a sanitizer's\n");
		exit(77);
	}
}

/* What makes others write to this process's memory at any time: on, then off. False: this kernel has no such thing. */
static inline bool disturb_by_ring(bool on)
{
	static aio_context_t ring;

	if (on)
		return !syscall(SYS_io_setup, 1, &ring);
	CHECK(!syscall(SYS_io_destroy, ring));
	ring = 0;
	return true;
}

static inline bool disturb_by_lock(bool on)
{
	static char *locked;

	if (on)
		return !mlock(locked = map_anonymous(PAGE), PAGE);
	CHECK(!munmap(locked, PAGE));
	return true;
}

static bool (*const disturbances[])(bool on) = { disturb_by_ring, disturb_by_lock };
#define DISTURBANCES (sizeof disturbances / sizeof *disturbances)

#endif
