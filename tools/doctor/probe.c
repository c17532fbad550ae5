/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe.c: what `vmonecopy doctor` finds out with the library's own floors 0 to 2.
 *
 *   probe settings              the options as the library reads them (vmo_config_print); complaints on stderr
 *   probe domain LIBRARY        opens Xen: domid, gntalloc's limit
 *   probe round_trip LIBRARY    4 MiB granted to one's own domain, mapped and compared, a step at a time; then once by
 *                               grant copy
 *   probe frames                the hypervisor's frames of this VM's grant table (root: /dev/xen/privcmd)
 *
 * LIBRARY: libxenemu.so's path, or - for real Xen. Prints lines `name value`; on failure `error TEXT` with cause and
 * remedy, and exits 1. The doctor's Python side (tools/cli) judges.
 *
 * A step holds STEP_PAGES pages, so that a VM whose limit other jobs nearly use up is not taken over it. The run is
 * written through one view while it is mapped: what is compared came by the mapping, not by a copy made before.
 * Not handled: another VM. The first job does that, and proves it (peer.h).
 */
#include "config.h"
#include "log.h"
#include "mistakes.h"
#include "xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/grant_table.h>
#include <xen/sys/privcmd.h>

#define STEP_PAGES 64u
#define STEPS 16u
#define STEP_BYTES (STEP_PAGES * VMO_PAGE_BYTES)

static int failed(const char *what, int rc)
{
	printf("error %s: %s\n", what, strerror(-rc));
	return 1;
}

static uint32_t word(uint32_t step, size_t at)
{
	return (uint32_t)(at * 2654435761u) ^ (step + 1) * 0x9e3779b9u;
}

static void fill(uint32_t *to, uint32_t step)
{
	for (size_t i = 0; i < STEP_BYTES / sizeof *to; i++)
		to[i] = word(step, i);
}

static bool same(const uint32_t *from, uint32_t step)
{
	for (size_t i = 0; i < STEP_BYTES / sizeof *from; i++)
		if (from[i] != word(step, i))
			return false;
	return true;
}

/* One run, granted already and visible at `view`. */
static int by_mapping(struct vmo_xen *xen, const vmo_gref *grefs, uint32_t *view, uint32_t step)
{
	void *mapped;
	bool right;
	int rc = vmo_xen_map(xen, vmo_xen_domid(xen), grefs, STEP_PAGES, false, &mapped);

	if (rc)
		return failed("mapping what was granted", rc);
	fill(view, step);
	right = same(mapped, step);
	rc = vmo_xen_unmap(xen, mapped, STEP_PAGES);
	if (!right)
		printf("error what was mapped is not what was granted\n");
	return !right || (rc && failed("unmapping", rc));
}

static int by_copy(struct vmo_xen *xen, const vmo_gref *grefs, uint32_t *view)
{
	static uint32_t copy[STEP_BYTES / sizeof(uint32_t)];
	int rc;

	fill(view, STEPS);
	rc = vmo_xen_copy(xen, vmo_xen_domid(xen), grefs, 0, STEP_BYTES, copy);
	if (rc || !same(copy, STEPS))
		return rc ? failed("grant copy", rc) : (printf("error grant copy brought other bytes\n"), 1);
	printf("copied_bytes %zu\n", STEP_BYTES);
	return 0;
}

static int one_step(struct vmo_xen *xen, uint32_t step)
{
	struct vmo_grant grant;
	vmo_gref grefs[STEP_PAGES];
	void *view;
	int rc = vmo_xen_grant(xen, vmo_xen_domid(xen), STEP_PAGES, false, &grant, grefs), bad;

	if (rc)
		return failed("granting", rc);
	rc = vmo_xen_view(xen, &grant, 0, STEP_PAGES, NULL, true, &view);
	if (rc) {
		vmo_xen_ungrant(xen, &grant);
		return failed("making granted pages visible", rc);
	}
	bad = step < STEPS ? by_mapping(xen, grefs, view, step) : by_copy(xen, grefs, view);
	vmo_xen_unview(xen, view, STEP_PAGES);
	rc = vmo_xen_ungrant(xen, &grant);
	return bad || (rc && failed("taking the grant back", rc));
}

static int round_trip(struct vmo_xen *xen)
{
	uint32_t step = 0;

	while (step < STEPS && !one_step(xen, step))
		step++;
	printf("mapped_bytes %zu\n", step * STEP_BYTES);
	return one_step(xen, STEPS) || step < STEPS;
}

static int with_xen(const char *library, bool trip)
{
	struct vmo_config config;
	struct vmo_xen *xen;
	char why[512] = "";
	int rc;

	vmo_config_read(&config);
	vmo_log_setup(VMO_LOG_ERROR, -1);
	rc = vmo_xen_open(&xen, strcmp(library, "-") ? library : NULL, config.domid, why, sizeof why);
	if (rc) {
		printf("error %s\n", why);
		return 1;
	}
	printf("domid %u\nlimit_pages %zu\n", vmo_xen_domid(xen), vmo_xen_grant_limit(xen));
	rc = trip ? round_trip(xen) : 0;
	vmo_xen_close(xen);
	return rc;
}

/* GNTTABOP_query_size (xen/grant_table.h) by the driver's hypercall. Its argument must be in memory that is there. */
static int frames(void)
{
	struct privcmd_hypercall call = { .op = 20, .arg = { GNTTABOP_query_size, 0, 1 } };	/* grant_table_op */
	int fd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	struct gnttab_query_size *size;

	if (fd < 0)
		return failed("/dev/xen/privcmd", -errno);
	size = mmap(NULL, VMO_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	if (size == MAP_FAILED)
		return failed("memory", -errno);
	size->dom = DOMID_SELF;
	call.arg[1] = (uintptr_t)size;
	if (ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0)
		return failed("GNTTABOP_query_size", -errno);
	if (size->status != GNTST_okay)
		return failed("GNTTABOP_query_size", -EPERM);
	printf("frames %u\nmost_frames %u\n", size->nr_frames, size->max_nr_frames);
	return 0;
}

static int settings(void)
{
	struct vmo_config config;

	vmo_log_setup(VMO_LOG_WARN, -1);
	vmo_config_read(&config);
	vmo_mistakes_tell();
	vmo_config_print(stdout, &config);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "settings"))
		return settings();
	if (!strcmp(what, "frames"))
		return frames();
	if (argc == 3 && (!strcmp(what, "domain") || !strcmp(what, "round_trip")))
		return with_xen(argv[2], !strcmp(what, "round_trip"));
	fprintf(stderr, "usage: probe settings | frames | domain LIBRARY | round_trip LIBRARY\n");
	return 2;
}
