/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A warm get is a lock, one probe of the front table and a compare with the generation that the
 * message named; the catalog is not read. Everything below "cold" happens once per run.
 *
 * The catalog is read by grant copy, into our own memory: one call per gref page, nothing to keep
 * mapped, and what was checked cannot change afterwards. Only the directory page is shared memory.
 *
 * Lock order: the cache's lock is the outer one. Mapping and freeing under it may run the memory
 * hooks; the hooks' listener never calls the cache.
 */
#include "mapcache.h"

#include "hash.h"

#include "log.h"
#include "stats.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FRONT 256			/* entries of the front table; a power of two */
#define MAX_RUN_PAGES (1u << 20)	/* what a catalog may claim */
#define COPY_GREFS 1024			/* read at a time for a copy without mapping: 4 MiB of data */

struct key {
	uint32_t peer, run;
};

struct vmo_mapping {
	struct key key;
	uint32_t generation;
	uint32_t pages;
	char *address;
	uint64_t last_use;	/* the cache's clock */
	uint32_t users;		/* gets without their put */
	bool left;		/* not in the table any more: the last put unmaps it */
	UT_hash_handle hh;
	struct vmo_mapping *prev, *next;
};

struct vmo_mapcache {
	pthread_mutex_t lock;
	struct vmo_mapping *front[FRONT];	/* a hint: never holds an entry that left */
	struct vmo_mapping *table;		/* uthash, by key */
	struct vmo_mapping *all;		/* utlist, also those that left but are in use */
	uint64_t clock;
	uint64_t pages, budget_pages;
	uint32_t runs;
	struct vmo_ledger *ledger;		/* of the VM, or NULL */
	struct vmo_xen *xen;
};

static struct vmo_mapping **front_slot(struct vmo_mapcache *cache, struct key key)
{
	return &cache->front[(key.peer * 37 + key.run) % FRONT];
}

static struct vmo_mapping *find(struct vmo_mapcache *cache, struct key key)
{
	struct vmo_mapping **front = front_slot(cache, key), *mapping = *front;

	if (vmo_likely(mapping && mapping->key.peer == key.peer && mapping->key.run == key.run))
		return mapping;
	HASH_FIND(hh, cache->table, &key, sizeof key, mapping);
	if (mapping)
		*front = mapping;
	return mapping;
}

/* ---- cold: the peer's catalog ---- */

/* A run as the catalog tells it, checked: its grefs are at [first, first + pages) of the gref pages. */
struct claim {
	uint32_t first, pages;
	vmo_gref gref_page[VMO_DIRECTORY_GREF_PAGES];
};

/* Reads each word of shared memory once. -EINVAL: it makes no sense. -ESTALE: another generation. */
static int read_claim(const struct vmo_remote_pool *pool, uint32_t run, uint32_t generation, struct claim *claim)
{
	const volatile struct vmo_directory *directory = pool->directory;
	uint32_t runs = __atomic_load_n(&directory->runs, __ATOMIC_ACQUIRE);
	uint32_t gref_pages = __atomic_load_n(&directory->gref_pages, __ATOMIC_ACQUIRE), now;

	if (directory->version != VMO_DIRECTORY_VERSION || run >= VMO_DIRECTORY_RUNS || run >= runs ||
	    gref_pages > VMO_DIRECTORY_GREF_PAGES)
		return -EINVAL;
	now = directory->run[run].generation;
	claim->first = directory->run[run].first_page;
	claim->pages = directory->run[run].pages;
	if (now != generation)
		return -ESTALE;
	if (!claim->pages || claim->pages > MAX_RUN_PAGES ||
	    (uint64_t)claim->first + claim->pages > (uint64_t)gref_pages * VMO_GREFS_PER_PAGE)
		return -EINVAL;
	for (uint32_t i = 0; i < gref_pages; i++)
		claim->gref_page[i] = directory->gref_page[i];
	return 0;
}

