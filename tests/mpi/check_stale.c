/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program replaces pages under a buffer by direct system calls, which no hook sees. VMONECOPY_CHECK=1 finds the stale
 * association before the next send: one line, a counter, right data. Without it old data goes.
 *
 * RUN: np=2 VMONECOPY_CHECK=1 VMONECOPY_ADMISSION=1 expect="CHECK: the buffer at 0x" expect="stale_buffers [1-9]" expect="onecopy_bytes [1-9]" expect="checked_messages [1-9]" expect="\A(?![\s\S]*checksum_errors)"
 * RUN: np=2 VMONECOPY_ADMISSION=1 must-fail=1
 */
#include "t.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define BYTES ((size_t)1 << 19)
#define TAG 5

enum plant { WHOLE, MIDDLE, SHARED, MOVED, UNMAPPED, PLANTS };

static void *map(void *at, size_t bytes, int flags)
{
	long got = syscall(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0l);

	CHECK(got != -1);
	return (void *)got;
}

static void replace(char *buf, enum plant how)
{
	int private = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	switch (how) {
	case WHOLE: map(buf, BYTES, private); break;
	case MIDDLE: map(buf + BYTES / 4, BYTES / 2, private); break;
	case SHARED: map(buf, BYTES / 2, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED); break;
	case MOVED: {
		char *other = map(NULL, BYTES, MAP_PRIVATE | MAP_ANONYMOUS);
		CHECK(syscall(SYS_mremap, other, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, buf) != -1);
		break;
	}
	default:
		CHECK(!syscall(SYS_munmap, buf, BYTES));
		map(buf, BYTES, private);
	}
}

/* Sends it four times as it is, then four times with other pages. */
static void sender(enum plant how)
{
	char *buf = map(NULL, BYTES, MAP_PRIVATE | MAP_ANONYMOUS);

	for (int i = 0; i < 8; i++) {
		if (i == 4)
			replace(buf, how);
		t_fill(buf, BYTES, 0, TAG, 10 * (int)how + i);
		MPI_Send(buf, (int)BYTES, MPI_BYTE, 1, TAG, MPI_COMM_WORLD);
	}
	munmap(buf, BYTES);
}

static void receiver(enum plant how)
{
	struct t_buf buf = t_new(BYTES, 64);

	for (int i = 0; i < 8; i++) {
		t_poison(&buf);
		MPI_Recv(buf.at, (int)BYTES, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		GOT(&buf, BYTES, 0, TAG, 10 * (int)how + i);
	}
	t_free(&buf);
}

int main(int argc, char **argv)
{
	t_begin(&argc, &argv, 40);
	for (enum plant how = 0; how < PLANTS; how++)
		if (t_rank)
			receiver(how);
		else
			sender(how);
	return t_end();
}
