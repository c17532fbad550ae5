/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shapes as a peer may name them. What vmo_shape_bounds accepts lies where it says: every block of a walk, whatever the
 * steps, and a copy reads and writes nothing else. The source is parts of just the shape's span, in malloc'ed memory.
 */
#include "fuzz.h"

#include "shape.h"

#define STRIPS 6
#define SPAN_MOST (256u << 10)
#define BLOCKS_MOST 4096

struct input {
	struct vmo_strip strip[STRIPS];
	uint64_t count;
	int64_t extent;
	uint32_t strips, want, step, parts;
	uint32_t cut[4];
};

static struct vmo_part part[5];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
	return most < sizeof(struct input) ? bytes : fuzz_mutate_words(data, bytes, sizeof(struct input), seed);
}

/* [0, span) in up to five parts. */
static uint32_t make_parts(const struct input *in, uint64_t span)
{
	uint32_t parts = 1 + in->parts % 5;
	uint64_t begin = 0;

	for (uint32_t i = 0; i < parts; i++) {
		uint64_t n = i + 1 < parts ? in->cut[i] % (span - begin + 1) : span - begin;
		char *at = malloc(n);
		FUZZ_CHECK(at);
		memset(at, (int)i + 1, n);
		part[i] = (struct vmo_part){ begin, begin + n, at };
		begin += n;
	}
	return parts;
}

/* Every block lies in the bounds; together they are the message. */
static void walk(const struct vmo_shape *shape, const struct vmo_bounds *bounds, uint64_t step)
{
	struct vmo_walk walk = vmo_walk_from(shape);
	struct vmo_strip run;
	uint64_t sum = 0;

	for (int i = 0; i < BLOCKS_MOST; i++) {
		if (!vmo_walk_next(&walk, step, &run)) {
			FUZZ_CHECK(sum == bounds->bytes);
			return;
		}
		int64_t last = run.at + (int64_t)(run.repeat - 1) * run.stride;
		FUZZ_CHECK(run.bytes && run.repeat && run.bytes * run.repeat <= step);
		FUZZ_CHECK(run.at >= bounds->low && run.at + (int64_t)run.bytes <= bounds->high);
		FUZZ_CHECK(last >= bounds->low && last + (int64_t)run.bytes <= bounds->high);
		sum += run.bytes * run.repeat;
	}
}

/* To one piece of just the size, and to a shape of blocks of three bytes. */
static void copy(const struct vmo_shape *shape, uint32_t parts, uint64_t want)
{
	struct vmo_strip threes = { .stride = 5, .bytes = 3, .repeat = want / 3 + 1 };
	struct vmo_shape to = { &threes, 1, 1, 0 };
	struct vmo_sink plain = { .base = malloc(want) };
	struct vmo_sink shaped = { .base = malloc((want / 3) * 5 + 3), .shaped = true, .walk = vmo_walk_from(&to) };
	char *base[2] = { plain.base, shaped.base };

	FUZZ_CHECK(base[0] && base[1]);
	vmo_shape_copy(shape, part, parts, &plain, want);
	FUZZ_CHECK(plain.base == base[0] + want);
	vmo_shape_copy(shape, part, parts, &shaped, want);
	for (uint64_t i = 0; i < want; i++)
		FUZZ_CHECK(base[0][i] == base[1][i / 3 * 5 + i % 3] && base[0][i]);
	free(base[0]);
	free(base[1]);
}

/* A list of the sound strips holds what they hold. */
static void join(const struct input *in)
{
	struct vmo_strips list = { NULL, 0, 0 };
	struct vmo_bounds one, all;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < STRIPS; i++) {
		struct vmo_shape single = { &in->strip[i], 1, 1, 0 };
		if (!vmo_shape_bounds(&single, &one) || one.bytes > SPAN_MOST || one.low < -(int64_t)SPAN_MOST ||
		    one.high > (int64_t)SPAN_MOST)
			continue;	/* a datatype's numbers are memory's, not a peer's */
		FUZZ_CHECK(!vmo_strips_add(&list, &in->strip[i]));
		sum += one.bytes;
	}
	struct vmo_shape made = { list.strip, list.strips, 1, 0 };
	FUZZ_CHECK(list.strips ? vmo_shape_bounds(&made, &all) && all.bytes == sum : !sum);
	free(list.strip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input in;
	struct vmo_bounds bounds;

	fuzz_take(&in, sizeof in, data, bytes);
	struct vmo_shape shape = { in.strip, in.strips % (STRIPS + 1), in.count, in.extent };
	join(&in);
	if (!vmo_shape_bounds(&shape, &bounds))
		return 0;
	walk(&shape, &bounds, in.step ? in.step : 1);
	if (bounds.low < 0 || bounds.high > (int64_t)SPAN_MOST)
		return 0;
	uint32_t parts = make_parts(&in, (uint64_t)bounds.high);
	uint64_t want = in.want % (SPAN_MOST / 4);
	copy(&shape, parts, want < bounds.bytes ? want : bounds.bytes);
	while (parts)
		free((void *)(uintptr_t)part[--parts].at);
	return 0;
}
