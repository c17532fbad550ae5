/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registry.c: what the emulated Xen's registry (tools/xenemu/layout.h) still holds, process by process.
 *
 *   registry look FILE          as it stands, without taking part; only while the jobs using it are at rest
 *   registry sweep LIBXENEMU    joins as any new process does, which sweeps out the dead; then looks; then leaves.
 *                               XENEMU_DIR says where.
 *
 *   registry hold LIBXENEMU     joins and stays until it is killed: something that is left, for a test of the test
 *
 * One line for each process that has a place or owns anything, but for this one:
 *
 *   process PID live 1 dead 0 grants N maps N mapped_pages N ports N
 *
 * live: it has its place; dead: it ended, and nobody has swept it out yet. PID 0: of a place that is free.
 */
#include "layout.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	unsigned grants, maps, mapped_pages, ports;
} owns[XENEMU_PROCS];

static void count(const struct xenemu_registry *registry)
{
	for (int chunk = 1; chunk < XENEMU_CHUNKS; chunk++)
		for (int i = 0; registry->chunk_used[chunk] && i < XENEMU_CHUNK; i++) {
			const struct xenemu_grant *grant = &registry->grants[chunk][i];
			if (grant->state != XENEMU_GRANT_FREE)
				owns[grant->owner % XENEMU_PROCS].grants++;
		}
	for (uint32_t i = 0; i < registry->maps_top && i < XENEMU_MAPS; i++)
		if (registry->maps[i].used) {
			owns[registry->maps[i].mapper % XENEMU_PROCS].maps++;
			owns[registry->maps[i].mapper % XENEMU_PROCS].mapped_pages += registry->maps[i].count;
		}
	for (int domain = 0; domain < XENEMU_DOMAINS; domain++)
		for (uint32_t port = 1; registry->domains[domain].used && port < registry->domains[domain].ports_top; port++)
			if (registry->ports[domain][port].state != XENEMU_PORT_FREE)
				owns[registry->ports[domain][port].owner % XENEMU_PROCS].ports++;
}

static int look(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) || (size_t)st.st_size < sizeof(struct xenemu_registry)) {
		printf("no registry\n");
		return 0;
	}
	const struct xenemu_registry *registry = mmap(NULL, sizeof *registry, PROT_READ, MAP_SHARED, fd, 0);
	if (registry == MAP_FAILED || registry->magic != XENEMU_MAGIC)
		return 2;
	count(registry);
	for (int i = 0; i < XENEMU_PROCS; i++) {
		const struct xenemu_proc *proc = &registry->procs[i];
		if ((proc->live && proc->pid == getpid()) || (!proc->live && !owns[i].grants && !owns[i].maps && !owns[i].ports))
			continue;
		printf("process %d live %d dead %d grants %u maps %u mapped_pages %u ports %u\n", proc->live ? proc->pid : 0,
		       proc->live, proc->live && kill(proc->pid, 0), owns[i].grants, owns[i].maps, owns[i].mapped_pages,
		       owns[i].ports);
	}
	return 0;
}

static int sweep(const char *library, bool hold)
{
	char path[4096];

	setenv("XENEMU_DOMID", hold ? "30001" : "30000", 1);
	void *emulation = dlopen(library, RTLD_NOW);
	if (!emulation) {
		fprintf(stderr, "%s\n", dlerror());
		return 2;
	}
	void *(*open_table)(void *, unsigned) = (void *(*)(void *, unsigned))dlsym(emulation, "xengnttab_open");
	int (*close_table)(void *) = (int (*)(void *))dlsym(emulation, "xengnttab_close");
	void *table = open_table ? open_table(NULL, 0) : NULL;
	if (!table || !close_table)
		return 2;
	while (hold)
		pause();
	snprintf(path, sizeof path, "%s/xenemu-%d", getenv("XENEMU_DIR"), (int)getuid());
	int rc = look(path);
	close_table(table);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "look"))
		return look(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "sweep") && getenv("XENEMU_DIR"))
		return sweep(argv[2], false);
	if (argc == 3 && !strcmp(argv[1], "hold") && getenv("XENEMU_DIR"))
		return sweep(argv[2], true);
	fprintf(stderr, "usage: registry look FILE | XENEMU_DIR=... registry sweep|hold LIBXENEMU\n");
	return 2;
}