/* The grefs of the run's pages [first, first + count), which the caller knows to be within the run. */
static int read_grefs(struct vmo_mapcache *cache, vmo_domid owner, const struct claim *claim, uint32_t first,
                      uint32_t count, vmo_gref *grefs)
{
	uint32_t at = claim->first + first;

	while (count) {
		uint32_t in_page = at % VMO_GREFS_PER_PAGE, n = (uint32_t)VMO_GREFS_PER_PAGE - in_page;
		int rc;

		if (n > count)
			n = count;
		rc = vmo_xen_copy(cache->xen, owner, &claim->gref_page[at / VMO_GREFS_PER_PAGE],
		                  in_page * sizeof *grefs, n * sizeof *grefs, grefs);
		if (rc)
			return rc;
		at += n;
		grefs += n;
		count -= n;
	}
	return 0;
}

/* ---- cold: entries come and go, under the lock ---- */

static void unmap(struct vmo_mapcache *cache, struct vmo_mapping *mapping)
{
	int rc = vmo_xen_unmap(cache->xen, mapping->address, mapping->pages);

	if (rc)
		vmo_warn("cannot unmap run %u of rank %u: %s", mapping->key.run, mapping->key.peer, strerror(-rc));
	DL_DELETE(cache->all, mapping);
	vmo_ledger_give(cache->ledger, mapping->pages);
	cache->pages -= mapping->pages;
	cache->runs--;
	free(mapping);
}

/* Out of the table; unmapped now or, if in use, by its last put. */
static void leave(struct vmo_mapcache *cache, struct vmo_mapping *mapping)
{
	struct vmo_mapping **front = front_slot(cache, mapping->key);

	if (*front == mapping)
		*front = NULL;
	HASH_DEL(cache->table, mapping);
	mapping->left = true;
	if (!mapping->users)
		unmap(cache, mapping);
}

static struct vmo_mapping *least_recently_used(struct vmo_mapcache *cache)
{
	struct vmo_mapping *mapping, *oldest = NULL;

	DL_FOREACH(cache->all, mapping)
		if (!mapping->users && (!oldest || mapping->last_use < oldest->last_use))
			oldest = mapping;
	return oldest;
}

static uint64_t pages_in_use(const struct vmo_mapcache *cache)
{
	const struct vmo_mapping *mapping;
	uint64_t pages = 0;

	DL_FOREACH(cache->all, mapping)
		pages += mapping->users ? mapping->pages : 0;
	return pages;
}

/* Nothing is evicted in vain: first it is known that enough can leave. */
static int make_room(struct vmo_mapcache *cache, uint32_t pages)
{
	if (pages_in_use(cache) + pages > cache->budget_pages)
		return -ENOSPC;
	while (cache->pages + pages > cache->budget_pages) {
		leave(cache, least_recently_used(cache));
		vmo_count(map_evictions, 1);
	}
	return 0;
}

/* The same for the VM's part. What leaves here is enough, unless another process is quicker. */
static int take_from_vm(struct vmo_mapcache *cache, uint32_t pages)
{
	uint64_t freed = 0;

	while (vmo_ledger_take(cache->ledger, pages)) {
		struct vmo_mapping *oldest = least_recently_used(cache);

		if (!oldest || freed + cache->pages - pages_in_use(cache) < pages)
			return -ENOSPC;
		freed += oldest->pages;
		leave(cache, oldest);
		vmo_count(map_evictions, 1);
	}
	return 0;
}

/*
 * The driver says EINVAL for a bad reference and for a full maptrack table alike. If the first page
 * can be copied the grant is alive, so a copy is worth trying: -ENOSPC tells the caller so.
 */
static int why_not_mapped(struct vmo_mapcache *cache, vmo_domid owner, const vmo_gref *grefs, int rc)
{
	char byte;

	if (rc == -EINVAL)
		return vmo_xen_copy(cache->xen, owner, grefs, 0, 1, &byte) ? -EINVAL : -ENOSPC;
	return rc == -ENOMEM || rc == -EAGAIN ? -ENOSPC : rc;
}

