/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grants.c: has this VM given back every page that gntalloc may hold? The whole of its limit can then be allocated in
 * one ioctl, which counts exactly. Prints how many pages are held; exit status 0: none, 1: some, 2: cannot tell.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <xen/sys/gntalloc.h>

static unsigned limit_pages(void)
{
	FILE *file = fopen("/sys/module/xen_gntalloc/parameters/limit", "r");
	unsigned pages = 0;

	if (!file || fscanf(file, "%u", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages;
}

/* 1: so many pages can be allocated. They are given back at once. */
static int fits(unsigned pages)
{
	struct ioctl_gntalloc_alloc_gref *op = calloc(1, sizeof *op + pages * sizeof(unsigned));
	int fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC), rc;

	if (fd < 0) {
		perror("/dev/xen/gntalloc");
		exit(2);
	}
	op->domid = 0;
	op->count = pages;
	rc = ioctl(fd, IOCTL_GNTALLOC_ALLOC_GREF, op);
	close(fd);
	free(op);
	return rc == 0;
}

int main(void)
{
	unsigned limit = limit_pages(), least = 0, most = limit;

	if (!limit)
		return 2;
	if (fits(limit)) {
		printf("0 of %u pages are held\n", limit);
		return 0;
	}
	while (most - least > 1) {
		unsigned middle = least + (most - least) / 2;

		if (fits(middle))
			least = middle;
		else
			most = middle;
	}
	printf("%u of %u pages are held\n", limit - least, limit);
	return 1;
}
