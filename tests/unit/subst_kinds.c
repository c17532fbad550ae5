/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that may be substituted: malloc, heap, mmap, another thread's malloc, .bss and .data of the program. */
#include "subst_setup.h"

#include <pthread.h>

static char bss[64 * 1024];
static char data[64 * 1024] = { 1 };
static char *from_arena;

static const char *try(struct setup *s, char *at, size_t bytes, const char *what)
{
	pair_fill(at, bytes, 1);
	offer(s, at, bytes);
	if (s->pieces <= 0 || !message_has(s, at, 1) || !pair_same(at, 0, bytes, 1))
		return what;
	pair_fill(at, bytes, 2);
	if (!message_has(s, at, 2))
		return what;
	CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)at, bytes), 0);
	pair_fill(at, bytes, 3);
	return message_has(s, at, 2) ? NULL : what;
}

static void *allocate(void *unused)
{
	from_arena = malloc(64 * KIB);
	return NULL;
}

static const char *scenario(struct setup *s)
{
	const char *wrong;
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, allocate, NULL) && !pthread_join(thread, NULL));
	if ((wrong = try(s, bss, sizeof bss, ".bss")) || (wrong = try(s, data, sizeof data, ".data")) ||
	    (wrong = try(s, malloc(64 * KIB), 64 * KIB, "heap")) ||
	    (wrong = try(s, malloc(MIB), MIB, "large malloc")) ||
	    (wrong = try(s, from_arena, 64 * KIB, "malloc of a thread")) ||
	    (wrong = try(s, map_anonymous(MIB), MIB, "mmap")))
		return wrong;
	return NULL;
}

int main(void)
{
	return subst_test(20, scenario);
}
