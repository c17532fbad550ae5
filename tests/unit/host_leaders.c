/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaders of VMs find which of them share a host (peer_host.h): by proofs alone, since domids repeat from host to host;
 * within a batch of pages at a time, all of which are given back; whoever cannot grant, or lies, is left out, and
 * nobody else because of it.
 *
 * Leaders are written HOST.DOMID>FIRST: FIRST is the leader of lowest rank that shall be found on this one's host.
 * Behind it: o, with other options; l, lies about its nonces; /N, its VM may grant N pages.
 */
#include "host_many.h"

#include "log.h"

#define RANK(i) (10u * (unsigned)(i))	/* of the i-th leader in MPI_COMM_WORLD */

static const struct scene {
	const char *what;
	uint32_t batch;
	int fails_at;			/* the exchange that breaks; 0: none */
	const char *leaders;
} scenes[] = {
	{ "one leader", 8, 0, "0.3>0" },
	{ "one host", 8, 0, "0.1>0 0.2>0 0.9>0" },
	{ "two hosts with other domids", 8, 0, "0.1>0 1.3>1 0.2>0 1.4>1" },
	{ "two hosts with the same domids", 8, 0, "0.1>0 0.2>0 0.3>0 1.1>3 1.2>3 1.3>3" },
	{ "one domid on three hosts", 8, 0, "0.5>0 1.5>1 2.5>2" },
	{ "strangers", 8, 0, "0.1>0 1.2>1 2.3>2" },
	{ "two leaders in one VM", 8, 0, "0.1>0 0.1>0 0.2>0" },	/* containers, where the kernel's name is hidden */
	{ "the first cannot grant", 8, 0, "0.1>0/0 0.2>1 0.3>1 0.4>1" },
	{ "the first has a page for one neighbour alone", 8, 0, "0.1>0/1 0.2>0 0.3>0 0.4>0" },
	{ "the first leader lies", 8, 0, "0.1>0l 0.2>1 0.3>1" },
	{ "the last leader lies", 8, 0, "0.1>0 0.2>0 0.3>2l" },
	{ "other options", 8, 0, "0.1>0 0.2>1o 0.3>0 0.4>1o" },
	/* a batch is all that may be granted: where a page too many were granted, a neighbour would be missing */
	{ "more domids than a batch has, on one host", 2, 0, "0.11>0/2 0.3>0/2 0.7>0/2 0.900>0/2 0.4>0/2 0.5>0/2 0.20>0/2" },
	{ "more domids than a batch has, on two hosts", 3, 0,
	  "0.1>0/3 1.2>1/3 0.3>0/3 1.4>1/3 0.5>0/3 1.5>1/3 0.6>0/3 1.1>1/3 1.7>1/3" },
	{ "many leaders with one domid", 1, 0, "0.1>0/1 0.2>0/1 1.2>2/1 2.2>3/1 3.2>4/1" },
	{ "40 VMs on four hosts", 16, 0,
	  "0.1>0/16 1.4>1/16 2.7>2/16 3.10>3/16 0.2>0/16 1.5>1/16 2.8>2/16 3.11>3/16 0.3>0/16 1.6>1/16 2.9>2/16 3.12>3/16 "
	  "0.4>0/16 1.7>1/16 2.10>2/16 3.13>3/16 0.5>0/16 1.8>1/16 2.11>2/16 3.14>3/16 0.6>0/16 1.9>1/16 2.12>2/16 3.15>3/16 "
	  "0.7>0/16 1.10>1/16 2.13>2/16 3.16>3/16 0.8>0/16 1.11>1/16 2.14>2/16 3.17>3/16 0.9>0/16 1.12>1/16 2.15>2/16 3.18>3/16 "
	  "0.10>0/16 1.13>1/16 2.16>2/16 3.19>3/16" },
	{ "the exchange of proofs breaks", 8, 1, "0.1>0 0.2>0" },
	{ "the exchange of what was seen breaks", 8, 2, "0.1>0 0.2>0" },
};

