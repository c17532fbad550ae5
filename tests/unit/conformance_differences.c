/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the emulation cannot be as real Xen is: each difference has a name, and is checked on each side. The shim must be
 * right on both; its memory hooks and its choice of ALLOC_GREF exist because of the left column.
 * See tools/xenemu/README.md, "Where it differs from real Xen".
 */
#include "conformance.h"

static xengntshr_handle *shr;
static xengnttab_handle *tab;

struct offered {
	uint32_t readonly, dying[2];
};
static struct offered offered;	/* by the granter; known on both sides */

/* ---- the granter's differences ---- */

static char *a_run(uint32_t pages, uint64_t *index)
{
	uint32_t refs[8];

	CHECK(!alloc_run(shr, peer_domain, true, pages, refs, index), "alloc");
	return map_run(shr, *index, pages);
}

static const char *outcome_of_touch(char *at)
{
	int number = touch(at, false);

	return number == SIGBUS ? "SIGBUS" : number == SIGSEGV ? "SIGSEGV" : number ? "another signal" : "readable";
}

static const char *dontneed(void)
{
	uint64_t index;
	char *at = a_run(2, &index);

	at[0] = 'd';
	CHECK(!madvise(at, PAGE, MADV_DONTNEED), "madvise itself succeeds on both");
	return outcome_of_touch(at);
}

static const char *remap_larger(void)
{
	uint64_t index;
	char *at = a_run(2, &index);

	return mremap(at, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED ? "works" : errno == EFAULT ? "EFAULT" : "error";
}

static const char *plain_ioctl(void)
{
	struct ioctl_gntalloc_dealloc_gref op = {.index = 1ull << 40, .count = 1};

	CHECK(ioctl(xen.xengntshr_fd(shr), IOCTL_GNTALLOC_DEALLOC_GREF, &op) == -1, "no such pages on either side");
	return errno == EINVAL ? "understood" : errno == ENOTTY ? "ENOTTY" : "error";
}

static const char *read_device(void)
{
	char byte;

	return pread(xen.xengntshr_fd(shr), &byte, 1, 0) >= 0 ? "works" : errno == EINVAL ? "EINVAL" : "error";
}

static const char *map_given_back(void)
{
	uint64_t index;
	char *at = a_run(1, &index);

	munmap(at, PAGE);
	CHECK(!dealloc_run(shr, index, 1), "give back");
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, xen.xengntshr_fd(shr), (off_t)index);
	return at != MAP_FAILED ? "works" : errno == ENOENT ? "ENOENT" : "error";
}

static const char *map_shared_pages_again(void)
{
	xengntshr_handle *own = xen.xengntshr_open(NULL, 0);
	uint32_t refs[2];
	char *at;

	CHECK(xen.xengntshr_share_pages(own, peer_domain, 2, refs, 1), "share");
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, xen.xengntshr_fd(own), 0);
	return at != MAP_FAILED ? "leads elsewhere" : errno == ENOENT ? "ENOENT" : "error";
}

static void wait_for_end(int fd)
{
	char byte;

	hear(fd, &byte, 1);
}

/* A descriptor that a forked child has too: does closing it here give the pages back? */
static const char *close_with_child(void)
{
	xengntshr_handle *own = xen.xengntshr_open(NULL, 0);
	uint32_t refs[3], limit = limit_pages();
	struct peer child;
	uint64_t index;
	bool given_back;

	while (!room_for(limit))
		limit--; /* what the looks before this one hold */
	CHECK(!alloc_run(own, peer_domain, true, 3, refs, &index), "alloc");
	spawn_beside(&child, wait_for_end);
	xen.xengntshr_close(own);
	given_back = room_for(limit);
	say(child.fd, "e", 1);
	finish(&child);
	CHECK(room_for(limit), "when the child has ended they are back");
	return given_back ? "given back" : "still held";
}

/* ---- the mapper's ---- */

static const char *make_writable(void)
{
	char *at = map_refs(tab, 1, &offered.readonly, false);

	CHECK(at, "map");
	if (mprotect(at, PAGE, PROT_READ | PROT_WRITE))
		return errno == EACCES ? "EACCES" : "error";
	return touch(at, true) == SIGBUS ? "SIGBUS at a store" : "writable";
}

