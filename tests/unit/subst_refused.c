/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory that is never substituted: stacks, shared memory, files, libraries' data, read-only and locked memory. */
#include "subst_setup.h"

#include <pthread.h>
#include <sys/resource.h>

static const char *refused(struct setup *s, void *at, size_t bytes, const char *what)
{
	for (int i = 0; i < 3; i++)
		if (offer(s, at, bytes))
			return what;
	return vmo_subst_usage(s->subst).associations ? what : NULL;
}

static int stop[2];

static void *with_array(void *passed)
{
	char array[64 * 1024], byte;
	char **out = passed;

	memset(array, 1, sizeof array);
	__atomic_store_n(out, array, __ATOMIC_SEQ_CST);
	while (read(stop[0], &byte, 1) != 1)
		;
	return NULL;
}

static const char *stack_of_thread(struct setup *s)
{
	char *array = NULL;
	pthread_t thread;
	const char *wrong;

	CHECK(!pipe(stop) && !pthread_create(&thread, NULL, with_array, &array));
	while (!__atomic_load_n(&array, __ATOMIC_SEQ_CST))
		usleep(100);
	wrong = refused(s, array, 64 * KIB, "another thread's stack");
	CHECK(write(stop[1], "", 1) == 1 && !pthread_join(thread, NULL));
	return wrong;
}

static void *send_own_stack(void *passed)
{
	char array[64 * 1024];

	memset(array, 1, sizeof array);
	return (void *)(uintptr_t)refused(passed, array, sizeof array, "a thread's own stack");
}

static const char *own_stacks(struct setup *s)
{
	char array[64 * 1024];
	pthread_t thread;
	void *wrong;

	memset(array, 1, sizeof array);
	CHECK(!pthread_create(&thread, NULL, send_own_stack, s) && !pthread_join(thread, &wrong));
	return wrong ? wrong : refused(s, array, sizeof array, "the main stack");
}

/* A stack as newer C libraries make it: the guard is no VMA of its own. */
static const char *guarded(struct setup *s)
{
	char *fence = map_anonymous(PAGE), *at = map_anonymous(MIB);

	CHECK(!mprotect(fence, PAGE, PROT_READ));	/* no merging */
	at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (madvise(at, PAGE, 102 /* MADV_GUARD_INSTALL */)) {
		printf("(no MADV_GUARD_INSTALL here) ");
		return NULL;
	}
	return refused(s, at + 64 * KIB, 512 * KIB, "memory above an installed guard");
}

static const char *mappings(struct setup *s)
{
	int fd = memfd_create("test", 0), flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *at, *end;
	const char *wrong;

	CHECK(!ftruncate(fd, MIB));
	at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if ((wrong = refused(s, at, MIB, "shared memory")))
		return wrong;
	at = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if ((wrong = refused(s, at, MIB, "a private file mapping")))
		return wrong;
	at = mmap(NULL, MIB, PROT_READ, flags, -1, 0);
	if ((wrong = refused(s, at, MIB, "read-only memory")))
		return wrong;
	at = mmap(NULL, MIB, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
	if ((wrong = refused(s, at, MIB, "executable memory")))
		return wrong;
	at = map_anonymous(MIB);
	end = at + MIB - 64 * KIB;
	CHECK(!mprotect(end, 64 * KIB, PROT_READ));
	if ((wrong = refused(s, at, MIB, "memory of which a part is read-only")))
		return wrong;
	CHECK(!munmap(end, 64 * KIB));
	return refused(s, at, MIB, "memory with a hole at its end");
}

/* libc's own data: around its stdout object. */
static const char *library(struct setup *s)
{
	uintptr_t at = vmo_page_down((uintptr_t)stdout);

	return refused(s, (void *)at, PAGE, "a library's data");
}

static const char *locked(struct setup *s)
{
	char *buffer = map_anonymous(MIB), *other = map_anonymous(MIB);

	if (syscall(SYS_mlock, other, PAGE)) {	/* a sanitizer's mlock() does nothing */
		printf("(no mlock here) ");
		return NULL;
	}
	return refused(s, buffer, MIB, "memory of a process with locked pages");
}

static const char *scenario(struct setup *s)
{
	scenario_fn *all[] = { own_stacks, stack_of_thread, guarded, mappings, library, locked };
	const char *wrong = NULL;

	for (size_t i = 0; !wrong && i < sizeof all / sizeof *all; i++)
		wrong = all[i](s);
	return wrong;
}

int main(void)
{
	return subst_test(20, scenario);
}
