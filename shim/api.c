/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * api.c: what include/vmonecopy.h calls, exported by the preloaded file. The answers are the flavour's; as long as none
 * is loaded, bind.c knows why.
 */
#define VMONECOPY_LIBRARY
#include "api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmo.h"
#include "vmonecopy.h"

const struct vmo_api *vmo_api_of_flavour;

VMO_EXPORT int vmonecopy1_version(void);
VMO_EXPORT const char *vmonecopy1_version_string(void);
VMO_EXPORT int vmonecopy1_active(const char **why);
VMO_EXPORT int vmonecopy1_get_counters(struct vmonecopy_counters *counters);
VMO_EXPORT int vmonecopy1_prefer(const void *buffer, size_t bytes, int rank);
VMO_EXPORT int vmonecopy1_forget(const void *buffer, size_t bytes);

static const struct vmo_api *flavour(void)
{
	return __atomic_load_n(&vmo_api_of_flavour, __ATOMIC_ACQUIRE);
}

const char *vmonecopy1_version_string(void)
{
	return VMO_VERSION;
}

int vmonecopy1_version(void)
{
	const char *text = VMO_VERSION;
	long number = 0;

	for (int part = 0; part < 3; part++) {
		char *end;
		number = number * 100 + strtol(text, &end, 10);
		text = *end == '.' ? end + 1 : end;
	}
	return (int)number;
}

int vmonecopy1_active(const char **why)
{
	const char *ignored;

	why = why ? why : &ignored;
	if (flavour())
		return flavour()->active(why);
	*why = vmo_bind_why();
	return 0;
}

int vmonecopy1_get_counters(struct vmonecopy_counters *counters)
{
	struct vmonecopy_counters all = { .size = 0 };
	size_t known;

	if (!counters || counters->size < sizeof counters->size)
		return -EINVAL;
	known = counters->size < sizeof all ? counters->size : sizeof all;
	if (flavour())
		flavour()->counters(&all);
	all.size = counters->size;
	memset(counters, 0, all.size);
	memcpy(counters, &all, known);
	return flavour() != NULL;
}

int vmonecopy1_prefer(const void *buffer, size_t bytes, int rank)
{
	return flavour() ? flavour()->prefer(buffer, bytes, rank) : 0;
}

int vmonecopy1_forget(const void *buffer, size_t bytes)
{
	return flavour() ? flavour()->forget(buffer, bytes) : 0;
}
