/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VM's ledger: processes of one domain share one count, exactly; domains and kinds do not; a process that is
 * killed gives all back; what others leave is found wherever it lies; a descriptor that the program closed and
 * used again is left alone.
 */
#include "xen_pair.h"

#include "budget.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PAGES 100

static struct vmo_ledger *ledger_of(struct vmo_xen *xen, enum vmo_ledger_kind kind)
{
	struct vmo_ledger *ledger;

	CHECK_RC(vmo_ledger_new(&ledger, xen, kind, PAGES), 0);
	return ledger;
}

static char say(int fd)
{
	char byte;

	CHECK(read(fd, &byte, 1) == 1);
	return byte;
}

/* Another process of a domain: takes so many pages, says so, and waits for its end. */
static pid_t other(const char *domid, uint32_t pages, int wanted)
{
	int told[2];
	pid_t child;

	CHECK(!pipe(told));
	child = fork();
	if (!child) {
		struct vmo_ledger *ledger = ledger_of(pair_open(domid), VMO_LEDGER_GRANTS);

		alarm(20);
		CHECK(write(told[1], vmo_ledger_take(ledger, pages) == wanted ? "y" : "n", 1) == 1);
		for (;;)
			pause();
	}
	close(told[1]);
	CHECK(say(told[0]) == 'y');
	close(told[0]);
	return child;
}

static void finish(pid_t child)
{
	int status;

	CHECK(!kill(child, SIGKILL) && waitpid(child, &status, 0) == child);
}

static void shared(struct vmo_xen *xen, const char *domid, const char *domid_of_another)
{
	struct vmo_ledger *grants = ledger_of(xen, VMO_LEDGER_GRANTS), *maps = ledger_of(xen, VMO_LEDGER_MAPS), *second;
	pid_t a, b;

	CHECK_RC(vmo_ledger_free_pages(grants), PAGES);
	CHECK_RC(vmo_ledger_take(grants, PAGES + 1), -ENOSPC);
	CHECK_RC(vmo_ledger_free_pages(grants), PAGES);
	CHECK_RC(vmo_ledger_take(grants, 10), 0);
	a = other(domid, 30, 0);
	CHECK_RC(vmo_ledger_free_pages(grants), 60);
	CHECK_RC(vmo_ledger_take(grants, 20), 0);	/* behind the other's: two pieces of ours */
	b = other(domid, 40, 0);			/* exactly what is left */
	CHECK_RC(vmo_ledger_free_pages(grants), 0);
	CHECK_RC(vmo_ledger_take(grants, 1), -ENOSPC);
	CHECK_RC(vmo_ledger_take(maps, PAGES), 0);	/* another kind */
	if (domid_of_another)
		finish(other(domid_of_another, PAGES, 0));
	finish(a);					/* SIGKILL: its 30 pages are free at once */
	CHECK_RC(vmo_ledger_free_pages(grants), 30);
	CHECK_RC(vmo_ledger_take(grants, 31), -ENOSPC);
	CHECK_RC(vmo_ledger_free_pages(grants), 30);
	CHECK_RC(vmo_ledger_take(grants, 30), 0);
	finish(b);
	vmo_ledger_give(grants, 45);			/* more than the last piece */
	CHECK_RC(vmo_ledger_free_pages(grants), 85);
	second = ledger_of(xen, VMO_LEDGER_GRANTS);	/* of the same process: counts by itself */
	CHECK_RC(vmo_ledger_take(second, 86), -ENOSPC);
	CHECK_RC(vmo_ledger_take(second, 85), 0);
	vmo_ledger_free(second);
	CHECK_RC(vmo_ledger_free_pages(grants), 85);
	vmo_ledger_free(grants);
	vmo_ledger_free(maps);
	grants = ledger_of(xen, VMO_LEDGER_GRANTS);
	CHECK_RC(vmo_ledger_free_pages(grants), PAGES);
	vmo_ledger_free(grants);
}

/* The process's part and the VM's: the smaller one counts, and a refusal takes nothing of either. */
static void both(struct vmo_xen *xen)
{
	struct vmo_ledger *ledger = ledger_of(xen, VMO_LEDGER_GRANTS);
	struct vmo_budget one = { 70, 0, ledger }, two = { 70, 0, ledger }, alone = { 5, 0, NULL };

	CHECK_RC(vmo_budget_take(&one, 71), -ENOSPC);
	CHECK_RC(vmo_budget_take(&one, 70), 0);
	CHECK_RC(vmo_budget_take(&two, 31), -ENOSPC);
	CHECK(one.used == 70 && two.used == 0);
	CHECK_RC(vmo_budget_take(&two, 30), 0);
	CHECK_RC(vmo_budget_room(&two), 40);
	vmo_budget_give(&one, 70);
	CHECK_RC(vmo_budget_take(&two, 40), 0);
	CHECK_RC(vmo_budget_take(&alone, 6), -ENOSPC);
	CHECK_RC(vmo_budget_take(&alone, 5), 0);
	vmo_ledger_free(ledger);
}

/* The program closes all descriptors and opens files of its own: these are neither locked nor closed. */
static void reused_descriptors(struct vmo_xen *xen)
{
	struct vmo_ledger *ledger = ledger_of(xen, VMO_LEDGER_GRANTS);
	struct stat file, now;
	char path[] = "/tmp/vmo-unit-file-XXXXXX";
	int fd = mkstemp(path), replaced = 0;

	CHECK(fd >= 0 && !unlink(path) && !fstat(fd, &file));
	CHECK_RC(vmo_ledger_take(ledger, 1), 0);
	for (int i = fd - 1; i > fd - 3; i--)		/* the ledger's two are the newest */
		replaced += dup2(fd, i) == i;
	CHECK_RC(replaced, 2);
	CHECK_RC(vmo_ledger_take(ledger, PAGES), 0);	/* nothing is counted any more, nothing is refused */
	vmo_ledger_give(ledger, 1);
	vmo_ledger_free(ledger);
	for (int i = fd - 2; i <= fd; i++) {
		struct flock any = { .l_type = F_WRLCK };

		CHECK(!fstat(i, &now) && now.st_ino == file.st_ino);
		CHECK(!fcntl(i, F_OFD_GETLK, &any) && any.l_type == F_UNLCK);
	}
}

static void alone(struct pair *pair)
{
	bool guest = getenv("VMO_TEST_GUEST") != NULL;

	shared(pair->xen, guest ? NULL : "1", guest ? NULL : "2");
	both(pair->xen);
	reused_descriptors(pair->xen);
}

int main(void)
{
	return pair_alone(60, alone);
}
