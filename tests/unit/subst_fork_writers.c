/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Other threads write to substituted memory while this one forks and trims: not one write is lost. */
#include "subst_setup.h"

#include <pthread.h>

#define WORDS (MIB / sizeof(unsigned long))
static volatile unsigned long *words;
static int stop;

/* Counts each word of its half up, in turns; a lost write shows as a word that is behind. */
static void *writer(void *half)
{
	volatile unsigned long *mine = words + (half ? WORDS / 2 : 0);
	unsigned long round = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (size_t i = 0; i < WORDS / 2; i++)
			if (mine[i]++ != round)
				return (void *)"a write was lost";
		round++;
	}
	for (size_t i = 0; i < WORDS / 2; i++)
		if (mine[i] != round)
			return (void *)"a late write was lost";
	return NULL;
}

static const char *scenario(struct setup *s)
{
	pthread_t thread[2];
	void *wrong[2];
	int status;

	words = (unsigned long *)map_anonymous(MIB);
	memset((void *)words, 0, MIB);
	for (size_t i = 0; i < 2; i++) {
		CHECK_RC(offer(s, (char *)words + i * MIB / 2, MIB / 2), 1);
		done(s);
	}
	for (size_t i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, writer, (void *)i));
	for (int round = 0; round < 200; round++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		CHECK(waitpid(pid, &status, 0) == pid && !status);
		malloc_trim(0);
		CHECK_RC(vmo_subst_check(s->subst, (uintptr_t)words, MIB), 1);
	}
	CHECK_RC(vmo_subst_usage(s->subst).pages, 256);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < 2; i++)
		pthread_join(thread[i], &wrong[i]);
	return wrong[0] ? wrong[0] : wrong[1];
}

int main(void)
{
	return subst_test(60, scenario);
}
