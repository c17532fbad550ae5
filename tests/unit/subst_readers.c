/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another thread reads the buffer all the time (MPI allows that during a send): it always sees the message's bytes. */
#include "subst_setup.h"

#include <pthread.h>

static char *buffer;
static int stop;

static void *reader(void *unused)
{
	unsigned long looked = 0;

	for (; !__atomic_load_n(&stop, __ATOMIC_RELAXED); looked++)
		for (size_t i = 0; i < 256 * KIB; i += 512)
			if (*(volatile char *)(buffer + i) != 'm')
				return (void *)"a reader saw other bytes";
	return looked ? NULL : (void *)"the reader never looked";
}

static const char *scenario(struct setup *s)
{
	pthread_t thread;
	void *wrong;

	buffer = map_anonymous(256 * KIB);
	memset(buffer, 'm', 256 * KIB);
	CHECK(!pthread_create(&thread, NULL, reader, NULL));
	for (int i = 0; i < 300; i++) {
		int hits = 0;

		while (hits < 20)	/* seldom enough to be forgiven */
			hits += offer(s, buffer, 256 * KIB) > 0, done(s);
		CHECK_RC(vmo_subst_detach(s->subst, (uintptr_t)buffer + (size_t)(i % 8) * PAGE, 256 * KIB), 0);
		usleep(50);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	CHECK(!pthread_join(thread, &wrong));
	return wrong;
}

int main(void)
{
	return subst_test(60, scenario);
}
