/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * registry.c - the shared file: made by the first process, removed by the last.
 *
 *   open:  open or create -> fcntl lock -> is the path still this inode? -> adopt, or replace -> (attach) -> unlock
 *   close: fcntl lock -> (leave) -> no process left? unlink -> unlock
 *
 * Invariants
 *   - Making and removing happen under the fcntl lock, which a dead process loses and a forked child never has.
 *   - Only a regular file of this user, mode 0600, not reached by a symbolic link, is believed.
 *   - A file whose processes are all dead is not repaired but replaced.
 *   - The mutex is robust: after a holder's death, all that follows from something else is computed anew.
 *
 * Threads: the callers hold the process lock. Not handled: processes in different pid namespaces (refused), an
 * XENEMU_DIR on a network file system.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xenemu.h"

/* Byte 0 alone: others may lock far beyond the end, as they may on gntalloc's device. */
static int lock_file(int fd, short type)
{
	struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
	int rc;

	do
		rc = fcntl(fd, F_SETLKW, &range);
	while (rc && errno == EINTR);
	return rc ? -errno : 0;
}

static uint32_t pid_namespace(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) ? 0 : (uint32_t)status.st_ino;
}

/* Does the path still lead to what we have open? */
static bool is_current(int fd, const char *path)
{
	struct stat opened, named;

	return !fstat(fd, &opened) && !lstat(path, &named) && opened.st_ino == named.st_ino &&
	       opened.st_dev == named.st_dev;
}

/* -> a locked descriptor of the file at path, made if needed, and trusted. */
static int open_locked(const char *path)
{
	struct stat status;
	int fd, rc;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
		if (fd < 0)
			return -errno;
		rc = fstat(fd, &status) ? -errno : 0;
		if (!rc && (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077)))
			rc = -EPERM;
		if (!rc)
			rc = lock_file(fd, F_WRLCK);
		if (!rc && is_current(fd, path))
			return fd;
		close(fd);
		if (rc)
			return rc;
	}
}

static int init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;
	int rc = pthread_mutexattr_init(&attributes);

	if (rc)
		return -rc;
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	rc = pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return -rc;
}

static struct xenemu_registry *map_file(int fd)
{
	void *at = mmap(NULL, sizeof(struct xenemu_registry), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, sizeof(struct xenemu_registry), MADV_DONTFORK);
	madvise(at, sizeof(struct xenemu_registry), MADV_DONTDUMP);
	return at;
}

/* An empty file becomes a registry. The tables that are always walked get their memory now. */
static int create(int fd)
{
	struct xenemu_registry *registry;
	int rc;

	if (ftruncate(fd, sizeof *registry) || fallocate(fd, 0, 0, offsetof(struct xenemu_registry, maps)))
		return -errno;
	registry = map_file(fd);
	if (!registry)
		return -errno;
	registry->version = XENEMU_VERSION;
	registry->bytes = sizeof *registry;
	registry->pid_namespace = pid_namespace();
	registry->chunk_used[0] = 1;
	rc = init_mutex(&registry->lock);
	__atomic_store_n(&registry->magic, XENEMU_MAGIC, __ATOMIC_RELEASE);
	xenemu.registry = registry;
	return rc;
}

/* 0: adopted. -ESTALE: nobody lives there, replace it. */
static int adopt(int fd)
{
	struct xenemu_registry *registry;
	struct stat status;
	bool inhabited = false;

	if (fstat(fd, &status))
		return -errno;
	if ((uint64_t)status.st_size != sizeof *registry)
		return -ESTALE;
	registry = map_file(fd);
	if (!registry)
		return -errno;
	if (registry->magic != XENEMU_MAGIC || registry->version != XENEMU_VERSION ||
	    registry->bytes != sizeof *registry) {
		munmap(registry, sizeof *registry);
		return -ESTALE;
	}
	if (registry->pid_namespace != pid_namespace()) {
		fprintf(stderr, "xenemu: %s belongs to another pid namespace\n", xenemu.settings.path);
		munmap(registry, sizeof *registry);
		return -EPERM;
	}
	for (int i = 0; i < XENEMU_PROCS && !inhabited; i++)
		inhabited = registry->procs[i].live && xenemu_alive(&registry->procs[i]);
	if (inhabited) {
		xenemu.registry = registry;
		return 0;
	}
	munmap(registry, sizeof *registry);
	return -ESTALE;
}

