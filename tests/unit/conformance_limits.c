/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gntalloc's limit counts the pages of a whole domain, exactly; beyond it ENOSPC; what is given back counts no more. */
#include "conformance.h"

static void beside(int fd)
{
	xengntshr_handle *shr = xen.xengntshr_open(NULL, 0);
	uint32_t ref, want;
	uint64_t index = 0;

	for (;;) { /* told what must come of one page more; 1: the end */
		hear(fd, &want, sizeof want);
		if (want == 1)
			break;
		CHECK(alloc_run(shr, peer_domain, true, 1, &ref, &index) == (int)want, "another process: not %u", want);
		CHECK(want || !dealloc_run(shr, index, 1), "give back");
		meet(fd);
	}
	xen.xengntshr_close(shr);
}

static void other_process(struct peer *process, uint32_t want)
{
	say(process->fd, &want, sizeof want);
	if (want != 1)
		meet(process->fd);
}

/* All that the domain may have, in one run. */
static void fill(int fd)
{
	uint32_t limit = limit_pages(), *refs, one;
	uint64_t index, part, other;
	xengntshr_handle *shr, *second;
	struct peer process;

	spawn_beside(&process, beside); /* first: it may not inherit what is opened here */
	CHECK((refs = malloc(limit * sizeof *refs)), "memory");
	shr = xen.xengntshr_open(NULL, 0);
	second = xen.xengntshr_open(NULL, 0);
	other_process(&process, 0);
	CHECK(alloc_run(shr, peer_domain, true, limit + 1, refs, &index) == ENOSPC, "one more than the limit at once");
	CHECK(!alloc_run(shr, peer_domain, true, limit, refs, &index), "exactly the limit, in one run");
	CHECK(alloc_run(shr, peer_domain, true, 1, &one, &other) == ENOSPC, "one more");
	CHECK(alloc_run(second, peer_domain, true, 1, &one, &other) == ENOSPC, "through another handle");
	errno = 0;
	CHECK(!xen.xengntshr_share_pages(shr, peer_domain, 1, &one, 1) && errno == ENOSPC, "by share_pages");
	other_process(&process, ENOSPC);
	meet(fd); /* the peer domain may have its own: it has */
	CHECK(!dealloc_run(shr, index, limit / 2), "give half back");
	other_process(&process, 0);
	CHECK(!alloc_run(second, peer_domain, false, limit / 2, refs, &part), "what was given back");
	other_process(&process, ENOSPC);
	xen.xengntshr_close(second);
	other_process(&process, 0);
	xen.xengntshr_close(shr);
	CHECK((shr = xen.xengntshr_open(NULL, 0)), "open");
	CHECK(!alloc_run(shr, peer_domain, true, limit, refs, &index), "all, after the handles were closed");
	xen.xengntshr_close(shr);
	other_process(&process, 1);
	finish(&process);
	free(refs);
}

static void mapper(int fd)
{
	fill(fd);
}

int main(void)
{
	return conformance(25, fill, mapper);
}