static const char *move_mapping(void)
{
	char *at = map_refs(tab, 1, &offered.readonly, false);
	char *moved = mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mmap(NULL, PAGE, PROT_NONE,
	                                                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	return moved == MAP_FAILED ? "error" : outcome_of_touch(moved);
}

static const char *close_with_mapping(void)
{
	xengnttab_handle *other = xen.xengnttab_open(NULL, 0);
	char *at = map_refs(other, 1, &offered.readonly, false);

	CHECK(at, "map");
	xen.xengnttab_close(other);
	return outcome_of_touch(at);
}

/* The granter's process was killed: page 0 of its two is mapped here still. */
static const char *reference_of_the_dead(void)
{
	char *again = xen.xengnttab_map_grant_ref(tab, peer_domain, offered.dying[0], PROT_READ);

	return again ? "maps" : errno == EINVAL ? "EINVAL" : "error";
}

struct difference {
	const char *name;
	int role;
	const char *(*look)(void);
	const char *real, *emulated;
};

static const struct difference differences[] = {
	{"MADV_DONTNEED on a run's page", 1, dontneed, "SIGBUS", "readable"},
	{"mremap that grows a run's mapping", 1, remap_larger, "EFAULT", "works"},
	{"ioctl(2) on the gntalloc descriptor", 1, plain_ioctl, "understood", "ENOTTY"},
	{"read(2) on the gntalloc descriptor", 1, read_device, "EINVAL", "works"},
	{"mmap of pages given back", 1, map_given_back, "ENOENT", "works"},
	{"mmap of share_pages' pages by offset", 1, map_shared_pages_again, "ENOENT", "leads elsewhere"},
	{"close of a descriptor that a forked child has too", 1, close_with_child, "still held", "given back"},
	{"mprotect of a read-only mapping to writable", 2, make_writable, "SIGBUS at a store", "EACCES"},
	{"mremap that moves a mapping", 2, move_mapping, "SIGBUS", "readable"},
	{"close of the handle, memory still mapped", 2, close_with_mapping, "readable", "SIGSEGV"},
	{"a killed granter's reference, its page still mapped", 2, reference_of_the_dead, "maps", "EINVAL"},
};

static void look_at_mine(void)
{
	int wrong = 0;

	for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
		const struct difference *d = &differences[i];
		const char *expected = on_real_xen ? d->real : d->emulated, *found;

		if (d->role != role)
			continue;
		found = d->look();
		printf("%s: %s\n", d->name, found);
		fflush(stdout);
		if (!strcmp(found, expected))
			continue;
		fprintf(stderr, "%s: %s, not %s\n", d->name, found, expected);
		wrong = 1;
	}
	CHECK(!wrong, "a difference is not as it was written down");
}

static void victim(int fd)
{
	xengntshr_handle *own = xen.xengntshr_open(NULL, 0);
	uint64_t index;

	CHECK(!alloc_run(own, peer_domain, true, 2, offered.dying, &index), "alloc");
	say(fd, &offered, sizeof offered);
	for (;;)
		pause();
}

static void granter(int fd)
{
	struct offered dying;
	struct peer process;
	uint64_t index;

	spawn_beside(&process, victim);
	hear(process.fd, &dying, sizeof dying);
	shr = xen.xengntshr_open(NULL, 0);
	offered = dying;
	CHECK(!alloc_run(shr, peer_domain, false, 1, &offered.readonly, &index), "alloc");
	say(fd, &offered, sizeof offered);
	meet(fd);
	kill_peer(&process);
	meet(fd);
	meet(fd); /* the mapper has looked: what is granted from here on may get the dead one's references */
	look_at_mine();
	meet(fd);
	xen.xengntshr_close(shr);
}

static void mapper(int fd)
{
	tab = xen.xengnttab_open(NULL, 0);
	hear(fd, &offered, sizeof offered);
	CHECK(map_refs(tab, 1, &offered.dying[0], false), "map");
	meet(fd);
	meet(fd);
	usleep(200000);
	look_at_mine();
	meet(fd);
	meet(fd);
	xen.xengnttab_close(tab);
}

int main(void)
{
	return conformance(20, granter, mapper);
}
