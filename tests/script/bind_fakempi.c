/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bind_fakempi.c: an MPI of which nothing is real: it counts calls and checks their arguments.
 *   -DFAKE_VERSION='"..."'  what MPI_Get_library_version says
 *   -DFAKE_OLD              without the calls of MPI 4
 *   -DFAKE_SLOW_US=n        MPI_Get_library_version takes so long
 */
#include "bind_fakempi.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef FAKE_SLOW_US
#define FAKE_SLOW_US 0
#endif

struct fake_seen fake_seen;

static int intact(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k, long l,
		  double s, double t, double u, double v, double w, double x, double y, double z,
		  const struct fake_struct *p)
{
	return a == 11 && b == -12 && c == 13L << 40 && d == 14 && e == 15 && f == -16 && g == 17 &&
	       h == 18L << 33 && i == -19 && j == 20 && k == 21 && l == 22 && s == 1.5 && t == -2.5 &&
	       u == 3.5 && v == 4e300 && w == 5.5 && x == 6e-300 && y == 7.5 && z == -8.5 &&
	       p->tag == 4711 && p->value == 0.25;
}

#define CALL(n) \
	int PMPI_##n(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, long k, long l, \
		     double s, double t, double u, double v, double w, double x, double y, double z, \
		     struct fake_struct *p) \
	{ \
		__atomic_add_fetch(&fake_seen.calls[FAKE_##n], 1, __ATOMIC_RELAXED); \
		return intact(a, b, c, d, e, f, g, h, i, j, k, l, s, t, u, v, w, x, y, z, p) ? 1000 + FAKE_##n : 1; \
	} \
	fake_call MPI_##n __attribute__((weak, alias("PMPI_" #n)));
#ifdef FAKE_OLD
#define X4(n)
#endif
#define X(n) CALL(n)
#include "calls.def"
#undef X

int PMPI_Comm_size(void)
{
	return 0;
}

/* Loses every register that a call may lose. */
static inline void clobber(void)
{
#if defined __x86_64__
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; pxor %%xmm3, %%xmm3;"
			 "pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7;"
			 "xor %%edi, %%edi; xor %%esi, %%esi; xor %%edx, %%edx; xor %%ecx, %%ecx;"
			 "xor %%r8d, %%r8d; xor %%r9d, %%r9d; xor %%r10d, %%r10d; xor %%r11d, %%r11d"
			 ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			     "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11", "cc");
#elif defined __aarch64__
	__asm__ volatile("movi v0.2d, #0; movi v1.2d, #0; movi v2.2d, #0; movi v3.2d, #0;"
			 "movi v4.2d, #0; movi v5.2d, #0; movi v6.2d, #0; movi v7.2d, #0;"
			 "mov x0, #0; mov x1, #0; mov x2, #0; mov x3, #0; mov x4, #0; mov x5, #0;"
			 "mov x6, #0; mov x7, #0; mov x8, #0; mov x16, #0; mov x17, #0"
			 ::: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "x0", "x1", "x2", "x3",
			     "x4", "x5", "x6", "x7", "x8", "x16", "x17");
#endif
}

static int backtrace_reaches_main(void)
{
	void *frames[64];
	int n = backtrace(frames, 64);
	Dl_info info;

	for (int i = 0; i < n; i++)
		if (dladdr(frames[i], &info) && info.dli_sname && strcmp(info.dli_sname, "main") == 0)
			return 1;
	return 0;
}

int PMPI_Get_library_version(char *text, int *bytes)
{
	struct fake_struct s = { 4711, 0.25 };
	time_t started;

	__atomic_add_fetch(&fake_seen.versions, 1, __ATOMIC_RELAXED);
	if ((uintptr_t)__builtin_frame_address(0) % 16 != 0)
		fake_seen.unaligned++;
	fake_seen.unwound += backtrace_reaches_main();
	/* An MPI may call its own entries, and these are the preloaded ones. It must not wait for itself. */
	started = time(NULL);
	if (MPI_Iprobe(FAKE_ARGS(&s)) == 1000 + FAKE_Iprobe && time(NULL) - started < 4)
		fake_seen.inner++;
	usleep(FAKE_SLOW_US);
	strcpy(text, FAKE_VERSION);
	*bytes = strlen(text);
	errno = EDOM;
	clobber();
	return 0;
}