static int map_claim(struct vmo_mapcache *cache, vmo_domid owner, const struct claim *claim, char **address)
{
	vmo_gref *grefs = vmo_fault(mapping_grefs) ? NULL : malloc(claim->pages * sizeof *grefs);
	void *at = NULL;
	int rc;

	if (!grefs)
		return -ENOMEM;
	rc = read_grefs(cache, owner, claim, 0, claim->pages, grefs);
	if (rc)
		rc = -EINVAL;
	else if ((rc = vmo_xen_map(cache->xen, owner, grefs, claim->pages, false, &at)))
		rc = why_not_mapped(cache, owner, grefs, rc);
	else
		*address = at;
	free(grefs);
	return rc;
}

static int insert(struct vmo_mapcache *cache, struct vmo_mapping *mapping)
{
	HASH_ADD(hh, cache->table, key, sizeof mapping->key, mapping);
	if (!mapping->hh.tbl)
		return -ENOMEM;
	DL_APPEND(cache->all, mapping);
	cache->pages += mapping->pages;
	cache->runs++;
	*front_slot(cache, mapping->key) = mapping;
	vmo_count(maps, 1);
	vmo_count(mapped_pages, mapping->pages);
	return 0;
}

static int map_run(struct vmo_mapcache *cache, vmo_domid owner, struct key key, uint32_t generation,
                   const struct claim *claim, struct vmo_mapping **out)
{
	struct vmo_mapping *mapping = vmo_fault(mapping) ? NULL : calloc(1, sizeof *mapping);
	int rc;

	if (!mapping)
		return -ENOMEM;
	mapping->key = key;
	mapping->generation = generation;
	mapping->pages = claim->pages;
	uint64_t began = vmo_time_begin();
	rc = map_claim(cache, owner, claim, &mapping->address);
	vmo_time_end(began, VMO_C_map_ns);
	if (rc)
		goto free_mapping;
	rc = insert(cache, mapping);
	if (rc)
		goto unmap_run;
	*out = mapping;
	return 0;
unmap_run:
	vmo_xen_unmap(cache->xen, mapping->address, mapping->pages);
free_mapping:
	free(mapping);
	return rc;
}

/* old: what is mapped for that run number so far, of another generation, or NULL. */
static int get_cold(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool, struct key key,
                    uint32_t generation, struct vmo_mapping *old, struct vmo_mapping **out)
{
	struct claim claim;
	int rc;

	if (!cache->budget_pages)
		return -ENOSPC;
	rc = read_claim(pool, key.run, generation, &claim);
	if (rc)
		return rc;
	if (old)
		leave(cache, old);
	if (claim.pages > VMO_XEN_MOST_PAGES)
		return -ENOSPC;
	rc = make_room(cache, claim.pages);
	if (!rc)
		rc = take_from_vm(cache, claim.pages);
	if (rc)
		return rc;
	rc = map_run(cache, pool->owner, key, generation, &claim, out);
	if (rc)
		vmo_ledger_give(cache->ledger, claim.pages);
	return rc;
}

/* ---- the interface ---- */

int vmo_mapcache_get(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool, uint32_t run,
                     uint32_t generation, struct vmo_mapping **out, const char **address, uint32_t *pages)
{
	const struct key key = { pool->peer, run };
	struct vmo_mapping *mapping;
	int rc = 0;

	pthread_mutex_lock(&cache->lock);
	mapping = find(cache, key);
	if (vmo_likely(mapping && mapping->generation == generation))
		vmo_count(map_hits, 1);
	else
		rc = get_cold(cache, pool, key, generation, mapping, &mapping);
	if (!rc) {
		mapping->users++;
		mapping->last_use = ++cache->clock;
		*out = mapping;
		*address = mapping->address;
		*pages = mapping->pages;
	}
	pthread_mutex_unlock(&cache->lock);
	return rc;
}

