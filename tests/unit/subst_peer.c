/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two domains: the peer maps a run once and then reads every message in it right: substituted, detached and scribbled
 * on, freed and used again, forked. Without a detach it would read what the program wrote later.
 */
#include "subst_setup.h"

#include "mapcache.h"

#define BYTES (64 * PAGE)

/* "What you see there is what pair_fill wrote with this seed." Seed 0: the end. */
struct letter {
	vmo_gref directory;
	uint32_t run, generation;
	size_t offset;
	unsigned seed;
};

static void read_letter(struct vmo_mapcache *cache, const struct vmo_remote_pool *remote, const struct letter *letter)
{
	struct vmo_mapping *mapping;
	const char *address;
	uint32_t pages;

	CHECK_RC(vmo_mapcache_get(cache, remote, letter->run, letter->generation, &mapping, &address, &pages), 0);
	CHECK(letter->offset + BYTES <= pages * PAGE);
	CHECK(pair_same(address + letter->offset, 0, BYTES, letter->seed));
	vmo_mapcache_put(cache, mapping);
}

static void mapper(struct pair *pair)
{
	struct vmo_remote_pool remote = { pair->peer, 0, NULL };
	struct vmo_mapcache *cache;
	struct letter letter;
	void *at;

	CHECK_RC(vmo_mapcache_new(&cache, pair->xen, 4096), 0);
	pair_hear(pair, &letter, sizeof letter);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, &letter.directory, 1, false, &at), 0);
	remote.directory = at;
	for (; letter.seed; pair_hear(pair, &letter, sizeof letter)) {
		read_letter(cache, &remote, &letter);
		pair_meet(pair);
	}
	CHECK(vmo_stats.counter[VMO_C_maps] == 1);	/* one mapping served all letters */
	vmo_mapcache_free(cache);
}

static void peer_reads(struct pair *pair, struct setup *s, unsigned seed)
{
	const struct vmo_piece *piece = &s->piece[0];
	struct letter letter = { vmo_pool_directory_gref(s->pool), 0, 0, 0, seed };

	if (seed) {
		CHECK_RC(s->pieces, 1);
		letter.run = piece->block->run;
		letter.generation = piece->block->generation;
		letter.offset = piece->block->first * PAGE + piece->offset;
	}
	pair_tell(pair, &letter, sizeof letter);
	if (seed)
		pair_meet(pair);
}

static void in_place_then_detached(struct pair *pair, struct setup *s, char *buffer)
{
	start(s, buffer, BYTES);
	peer_reads(pair, s, 1);
	pair_fill(buffer, BYTES, 2);
	peer_reads(pair, s, 2);		/* in place: the peer sees it at once */
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer, BYTES), 0);
	pair_fill(buffer, BYTES, 3);
	peer_reads(pair, s, 2);		/* detached: it does not */
	done(s);
}

static void across_fork(struct pair *pair, struct setup *s, char *buffer)
{
	int status;
	pid_t pid;

	CHECK(offer_on(s, buffer, BYTES) > 0);
	peer_reads(pair, s, 3);
	pid = fork();
	if (!pid) {
		pair_fill(buffer, BYTES, 4);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	peer_reads(pair, s, 3);
	done(s);
}

static void given_up(struct pair *pair, struct setup *s, char *buffer)
{
	CHECK(offer_on(s, buffer, BYTES) > 0);
	CHECK(!madvise(buffer, BYTES, MADV_DONTNEED));
	pair_fill(buffer, BYTES, 5);
	peer_reads(pair, s, 3);
	done(s);
	CHECK(offer_on(s, buffer, BYTES) > 0);
	peer_reads(pair, s, 5);
	done(s);
}

static void granter(struct pair *pair)
{
	struct setup s;
	char *buffer = map_anonymous(BYTES);

	setup_open(&s, pair->xen, vmo_memhook_table.effective(), 1, MIB);
	in_place_then_detached(pair, &s, buffer);
	if (s.hooks)
		across_fork(pair, &s, buffer), given_up(pair, &s, buffer);
	peer_reads(pair, &s, 0);
	vmo_subst_free(s.subst);
	vmo_pool_free(s.pool);
}

int main(void)
{
	return pair_test(30, granter, mapper);
}