static const struct scene *scene;
static struct leader {
	struct many_place place;
	uint32_t colour;
	bool other_options, lies;
} leader[MANY_MOST];
static int leaders, exchanges;

static void read_leaders(void)
{
	static char text[2048], limit[MANY_MOST][16];
	char *rest = text, *word;

	strcpy(text, scene->leaders);
	for (leaders = 0; (word = strtok_r(rest, " ", &rest)); leaders++) {
		struct leader *l = &leader[leaders];
		unsigned first;

		memset(l, 0, sizeof *l);
		CHECK(sscanf(word, "%d.%u>%u", &l->place.host, &l->place.domid, &first) == 3);
		l->colour = RANK(first);
		l->other_options = strchr(word, 'o');
		l->lies = strchr(word, 'l');
		if (strchr(word, '/'))
			l->place.limit = strcpy(limit[leaders], strchr(word, '/') + 1);
	}
}

static uint32_t others_than(const struct leader *self)
{
	uint32_t others = 0;

	for (int i = 0; i < leaders; i++)
		if (leader[i].place.domid != self->place.domid)
			others |= VMO_OTHER_VM | (leader[i].other_options != self->other_options ? VMO_OTHER_OPTIONS : 0);
	if (others && self->place.limit && (uint32_t)atoi(self->place.limit) < scene->batch)
		others |= VMO_LACKS_GRANTS;
	return others;
}

static const struct many_place *where(int i)
{
	return &leader[i].place;
}

static int exchange(void *context, const void *out, void *in, size_t bytes)
{
	struct vmo_proof lie[MANY_MOST];

	if (++exchanges == scene->fails_at)
		return -EIO;
	if (leader[many_self].lies && bytes == sizeof *lie) {
		memcpy(lie, out, (size_t)many_n * bytes);
		for (int i = 0; i < many_n; i++)
			lie[i].nonce[0] ^= 1;
		out = lie;
	}
	return many_exchange(context, out, in, bytes);
}

/* All that its VM may grant can be granted: nothing was kept. One process of a VM looks. */
static void check_nothing_kept(struct vmo_xen *xen, const struct leader *self)
{
	uint32_t pages = self->place.limit ? (uint32_t)atoi(self->place.limit) : MANY_LIMIT;
	static vmo_gref gref[MANY_LIMIT];
	struct vmo_grant grant;

	many_meet();
	for (const struct leader *l = leader; l < self; l++)
		if (l->place.host == self->place.host && l->place.domid == self->place.domid)
			pages = 0;
	if (pages)
		CHECK_RC(vmo_xen_grant(xen, 99, pages, false, &grant, gref), 0);
	many_meet();
}

static void play(int i)
{
	const struct leader *self = &leader[i];
	struct vmo_leaders *room = vmo_leaders_new((uint32_t)leaders, scene->batch);
	struct vmo_found found = { .colour = 12345 };
	struct vmo_config config;
	struct vmo_engine engine;

	vmo_log_setup(VMO_LOG_NONE, -1);
	vmo_config_read(&config);
	vmo_engine_open(&engine, &config, pair_emulation(), RANK(i), 1000);
	CHECK(engine.xen && room);
	if (self->other_options)
		engine.config.xen = "real";
	CHECK_RC(vmo_leaders_find(room, &engine, (uint32_t)i, many_gather, exchange, NULL, &found), scene->fails_at ? -EIO : 0);
	CHECK_RC(found.colour, scene->fails_at ? 12345 : self->colour);
	if (!scene->fails_at)
		CHECK_RC(found.others, others_than(self));
	check_nothing_kept(engine.xen, self);
	vmo_leaders_free(room);
	vmo_engine_stop(&engine);
}

int main(void)
{
	int failed = 0;

	many_begin();
	for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
		scene = &scenes[i];
		read_leaders();
		failed |= many_run(scene->what, leaders, 60, where, play);
	}
	return failed;
}