void vmo_mapcache_put(struct vmo_mapcache *cache, struct vmo_mapping *mapping)
{
	pthread_mutex_lock(&cache->lock);
	if (!--mapping->users && mapping->left)
		unmap(cache, mapping);
	pthread_mutex_unlock(&cache->lock);
}

/* No lock: nothing of the cache changes, and the driver may be asked by many at once. */
int vmo_mapcache_copy(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool, uint32_t run,
                      uint32_t generation, uint64_t offset, size_t bytes, void *to)
{
	struct claim claim;
	uint64_t end, all = bytes;
	int rc = read_claim(pool, run, generation, &claim);

	if (rc)
		return rc;
	if (__builtin_add_overflow(offset, all, &end) || end > (uint64_t)claim.pages * VMO_PAGE_BYTES)
		return -EINVAL;
	while (offset < end) {
		vmo_gref grefs[COPY_GREFS];
		uint32_t first = (uint32_t)(offset >> VMO_PAGE_SHIFT), count = (uint32_t)(vmo_pages(end) - first);
		uint64_t in_page = offset % VMO_PAGE_BYTES, n = end - offset;

		if (count > COPY_GREFS) {
			count = COPY_GREFS;
			n = COPY_GREFS * VMO_PAGE_BYTES - in_page;
		}
		rc = read_grefs(cache, pool->owner, &claim, first, count, grefs);
		if (!rc)
			rc = vmo_xen_copy(cache->xen, pool->owner, grefs, in_page, n, to);
		if (rc)
			return rc;
		offset += n;
		to = (char *)to + n;
	}
	vmo_count(grant_copy_bytes, all);
	return 0;
}

static bool withdrawn(const struct vmo_remote_pool *pool, struct key key)
{
	return key.peer == pool->peer && key.run < VMO_DIRECTORY_RUNS && pool->directory->run[key.run].withdrawn;
}

bool vmo_mapcache_withdraw(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool)
{
	struct vmo_mapping *mapping, *next;
	bool all = true;

	pthread_mutex_lock(&cache->lock);
	DL_FOREACH_SAFE(cache->all, mapping, next) {
		if (!withdrawn(pool, mapping->key))
			continue;
		all &= !mapping->users;
		if (!mapping->left)
			leave(cache, mapping);
	}
	pthread_mutex_unlock(&cache->lock);
	return all;
}

void vmo_mapcache_forget(struct vmo_mapcache *cache, uint32_t peer)
{
	struct vmo_mapping *mapping, *next;

	pthread_mutex_lock(&cache->lock);
	DL_FOREACH_SAFE(cache->all, mapping, next)
		if (mapping->key.peer == peer && !mapping->left)
			leave(cache, mapping);
	pthread_mutex_unlock(&cache->lock);
}

int vmo_mapcache_new(struct vmo_mapcache **out, struct vmo_xen *xen, uint64_t budget_pages)
{
	struct vmo_mapcache *cache = vmo_fault(mapcache) ? NULL : calloc(1, sizeof *cache);

	if (!cache)
		return -ENOMEM;
	pthread_mutex_init(&cache->lock, NULL);
	cache->xen = xen;
	cache->budget_pages = budget_pages;
	*out = cache;
	return 0;
}

void vmo_mapcache_share(struct vmo_mapcache *cache, struct vmo_ledger *ledger)
{
	cache->ledger = ledger;
}

void vmo_mapcache_free(struct vmo_mapcache *cache)
{
	struct vmo_mapping *mapping, *next;

	if (!cache)
		return;
	HASH_CLEAR(hh, cache->table);
	DL_FOREACH_SAFE(cache->all, mapping, next)
		unmap(cache, mapping);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

struct vmo_mapcache_usage vmo_mapcache_usage(struct vmo_mapcache *cache)
{
	struct vmo_mapcache_usage usage;

	pthread_mutex_lock(&cache->lock);
	usage = (struct vmo_mapcache_usage){ cache->runs, cache->pages };
	pthread_mutex_unlock(&cache->lock);
	return usage;
}
