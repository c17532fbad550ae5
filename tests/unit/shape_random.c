/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shapes: random lists of strips, walked in steps of random size, gather and scatter the same bytes as a plain
 * list of every single byte's offset; copied from one shape to another across the ends of parts, too, with
 * nothing else touched. Joining neighbours changes no byte's place. Bounds are those of the list.
 */
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AREA 60000
#define MIDDLE 20000
#define MOST 6000

static uint64_t state = 12345;

static uint32_t below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

struct plain {
	int32_t at[MOST];
	uint32_t bytes;
};

static void add_plain(struct plain *p, int64_t at, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes && p->bytes < MOST; i++)
		p->at[p->bytes++] = (int32_t)(at + (int64_t)i);
}

/* Forward only, so that no byte is there twice (as MPI demands of a receive). */
static void make(struct vmo_strips *list, struct vmo_shape *shape, struct plain *p)
{
	int64_t at = -(int64_t)below(50);
	uint32_t strips = 1 + below(4);

	for (uint32_t i = 0; i < strips; i++) {
		struct vmo_strip strip = { .at = at, .bytes = 1 + below(20), .repeat = 1 + below(6) };
		strip.stride = (int64_t)strip.bytes + (int64_t)below(3) * below(9);
		at += (int64_t)strip.repeat * strip.stride + below(2) * below(30);
		if (vmo_strips_add(list, &strip))
			exit(1);
		for (uint64_t k = 0; k < strip.repeat; k++)
			add_plain(p, strip.at + (int64_t)k * strip.stride, strip.bytes);
	}
	*shape = (struct vmo_shape){ list->strip, list->strips, 1 + below(5), at + 60 + below(40) };
	uint32_t one = p->bytes;
	for (uint64_t e = 1; e < shape->count; e++)
		for (uint32_t i = 0; i < one; i++)
			add_plain(p, p->at[i] + (int64_t)e * shape->extent, 1);
}

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "round %u, line %d: %s\n", round, __LINE__, #condition); \
		return 1; \
	} \
} while (0)

static int one_round(unsigned round)
{
	static unsigned char from[AREA], to[AREA], want[AREA], flat[MOST], flat2[MOST];
	struct vmo_strips list[2] = { { 0 }, { 0 } };
	struct vmo_shape shape[2];
	static struct plain plain[2];
	struct vmo_bounds bounds;

	for (int s = 0; s < 2; s++) {
		plain[s].bytes = 0;
		make(&list[s], &shape[s], &plain[s]);
		CHECK(vmo_shape_bounds(&shape[s], &bounds));
		CHECK(bounds.bytes == plain[s].bytes);
		for (uint32_t i = 0; i < plain[s].bytes; i++)
			CHECK(plain[s].at[i] >= bounds.low && plain[s].at[i] < bounds.high);
	}
	for (uint32_t i = 0; i < AREA; i++)
		from[i] = (unsigned char)below(255);

	struct vmo_walk walk = vmo_walk_from(&shape[0]);
	for (uint32_t got = 0, n; got < plain[0].bytes; got += n) {
		n = 1 + below(plain[0].bytes - got);
		vmo_gather(&walk, from + MIDDLE, flat + got, n);
	}
	for (uint32_t i = 0; i < plain[0].bytes; i++)
		CHECK(flat[i] == from[MIDDLE + plain[0].at[i]]);

	uint32_t n = plain[0].bytes < plain[1].bytes ? plain[0].bytes : plain[1].bytes;
	memset(to, 0xee, sizeof to);
	memset(want, 0xee, sizeof want);
	for (uint32_t i = 0; i < n; i++)
		want[MIDDLE + plain[1].at[i]] = flat[i];
	walk = vmo_walk_from(&shape[1]);
	for (uint32_t put = 0, k; put < n; put += k) {
		k = 1 + below(n - put);
		vmo_scatter(&walk, to + MIDDLE, flat + put, k);
	}
	CHECK(!memcmp(to, want, sizeof to));

	/* from shape to shape; the source in parts that end anywhere */
	struct vmo_part part[4];
	uint64_t span = AREA - MIDDLE + 100, begin = 0;
	vmo_shape_bounds(&shape[0], &bounds);
	struct vmo_strips moved = { 0 };
	for (uint32_t i = 0; i < list[0].strips; i++) {
		struct vmo_strip strip = list[0].strip[i];
		strip.at += 100;
		CHECK(!vmo_strips_add(&moved, &strip));
	}
	for (int i = 0; i < 4; i++) {
		uint64_t end = i == 3 ? span : begin + below(600);
		part[i] = (struct vmo_part){ begin, end, (const char *)from + MIDDLE - 100 + begin };
		begin = end;
	}
	struct vmo_shape source = { moved.strip, moved.strips, shape[0].count, shape[0].extent };
	struct vmo_sink sink = { .base = (char *)to + MIDDLE, .shaped = true, .walk = vmo_walk_from(&shape[1]) };
	memset(to, 0xee, sizeof to);
	vmo_shape_copy(&source, part, 4, &sink, n);
	CHECK(!memcmp(to, want, sizeof to));
	sink = (struct vmo_sink){ .base = (char *)flat2 };
	vmo_shape_copy(&source, part, 4, &sink, n);
	CHECK(!memcmp(flat, flat2, n));
	free(moved.strip);
	free(list[0].strip);
	free(list[1].strip);
	return 0;
}

/* What a peer may claim. */
static int refused(void)
{
	const struct { struct vmo_strip strip; uint64_t count; int64_t extent; } bad[] = {
		{ { 0, 0, 0, 1 }, 1, 0 },			/* empty block */
		{ { 0, 0, 1, 0 }, 1, 0 },			/* no block */
		{ { 0, 0, 1, 1 }, 0, 0 },			/* no element */
		{ { 0, INT64_MAX, 1, 3 }, 1, 0 },		/* too far */
		{ { 0, 0, 1, 1 }, UINT64_MAX, 8 },
		{ { INT64_MAX, 0, 8, 1 }, 1, 0 },
		{ { 0, 0, UINT64_MAX, 2 }, 1, 0 },
		{ { INT64_MIN, -8, 8, 2 }, 1, 0 },
		{ { 0, 8, 8, UINT64_MAX / 4 }, 1, 0 },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct vmo_shape shape = { &bad[i].strip, 1, bad[i].count, bad[i].extent };
		struct vmo_bounds bounds;
		if (vmo_shape_bounds(&shape, &bounds)) {
			fprintf(stderr, "shape %zu makes no sense, and is taken\n", i);
			return 1;
		}
	}
	return 0;
}

int main(void)
{
	for (unsigned round = 0; round < 3000; round++)
		if (one_round(round))
			return 1;
	return refused();
}
