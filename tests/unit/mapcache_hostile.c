/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A peer that writes anything at all into its catalog, also while it is read, makes calls fail, never makes them
 * touch foreign memory. (Random; the seed is printed on failure and taken from the first argument.)
 */
#include "mapcache_pair.h"

#include "log.h"

#include <pthread.h>

#define ROUNDS 20000

static unsigned seed;
static struct vmo_directory lie;	/* stands for the shared page */
static struct vmo_directory truth;
static bool stop;

/* Mostly values near a limit: they find more than plain noise. */
static uint32_t evil(unsigned *state)
{
	static const uint32_t near[] = { 0, 1, 2, 183, 184, 185, 199, 200, 201, 255, 256, 257, 1023, 1024, 1025, 1599, 1600,
		65535, 65536, 65537, 262143, 262144, 1u << 20, (1u << 20) + 1, 1u << 31, UINT32_MAX - 1, UINT32_MAX };

	return rand_r(state) % 4 ? near[(unsigned)rand_r(state) % (sizeof near / sizeof *near)]
	                         : (uint32_t)rand_r(state) * 2654435761u;
}

static void scribble(unsigned *state, int words)
{
	volatile uint32_t *word = (volatile uint32_t *)&lie;

	while (words--) {
		uint32_t at = rand_r(state) % 3 ? (uint32_t)rand_r(state) % 3	/* version, runs, gref_pages */
		                                : (uint32_t)rand_r(state) % (PAGE / 4);

		if (rand_r(state) % 2)
			at = (uint32_t)(offsetof(struct vmo_directory, run) / 4) + (uint32_t)rand_r(state) % (4 * RUNS);
		word[at] = at ? evil(state) : rand_r(state) % 8 ? VMO_DIRECTORY_VERSION : evil(state);
	}
}

static void restore(void)
{
	volatile uint32_t *to = (volatile uint32_t *)&lie;
	const uint32_t *from = (const uint32_t *)&truth;

	for (size_t i = 0; i < PAGE / 4; i++)
		to[i] = from[i];
}

/* What succeeds must be readable to its last byte. */
static bool attack(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, unsigned *state, uint32_t generation)
{
	static char to[RUN_BYTES];
	struct vmo_mapping *mapping;
	const char *address;
	uint32_t run = rand_r(state) % 4 ? (uint32_t)rand_r(state) % RUNS : evil(state), pages;
	int rc;

	if (rand_r(state) % 4 == 0)
		generation = evil(state);
	rc = vmo_mapcache_copy(cache, remote, run, generation, rand_r(state) % 2 ? evil(state) : 0,
	                       (size_t)rand_r(state) % sizeof to, to);
	CHECK(rc == 0 || rc == -EINVAL || rc == -ESTALE || rc == -EIO);
	rc = vmo_mapcache_get(cache, remote, run, generation, &mapping, &address, &pages);
	CHECK(rc == 0 || rc == -EINVAL || rc == -ESTALE || rc == -ENOSPC);
	if (rc)
		return false;
	for (size_t i = 0; i < pages; i++)
		(void)*(volatile const char *)(address + i * PAGE);
	vmo_mapcache_put(cache, mapping);
	return true;
}

static void *scribbler(void *argument)
{
	unsigned state = seed + 1;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		scribble(&state, 3);
		if (rand_r(&state) % 4 == 0)
			restore();
	}
	return argument;
}

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	unsigned state = seed, succeeded = 0;
	uint32_t generation = attach(pair, 0, &remote);
	pthread_t thread;

	vmo_log_setup(VMO_LOG_NONE, -1);
	memcpy(&truth, (const void *)(uintptr_t)remote.directory, sizeof truth);
	remote.directory = &lie;
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 3 * RUN_PAGES), 0);
	for (int i = 0; i < ROUNDS / 2; i++) {
		restore();
		scribble(&state, 1 + rand_r(&state) % 6);
		if (rand_r(&state) % 10 == 0)
			vmo_mapcache_forget(cache, 0);
		succeeded += attack(cache, &remote, &state, generation);
	}
	CHECK(!pthread_create(&thread, NULL, scribbler, NULL));
	for (int i = 0; i < ROUNDS / 2; i++) {
		if (i % 5 == 0)
			vmo_mapcache_forget(cache, 0);
		succeeded += attack(cache, &remote, &state, generation);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK(succeeded > 10);		/* else it would prove little */
	vmo_mapcache_free(cache);
	pair_meet(pair);
}

int main(int argc, char **argv)
{
	int rc;

	seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)getpid();
	setenv("XENEMU_LIMIT", "8192", 1);
	rc = pair_test(100, grant_runs, mapper);
	if (rc)
		fprintf(stderr, "seed %u\n", seed);
	return rc;
}