int xenemu_registry_open(void)
{
	const char *path = xenemu.settings.path;
	struct stat status;
	int fd, rc;

	for (;;) {
		fd = open_locked(path);
		if (fd < 0) {
			fprintf(stderr, "xenemu: %s: %s\n", path, strerror(-fd));
			return fd;
		}
		rc = fstat(fd, &status) ? -errno : status.st_size ? adopt(fd) : create(fd);
		if (!rc)
			break;
		if (rc == -ESTALE || !status.st_size)
			unlink(path);
		close(fd);
		if (rc != -ESTALE)
			return rc;
	}
	xenemu.registry_fd = fd;
	xenemu.registry_ino = xenemu_inode_of(fd);
	return 0;
}

/* The caller holds the fcntl lock since xenemu_registry_open, or takes it here to leave. */
void xenemu_registry_close(void)
{
	struct xenemu_registry *registry = xenemu.registry;
	bool inhabited = false;
	int fd = xenemu_inode_of(xenemu.registry_fd) == xenemu.registry_ino ? xenemu.registry_fd : -1;

	if (fd >= 0)
		lock_file(fd, F_WRLCK);
	if (!xenemu_registry_lock()) {
		if (xenemu.self < XENEMU_PROCS)
			xenemu_reap(xenemu.self);
		for (int i = 0; i < XENEMU_PROCS && !inhabited; i++)
			inhabited = registry->procs[i].live && xenemu_alive(&registry->procs[i]);
		if (!inhabited && fd >= 0 && is_current(fd, xenemu.settings.path))
			unlink(xenemu.settings.path);
		xenemu_registry_unlock();
	}
	xenemu.registry = NULL;
	munmap(registry, sizeof *registry);
	if (fd >= 0)
		xenemu_close_fd(&xenemu.registry_fd); /* and with it the fcntl lock */
	xenemu.registry_fd = -1;
}

/* A holder died at some point of its work: trust the primary fields, derive the rest. */
static void recover(struct xenemu_registry *registry)
{
	memset(registry->chunk_used, 0, sizeof registry->chunk_used);
	registry->chunk_used[0] = 1;
	for (int i = 0; i < XENEMU_DOMAINS; i++) {
		struct xenemu_domain *domain = &registry->domains[i];

		if (!domain->used)
			continue;
		xenemu_domain_rebuild(domain);
		for (int c = 0; c < XENEMU_DOMAIN_CHUNKS; c++)
			registry->chunk_used[domain->chunk[c]] = 1;
		domain->procs = 0;
		for (int p = 0; p < XENEMU_PROCS; p++)
			domain->procs += registry->procs[p].live && registry->procs[p].domain == i;
	}
}

int xenemu_registry_lock(void)
{
	int rc = pthread_mutex_lock(&xenemu.registry->lock);

	if (rc == EOWNERDEAD) {
		recover(xenemu.registry);
		rc = pthread_mutex_consistent(&xenemu.registry->lock);
	}
	return -rc;
}

void xenemu_registry_unlock(void)
{
	pthread_mutex_unlock(&xenemu.registry->lock);
}

int xenemu_registry_back(void *at, size_t bytes)
{
	off_t offset = (char *)at - (char *)xenemu.registry;

	if (xenemu_inode_of(xenemu.registry_fd) != xenemu.registry_ino)
		return -EBADF; /* the application closed our descriptor */
	return fallocate(xenemu.registry_fd, 0, offset, (off_t)bytes) ? -errno : 0;
}
