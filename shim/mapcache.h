/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mapcache.h: runs of peers, mapped once and kept.
 *
 *   (peer process, run) -> address of the whole run in this process, read-only
 *
 * A mapping is of a run, never of a user buffer, so it does not go stale when the peer substitutes,
 * detaches or frees. A changed generation unmaps the old one; what the peer withdraws (pool.h) is unmapped on
 * request. Least recently used entries leave when the budget is reached, the process's or the VM's; an entry in use (between get and put) never does.
 *
 * Everything read from the peer's catalog is read once, checked, then used: a lying peer can make a
 * call fail, not make it touch foreign memory.
 *
 * Threads: one lock per cache; the mapping system call runs under it (rare). A copy from a mapping
 * runs without it. It is an outer lock: the memory hooks may run under it, and must not come here.
 */
#ifndef VMO_MAPCACHE_H
#define VMO_MAPCACHE_H

#include "pool.h"

struct vmo_mapcache;
struct vmo_mapping;

/* A peer process's pool as seen from here. */
struct vmo_remote_pool {
	vmo_domid owner;
	uint32_t peer;				/* MPI rank in MPI_COMM_WORLD: part of the key */
	const volatile struct vmo_directory *directory;	/* mapped, read-only */
};

int vmo_mapcache_new(struct vmo_mapcache **out, struct vmo_xen *xen, uint64_t budget_pages);

/* Mappings count in the VM's ledger, too, from now on. The ledger must outlive the cache. */
void vmo_mapcache_share(struct vmo_mapcache *cache, struct vmo_ledger *ledger);

/* Unmaps everything. Safe with NULL. */
void vmo_mapcache_free(struct vmo_mapcache *cache);

/*
 * The run's address, mapped now if it is not yet. *pages gets its length. Give it back with put.
 * -ENOSPC: over budget and nothing can leave, or the kernel maps no more: use vmo_mapcache_copy.
 * -EINVAL: the catalog makes no sense, or the grant is gone. -ESTALE: the catalog has another
 * generation. A warm get compares the generation with the mapping's and reads no shared memory.
 */
int vmo_mapcache_get(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool, uint32_t run,
                     uint32_t generation, struct vmo_mapping **out, const char **address,
                     uint32_t *pages);
void vmo_mapcache_put(struct vmo_mapcache *cache, struct vmo_mapping *mapping);

/*
 * The same bytes by grant copy, without mapping the run: [offset, offset + bytes) of it to `to`.
 * -EINVAL, -ESTALE: as above, or bytes beyond the run. -EIO: a page could not be copied. On an error
 * some bytes may have been written.
 */
int vmo_mapcache_copy(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool, uint32_t run,
                      uint32_t generation, uint64_t offset, size_t bytes, void *to);

/*
 * Unmaps what the peer's directory says is withdrawn. True: nothing of that is mapped any more. False: some is in
 * use, and goes when it is put; ask again then.
 */
bool vmo_mapcache_withdraw(struct vmo_mapcache *cache, const struct vmo_remote_pool *pool);

/* Unmaps all runs of a peer (it left or died). Entries in use go when they are put. */
void vmo_mapcache_forget(struct vmo_mapcache *cache, uint32_t peer);

struct vmo_mapcache_usage { uint32_t runs; uint64_t pages; };
struct vmo_mapcache_usage vmo_mapcache_usage(struct vmo_mapcache *cache);

#endif
