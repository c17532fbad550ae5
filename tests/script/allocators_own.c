/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An allocator without malloc_usable_size(): powers of two from one large mapping, with free lists. What libc's would read
 * as the length of a chunk is 1 MiB here. See allocators.sh.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ROOM ((size_t)4 << 30)
#define HEAD 16

struct chunk {
	uint32_t class, at;		/* at: from the start of the block to the chunk's end of head */
	size_t misread;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *room, *next;
static void *list[40];

static struct chunk *head(void *p)
{
	return (struct chunk *)((char *)p - HEAD);
}

static void *take(size_t align, size_t bytes)
{
	uint32_t class = 6;
	char *block;

	if (bytes > ROOM / 4)
		return NULL;
	while (((size_t)1 << class) < bytes + align + HEAD)
		class++;
	pthread_mutex_lock(&lock);
	if (!room)
		room = next = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	block = list[class];
	if (block) {
		list[class] = *(void **)block;
	} else {
		block = next;
		next += (size_t)1 << class;
	}
	pthread_mutex_unlock(&lock);
	char *p = (char *)(((uintptr_t)block + HEAD + align - 1) & ~(align - 1));
	*head(p) = (struct chunk){ class, (uint32_t)(p - block), 0x100003 };
	return p;
}

void *malloc(size_t bytes)
{
	return take(16, bytes);
}

static void give_back(void *p)
{
	if (!p)
		return;
	uint32_t class = head(p)->class;
	void *block = (char *)p - head(p)->at;

	pthread_mutex_lock(&lock);
	*(void **)block = list[class];
	list[class] = block;
	pthread_mutex_unlock(&lock);
}

void free(void *p)
{
	give_back(p);
}

void *calloc(size_t n, size_t each)
{
	void *p = take(16, n * each);

	return p ? memset(p, 0, n * each) : NULL;
}

void *realloc(void *p, size_t bytes)
{
	void *fresh = take(16, bytes);

	if (p && fresh) {
		size_t old = ((size_t)1 << head(p)->class) - head(p)->at;
		memcpy(fresh, p, old < bytes ? old : bytes);
		give_back(p);
	}
	return fresh;
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
	*out = take(align < 16 ? 16 : align, bytes);
	return *out ? 0 : ENOMEM;
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return take(align < 16 ? 16 : align, bytes);
}

void *memalign(size_t align, size_t bytes)
{
	return aligned_alloc(align, bytes);
}
