/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* With no mapping budget every get is -ENOSPC and every byte still comes, by grant copy, at any offset. */
#include "mapcache_pair.h"

static void copy(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, uint32_t run, uint32_t generation,
                 size_t offset, size_t bytes)
{
	static char at[RUN_BYTES + 8];
	uint64_t before = COUNTER(grant_copy_bytes);

	memset(at, '#', sizeof at);
	CHECK_RC(vmo_mapcache_copy(cache, remote, run, generation, offset, bytes, at + 3), 0);
	CHECK(pair_same(at + 3, offset, bytes, run));
	CHECK(at[2] == '#' && at[3 + bytes] == '#');
	CHECK(COUNTER(grant_copy_bytes) == before + bytes);
}

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote;
	struct vmo_mapcache *cache;
	struct vmo_mapping *mapping;
	const char *address;
	uint32_t generation = attach(pair, 0, &remote), pages;
	char byte;

	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 0), 0);
	for (uint32_t run = 0; run < RUNS; run++) {
		CHECK_RC(vmo_mapcache_get(cache, &remote, run, generation, &mapping, &address, &pages), -ENOSPC);
		copy(cache, &remote, run, generation, 0, RUN_BYTES);
		copy(cache, &remote, run, generation, PAGE - 1, 2);
		copy(cache, &remote, run, generation, 24 * PAGE - 7, 3 * PAGE);	/* run 5: over two gref pages */
		copy(cache, &remote, run, generation, RUN_BYTES - 1, 1);
		copy(cache, &remote, run, generation, RUN_BYTES, 0);
	}
	CHECK_RC(COUNTER(maps), 0);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 0, generation, RUN_BYTES, 1, &byte), -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 0, generation, RUN_BYTES + 1, 0, &byte), -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 0, generation, UINT64_MAX, 1, &byte), -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 0, generation, 1, SIZE_MAX, &byte), -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, RUNS, generation, 0, 1, &byte), -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, UINT32_MAX, generation, 0, 1, &byte), -EINVAL);
	CHECK_RC(vmo_mapcache_copy(cache, &remote, 0, generation + 1, 0, 1, &byte), -ESTALE);
	vmo_mapcache_free(cache);
	pair_meet(pair);
}

int main(void)
{
	setenv("XENEMU_LIMIT", "8192", 1);
	return pair_test(30, grant_runs, mapper);
}
