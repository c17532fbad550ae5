/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run whose grants are gone: -EINVAL. One that the kernel will not map though it is there: -ENOSPC, so that the
 * caller copies instead.
 */
#include "mapcache_pair.h"

#include "log.h"

static void mapper(struct pair *pair)
{
	static struct vmo_directory frozen;
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	struct vmo_mapping *mapping;
	const char *address;
	char to[100];
	uint32_t generation = attach(pair, 0, &remote), pages;

	vmo_log_setup(VMO_LOG_NONE, -1);
	memcpy(&frozen, (const void *)(uintptr_t)remote.directory, sizeof frozen);
	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 10000), 0);
	touch(cache, &remote, 0, generation);
	touch(cache, &remote, 1, generation);
	/* The kernel's own table (XENEMU_MAPTRACK) has room for two runs and a directory. */
	CHECK_RC(vmo_mapcache_get(cache, &remote, 2, generation, &mapping, &address, &pages), -ENOSPC);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 2, generation, 5, sizeof to, to), 0);
	CHECK(pair_same(to, 5, sizeof to, 2));

	/* The granter leaves; its last run is asked for by what its catalog said. */
	vmo_mapcache_forget(cache, 0);
	vmo_xen_unmap(pair->xen, (void *)(uintptr_t)remote.directory, 1);
	remote.directory = &frozen;
	pair_meet(pair);
	int rc;
	while (!(rc = vmo_mapcache_get(cache, &remote, 3, generation, &mapping, &address, &pages))) {	/* until it has left */
		vmo_mapcache_put(cache, mapping);
		vmo_mapcache_forget(cache, 0);
		usleep(5000);
	}
	CHECK_RC(rc, -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 3, generation, 0, sizeof to, to), -EIO);
	CHECK_RC(vmo_mapcache_usage(cache).pages, 0);
	vmo_mapcache_free(cache);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	setenv("XENEMU_MAPTRACK", "450", 1);
	return pair_test(30, grant_runs, mapper);
}
