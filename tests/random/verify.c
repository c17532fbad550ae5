/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* verify.c: see verify.h. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verify.h"

struct where where;

static int say_where(char *text, size_t room, const char *what)
{
	return snprintf(text, room, "random: %s: seed %llu, %d ranks, rank %d, step %d of %d, in %.200s\n", what, where.seed,
	                where.ranks, where.rank, where.step, where.last_step, where.act ? where.act : "nothing");
}

static int say_how(char *text, size_t room)
{
	if (!where.reproduce)
		return snprintf(text, room, "random: see also: random -r %llu-%llu --verbose\n", where.seed, where.seed);
	return snprintf(text, room, "random: reproduce: %s --seeds %llu-%llu\n", where.reproduce, where.seed, where.seed);
}

void fail(const char *format, ...)
{
	char text[2000];
	int n = say_where(text, 600, "FAILED");
	va_list args;

	n += snprintf(text + n, 20, "random:   ");
	va_start(args, format);
	vsnprintf(text + n, 600, format, args);
	va_end(args);
	n = (int)strlen(text);
	n += snprintf(text + n, 2, "\n");
	say_how(text + n, 500);
	fputs(text, stderr);
	if (where.msg) {
		fputs("random:   ", stderr);
		plan_print_msg(where.msg, stderr);
	}
	fflush(stderr);
	MPI_Abort(MPI_COMM_WORLD, 1);
	_exit(1);
}

static void too_late(int sig)
{
	char text[1500];
	int n = say_where(text, 600, "HANGS");
	ssize_t done;

	n += where.pending ? where.pending(text + n, 300) : 0;
	n += say_how(text + n, 500);
	done = write(2, text, (size_t)n);
	sleep(done > 0 ? 2 : 1);	/* the others say where they are, too */
	_exit(3);
}

static void crashed(int sig)
{
	char text[1200];
	int n = say_where(text, 600, "CRASHED");
	ssize_t done;

	n += say_how(text + n, 500);
	done = write(2, text, (size_t)n);
	signal(sig, SIG_DFL);
	raise(done > 0 ? sig : SIGABRT);
}

void watchdog(unsigned seconds)
{
	signal(SIGALRM, too_late);
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);
	signal(SIGABRT, crashed);
	alarm(seconds);
}

void check_call(int rc, const char *call)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int length;

	if (rc == MPI_SUCCESS)
		return;
	MPI_Error_string(rc, text, &length);
	fail("error from MPI: %.400s", text);
}

void payload(uint64_t key, char *to, long n)
{
	uint64_t word = key;
	long i;

	for (i = 0; i + 8 <= n; i += 8) {
		uint64_t mixed = word ^ (word >> 29);
		memcpy(to + i, &mixed, 8);
		word = (word + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
	}
	word ^= word >> 29;
	memcpy(to + i, &word, (size_t)(n - i));
}

uint64_t hash_bytes(const char *data, long n)
{
	uint64_t hash = (uint64_t)n, word;
	long i;

	for (i = 0; i + 8 <= n; i += 8) {
		memcpy(&word, data + i, 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, data + i, (size_t)(n - i));
	return rnd_mix(hash ^ word);
}

long first_touched(const char *at, long n)
{
	if (n == 0 || ((unsigned char)at[0] == POISON && !memcmp(at, at + 1, (size_t)n - 1)))
		return -1;
	for (long i = 0; i < n; i++)
		if ((unsigned char)at[i] != POISON)
			return i;
	return -1;
}

long first_difference(const char *a, const char *b, long n)
{
	if (!memcmp(a, b, (size_t)n))
		return -1;
	for (long i = 0; i < n; i++)
		if (a[i] != b[i])
			return i;
	return -1;
}
