/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads get, read and put at once while runs are evicted and peers forgotten: each reads what it asked for. */
#include "mapcache_pair.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 2000

static struct vmo_mapcache *cache;
static struct vmo_remote_pool remote;
static uint32_t generation;

static void *worker(void *argument)
{
	unsigned state = (unsigned)(long)argument;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t run = (uint32_t)rand_r(&state) % RUNS, pages;
		struct vmo_mapping *mapping;
		const char *address;
		int rc = vmo_mapcache_get(cache, &remote, run, generation, &mapping, &address, &pages);

		CHECK(rc == 0 || rc == -ENOSPC);
		if (rc)
			continue;
		CHECK(pair_same(address + PAGE, PAGE, 64, run));
		vmo_mapcache_put(cache, mapping);
		if (i % 100 == 0)
			vmo_mapcache_forget(cache, remote.peer);
	}
	return NULL;
}

static void mapper(struct pair *pair)
{
	pthread_t thread[THREADS];

	generation = attach(pair, 3, &remote);
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 3 * RUN_PAGES), 0);
	for (long i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, worker, (void *)(i + 1)));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	vmo_mapcache_forget(cache, remote.peer);
	CHECK_RC(vmo_mapcache_usage(cache).pages, 0);
	vmo_mapcache_free(cache);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(60, grant_runs, mapper);
}
