/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Failures on purpose. Linked into test builds alone (Makefile, FAULTS). */
#include "fault.h"

#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_ERRNO 133

static const struct { const char *name; int error; } points[] = {
#define X(id, error, meaning) { #id, error },
#include "faults.def"
#undef X
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool on;
static int chosen = -1, chosen_errno;	/* -1: none fails */
static uint64_t first, last;		/* visits that fail */
static uint64_t visits[VMO_FAULT_POINTS], fired[VMO_FAULT_POINTS];
static long held[VMO_HELDS];

static int find_point(const char *name, size_t length)
{
	for (int i = 0; i < VMO_FAULT_POINTS; i++)
		if (strlen(points[i].name) == length && !memcmp(points[i].name, name, length))
			return i;
	return -1;
}

/* 0: no such error. */
static int parse_errno(const char *text)
{
	for (int error = 1; error <= MOST_ERRNO; error++) {
		const char *name = strerrorname_np(error);
		if (name && !strcmp(name, text))
			return error;
	}
	return atoi(text);
}

/* <point>:<n>[+][:<errno>] */
static bool parse(const char *text)
{
	const char *colon = strchr(text, ':');
	int point = colon ? find_point(text, (size_t)(colon - text)) : -1;
	char *end;

	if (point < 0)
		return false;
	first = strtoull(colon + 1, &end, 10);
	last = *end == '+' ? UINT64_MAX : first;
	end += *end == '+';
	chosen_errno = *end == ':' ? parse_errno(end + 1) : points[point].error;
	if (!first || chosen_errno <= 0 || (*end && *end != ':'))
		return false;
	chosen = point;
	return true;
}

static void read_option(void)
{
	const char *text = getenv("VMONECOPY_FAULT");

	on = text && *text;
	if (on && strcmp(text, "count") && !parse(text))
		vmo_error("VMONECOPY_FAULT=%s is not understood; it is <point>:<n>[+][:<errno>], or count", text);
}

static const char *rank(void)
{
	static const char *const variables[] = { "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK" };

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		if (getenv(variables[i]))
			return getenv(variables[i]);
	return "?";
}

/* A line in one write: other ranks write, too. */
static void say(const char *text, int length)
{
	if (write(STDERR_FILENO, text, (size_t)length) < 0) {
		/* nobody listens */
	}
}

static void tell_first(uint64_t visit)
{
	char line[128];

	say(line, snprintf(line, sizeof line, "vmonecopy fault[%s]: %s fails at visit %llu\n", rank(), points[chosen].name,
	                   (unsigned long long)visit));
}

bool vmo_fault_at(enum vmo_fault_point point)
{
	pthread_once(&once, read_option);
	if (!on)
		return false;
	uint64_t visit = __atomic_add_fetch(&visits[point], 1, __ATOMIC_RELAXED);
	if ((int)point != chosen || visit < first || visit > last)
		return false;
	if (__atomic_add_fetch(&fired[point], 1, __ATOMIC_RELAXED) == 1)
		tell_first(visit);	/* the end may never come */
	errno = chosen_errno;
	return true;
}

void vmo_fault_holds(enum vmo_fault_held what, long n)
{
	__atomic_add_fetch(&held[what], n, __ATOMIC_RELAXED);
}

static void __attribute__((destructor)) tell(void)
{
	char line[256];

	if (!on)
		return;
	for (int i = 0; i < VMO_FAULT_POINTS; i++)
		if (visits[i])
			say(line, snprintf(line, sizeof line, "vmonecopy fault[%s]: point %s visits %llu fired %llu\n", rank(),
			                   points[i].name, (unsigned long long)visits[i], (unsigned long long)fired[i]));
	say(line, snprintf(line, sizeof line, "vmonecopy fault[%s]: left granted_pages %ld mapped_pages %ld ports %ld\n",
	                   rank(), held[VMO_HELD_granted_pages], held[VMO_HELD_mapped_pages], held[VMO_HELD_ports]));
}
