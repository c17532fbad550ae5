/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * procfd.c - another process's descriptor, by /proc/PID/fd/N, believed only if it still is the inode we were told.
 *
 * Works across network namespaces and for any process of the same user that may be looked into (ptrace "read" access).
 * Threads: none of its own state. Not handled: processes made undumpable, other user namespaces (EACCES).
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xenemu.h"

uint64_t xenemu_inode_of(int fd)
{
	struct stat status;

	return fd < 0 || fstat(fd, &status) ? 0 : (uint64_t)status.st_ino;
}

/* stat first: opening whatever now has that number could have effects. */
int xenemu_procfd_open(pid_t pid, int fd, uint64_t ino, int flags)
{
	struct stat status;
	char path[64];
	int opened;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
	if (stat(path, &status))
		return -errno;
	if (status.st_ino != ino || !(S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode)))
		return -ESTALE;
	opened = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (opened < 0)
		return -errno;
	if (xenemu_inode_of(opened) == ino)
		return opened;
	close(opened);
	return -ESTALE;
}
