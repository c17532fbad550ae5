/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random sends, detaches, frees, remappings, forks and writes against a model: the bytes of each buffer, and the bytes
 * of each message under way. VMO_TEST_SEED repeats a run.
 */
#include "subst_setup.h"

#define AREA_PAGES 96
#define MESSAGES 12

static unsigned long seed;
static char *area;			/* the program's memory */
static unsigned char *model;		/* what it must hold */

static struct message {
	struct setup sent;
	unsigned char *bytes;		/* what its interior must hold, from the time when it is frozen */
	bool frozen;			/* detached: the program may write again */
	bool used;
} message[MESSAGES];

static unsigned random_below(unsigned n)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(seed >> 33) % n;
}

struct range {
	size_t from, bytes;
};

static struct range random_range(bool pages)
{
	size_t unit = pages ? PAGE : 1, all = AREA_PAGES * PAGE / unit;
	size_t from = random_below((unsigned)all), n = 1 + random_below((unsigned)((all - from) / (1 + random_below(8)) + 1));

	if (from + n > all)
		n = all - from;
	return (struct range){ from * unit, n * unit };
}

static bool overlaps(const struct message *m, struct range r)
{
	size_t from = m->sent.begin - (uintptr_t)area;

	return m->used && from < r.from + r.bytes && r.from < from + m->sent.bytes;
}

/* A program may not touch what is being sent: the messages on the range are complete or frozen first. */
static void settle(struct setup *s, struct range r)
{
	for (struct message *m = message; m < message + MESSAGES; m++) {
		if (!overlaps(m, r) || m->frozen)
			continue;
		CHECK_RC(vmo_subst_detach(s->subst, m->sent.begin, m->sent.bytes), 0);
		m->frozen = true;
	}
}

static void put(struct range r, const unsigned char *from)
{
	memcpy(area + r.from, from + r.from, r.bytes);
}

static void write_some(struct setup *s)
{
	struct range r = random_range(false);

	settle(s, r);
	for (size_t i = r.from; i < r.from + r.bytes; i++)
		model[i] = (unsigned char)(i * 7 + seed);
	put(r, model);
}

static void send_one(struct setup *s)
{
	struct message *m = &message[random_below(MESSAGES)];
	struct range r = random_range(false);

	if (m->used)
		return;
	m->sent = *s;
	if (offer_in(&m->sent, area + r.from, r.bytes, 1 + (int)random_below(6)) <= 0)
		return;
	m->used = true;
	m->frozen = false;
	memcpy(m->bytes, model + (m->sent.begin - (uintptr_t)area), m->sent.bytes);
}

static void complete_one(void)
{
	struct message *m = &message[random_below(MESSAGES)];

	if (!m->used)
		return;
	CHECK(message_is(&m->sent, m->bytes));
	done(&m->sent);
	m->used = false;
}

/* The pages become zeroes; messages of them are under way still. */
static void give_up(void)
{
	struct range r = random_range(true);
	void *at = area + r.from;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	switch (random_below(3)) {
	case 0:
		CHECK(!madvise(at, r.bytes, MADV_DONTNEED));
		break;
	case 1:
		CHECK(!munmap(at, r.bytes));
		CHECK(mmap(at, r.bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0) == at);
		break;
	default:
		CHECK(mmap(at, r.bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0) == at);
	}
	memset(model + r.from, 0, r.bytes);
}

/* Away and back. */
static void move(struct setup *s)
{
	struct range r = random_range(true);
	char *other, *at = area + r.from;

	settle(s, r);
	other = mremap(at, r.bytes, r.bytes, MREMAP_MAYMOVE);
	if (other == MAP_FAILED)	/* more than one VMA, for other reasons: allowed to fail, not to change anything */
		return;
	if (other != at)
		CHECK(mremap(other, r.bytes, r.bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

static void fork_once(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		bool same = !memcmp(area, model, AREA_PAGES * PAGE);

		memset(area, 0x55, AREA_PAGES * PAGE);
		_exit(same ? 0 : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void check_all(void)
{
	CHECK(!memcmp(area, model, AREA_PAGES * PAGE));
	for (struct message *m = message; m < message + MESSAGES; m++)
		CHECK(!m->used || message_is(&m->sent, m->bytes));
}

static const char *scenario(struct setup *s)
{
	size_t bytes = AREA_PAGES * PAGE;
	int turns = getenv("VMO_TEST_TURNS") ? atoi(getenv("VMO_TEST_TURNS")) : 3000;

	if (seed % 4)	/* else there is always room, and no detach needs private pages */
		s->budget.pages = s->budget.used + 60 * (seed % 4);
	area = map_anonymous(bytes);
	model = (unsigned char *)map_anonymous(bytes);
	for (struct message *m = message; m < message + MESSAGES; m++)
		m->bytes = (unsigned char *)map_anonymous(bytes);
	for (int turn = 0; turn < turns; turn++) {
		unsigned what = random_below(s->hooks ? 40 : 30);

		what < 10 ? write_some(s) : what < 20 ? send_one(s) : what < 30 ? complete_one() :
		what < 36 ? give_up() : what < 39 ? move(s) : fork_once();
		if (turn % 16 == 0)
			check_all();
	}
	for (int i = 0; i < 1000; i++)
		complete_one();
	check_all();
	vmo_subst_free(s->subst);
	CHECK(!memcmp(area, model, bytes));
	printf("%lu substitutions, %lu moves, %lu detaches, %lu ended by hooks\n",
	       (unsigned long)vmo_stats.counter[VMO_C_substitutions], (unsigned long)vmo_stats.counter[VMO_C_moves],
	       (unsigned long)vmo_stats.counter[VMO_C_detaches], (unsigned long)vmo_stats.counter[VMO_C_hook_releases]);
	CHECK_RC(vmo_pool_usage(s->pool).pages_taken, 0);
	return NULL;
}

int main(void)
{
	seed = getenv("VMO_TEST_SEED") ? strtoul(getenv("VMO_TEST_SEED"), NULL, 0) : vmo_now_ns();
	printf("seed %lu\n", seed);
	return subst_test(60, scenario);
}
