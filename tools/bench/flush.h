/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flush.h: memory out of all caches, as far as the processor lets a program do that. */
#ifndef VMOBENCH_FLUSH_H
#define VMOBENCH_FLUSH_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__)
static void flush_line(const char *at)
{
	__builtin_ia32_clflush(at);
}
#elif defined(__aarch64__)
static void flush_line(const char *at)
{
	__asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
}
#else
static void flush_line(const char *at)
{
	fprintf(stderr, "vmobench: cold buffers: no instruction is known here that flushes a cache line\n");
	exit(2);
}
#endif

static void flush(const char *at, size_t bytes)
{
	for (size_t line = 0; line < bytes; line += 64)
		flush_line(at + line);
	__sync_synchronize();
}

#endif
