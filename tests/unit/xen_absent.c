/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On a machine without Xen, opening says -ENOENT and why; it prints nothing and loads no library. */
#include "xen_pair.h"

#include <fcntl.h>

static bool is_mapped(const char *library)
{
	char line[1024];
	FILE *maps = fopen("/proc/self/maps", "r");
	bool found = false;

	while (maps && fgets(line, sizeof line, maps))
		found |= strstr(line, library) != NULL;
	if (maps)
		fclose(maps);
	return found;
}

int main(void)
{
	struct vmo_xen *xen = (void *)1;
	char why[256] = "";
	int quiet[2], saved = dup(2), rc;
	char byte;

	alarm(20);
	if (!access("/dev/xen/gntalloc", F_OK)) {
		puts("SKIP: this machine has Xen");
		return 77;
	}
	CHECK(!pipe2(quiet, O_NONBLOCK));
	dup2(quiet[1], 2);
	rc = vmo_xen_open(&xen, NULL, -1, why, sizeof why);
	dup2(saved, 2);
	CHECK_RC(rc, -ENOENT);
	CHECK(xen == (void *)1);		/* outputs are set only on success */
	CHECK(read(quiet[0], &byte, 1) < 0);	/* nothing on stderr */
	CHECK(strstr(why, "/dev/xen/gntalloc"));
	CHECK(!is_mapped("libxen"));
	CHECK_RC(vmo_xen_open(&xen, NULL, 3, NULL, 0), -ENOENT);
	vmo_xen_close(NULL);

	CHECK_RC(vmo_xen_open(&xen, "/nowhere/libxenemu.so", -1, why, sizeof why), -ENOENT);
	CHECK(strstr(why, "/nowhere/libxenemu.so"));
	CHECK_RC(vmo_xen_open(&xen, "libc.so.6", -1, why, sizeof why), -ENOENT);
	CHECK(strstr(why, "xengntshr_open"));
	return 0;
}
