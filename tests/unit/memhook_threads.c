/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many threads malloc, free and map while others send, detach and free what they sent: right data, no deadlock; also a
 * free() by the pool's own code under the pool's lock.
 */
#include "subst_setup.h"

#include <pthread.h>

#define THREADS 4
#define TURNS 400

static struct setup *shared;

static void churn(void)
{
	void *volatile p[32];
	void *volatile m;

	for (int i = 0; i < 32; i++)
		p[i] = malloc((size_t)(i + 1) * 700);
	for (int i = 0; i < 32; i++)
		free(p[i]);
	m = map_anonymous(32 * KIB);
	munmap(m, 32 * KIB);
}

static void *sender(void *number)
{
	unsigned seed = (unsigned)(uintptr_t)number * 1000;

	for (int turn = 0; turn < TURNS; turn++, seed++) {
		struct setup s = *shared;
		char *volatile buffer = malloc(200 * KIB);

		pair_fill(buffer, 200 * KIB, seed);
		for (int i = 0; i < 3; i++) {
			if (offer(&s, buffer, 200 * KIB) > 0 && !message_has(&s, buffer, seed))
				return (void *)"a message is wrong";
			churn();
			if (turn % 5 == 0)
				CHECK(!vmo_subst_detach(s.subst, (uintptr_t)buffer, 200 * KIB));
			if (s.pieces > 0 && !message_has(&s, buffer, seed))
				return (void *)"a message under way is wrong";
			done(&s);
		}
		if (!pair_same(buffer, 0, 200 * KIB, seed))
			return (void *)"a buffer is wrong";
		free(buffer);
	}
	return NULL;
}

static const char *scenario(struct setup *s)
{
	pthread_t thread[THREADS];
	const char *wrong = NULL;

	shared = s;
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, sender, (void *)i));
	for (int i = 0; i < THREADS; i++) {
		void *result;

		CHECK(!pthread_join(thread[i], &result));
		wrong = result ? result : wrong;
	}
	printf("%lu substitutions, %lu ended by hooks\n", (unsigned long)vmo_stats.counter[VMO_C_substitutions],
	       (unsigned long)vmo_stats.counter[VMO_C_hook_releases]);
	return wrong;
}

int main(void)
{
	need_libc_malloc();	/* without the hooks, messages of freed memory are wrong indeed */
	return subst_test(100, scenario);
}
