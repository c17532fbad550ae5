/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shape.h"

#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FAR ((int64_t)1 << 62)

/* low and high grow to hold [at, at + n steps of `step`] and `bytes` behind each. */
static bool stretch(int64_t *low, int64_t *high, uint64_t n, int64_t step)
{
	int64_t last;

	if (n > (uint64_t)FAR || __builtin_mul_overflow((int64_t)(n - 1), step, &last))
		return false;
	return !__builtin_add_overflow(last < 0 ? last : 0, *low, low) &&
	       !__builtin_add_overflow(last > 0 ? last : 0, *high, high);
}

static bool strip_bounds(const struct vmo_strip *strip, int64_t *low, int64_t *high, uint64_t *bytes)
{
	if (!strip->bytes || !strip->repeat || strip->bytes > (uint64_t)FAR ||
	    __builtin_mul_overflow(strip->bytes, strip->repeat, bytes))
		return false;
	*low = strip->at;
	return !__builtin_add_overflow(strip->at, (int64_t)strip->bytes, high) &&
	       stretch(low, high, strip->repeat, strip->stride);
}

bool vmo_shape_bounds(const struct vmo_shape *shape, struct vmo_bounds *out)
{
	int64_t low = FAR, high = -FAR;
	uint64_t sum = 0, bytes;

	for (uint32_t i = 0; i < shape->strips; i++) {
		int64_t from, to;
		if (!strip_bounds(&shape->strip[i], &from, &to, &bytes) || __builtin_add_overflow(sum, bytes, &sum))
			return false;
		low = from < low ? from : low;
		high = to > high ? to : high;
	}
	if (!shape->strips || !shape->count || !stretch(&low, &high, shape->count, shape->extent) ||
	    __builtin_mul_overflow(sum, shape->count, &sum) || low < -FAR || high > FAR || sum > (uint64_t)FAR)
		return false;
	*out = (struct vmo_bounds){ sum, low, high };
	return true;
}

/* ---- building ---- */

static bool continues(const struct vmo_strip *last, const struct vmo_strip *next)
{
	return last->bytes == next->bytes && next->at == last->at + (int64_t)last->repeat * last->stride &&
	       (next->repeat == 1 || next->stride == last->stride);
}

/* Makes the two one, if they are. */
static bool join(struct vmo_strip *last, const struct vmo_strip *next)
{
	if (last->repeat == 1 && next->repeat == 1 && last->at + (int64_t)last->bytes == next->at) {
		last->bytes += next->bytes;
		return true;
	}
	if (last->repeat == 1 && last->bytes == next->bytes &&
	    (next->repeat == 1 || next->stride == next->at - last->at)) {
		last->stride = next->at - last->at;
		last->repeat += next->repeat;
		return true;
	}
	if (last->repeat > 1 && continues(last, next)) {
		last->repeat += next->repeat;
		return true;
	}
	return false;
}

static int grow(struct vmo_strips *list)
{
	uint32_t room = list->room ? 2 * list->room : 4;
	struct vmo_strip *more;

	if (room > VMO_STRIPS_MOST)
		return -E2BIG;
	more = vmo_fault(strips) ? NULL : realloc(list->strip, room * sizeof *more);
	if (!more)
		return -ENOMEM;
	list->strip = more;
	list->room = room;
	return 0;
}

/* Blocks without gaps between them are one block. */
static struct vmo_strip plain(const struct vmo_strip *strip)
{
	struct vmo_strip made = *strip;

	if (made.repeat > 1 && made.stride == (int64_t)made.bytes) {
		made.bytes *= made.repeat;
		made.repeat = 1;
	}
	if (made.repeat == 1)
		made.stride = 0;
	return made;
}

int vmo_strips_add(struct vmo_strips *list, const struct vmo_strip *strip)
{
	struct vmo_strip next = plain(strip);

	if (!next.bytes || !next.repeat)
		return 0;
	if (list->strips && join(&list->strip[list->strips - 1], &next))
		return 0;
	if (list->strips == list->room) {
		int rc = grow(list);
		if (rc)
			return rc;
	}
	list->strip[list->strips++] = next;
	return 0;
}

/* ---- walking ---- */

static void next_strip(struct vmo_walk *walk)
{
	walk->block = 0;
	if (++walk->strip < walk->shape.strips)
		return;
	walk->strip = 0;
	walk->element++;
}

/* One strip of one block: the elements are its repetition. */
static bool elements_repeat(const struct vmo_walk *walk)
{
	return walk->shape.strips == 1 && walk->shape.strip[0].repeat == 1;
}

static void step(struct vmo_walk *walk, const struct vmo_strip *strip, uint64_t blocks)
{
	if (elements_repeat(walk)) {
		walk->element += blocks;
		return;
	}
	walk->block += blocks;
	if (walk->block == strip->repeat)
		next_strip(walk);
}

/* The stride of a single block is nobody's: a peer's may be any number (vmo_shape_bounds). */
static uint64_t repeated(struct vmo_strip *out, uint64_t repeat)
{
	out->repeat = repeat;
	if (repeat == 1)
		out->stride = 0;
	return repeat;
}

bool vmo_walk_next(struct vmo_walk *walk, uint64_t most, struct vmo_strip *out)
{
	if (walk->element >= walk->shape.count)
		return false;
	const struct vmo_strip *strip = &walk->shape.strip[walk->strip];
	bool elements = elements_repeat(walk);
	uint64_t left = elements ? walk->shape.count - walk->element : strip->repeat - walk->block;

	out->stride = elements ? walk->shape.extent : strip->stride;
	out->at = strip->at + (int64_t)walk->element * walk->shape.extent + (int64_t)walk->block * strip->stride;
	if (walk->within || strip->bytes > most) {	/* a part of one block */
		out->at += (int64_t)walk->within;
		out->bytes = strip->bytes - walk->within < most ? strip->bytes - walk->within : most;
		repeated(out, 1);
		walk->within += out->bytes;
		if (walk->within == strip->bytes) {
			walk->within = 0;
			step(walk, strip, 1);
		}
		return true;
	}
	out->bytes = strip->bytes;
	step(walk, strip, repeated(out, left < most / strip->bytes ? left : most / strip->bytes));
	return true;
}

/* ---- copying ---- */

/* Small blocks of a known size are moved without a call. */
#define COPY_BLOCKS(n) \
	for (uint64_t i = 0; i < blocks; i++, to += to_stride, from += from_stride) \
		memcpy(to, from, n)

static void copy_blocks(char *to, int64_t to_stride, const char *from, int64_t from_stride, uint64_t bytes,
                        uint64_t blocks)
{
	switch (bytes) {
	case 1: COPY_BLOCKS(1); break;
	case 2: COPY_BLOCKS(2); break;
	case 4: COPY_BLOCKS(4); break;
	case 8: COPY_BLOCKS(8); break;
	case 16: COPY_BLOCKS(16); break;
	case 32: COPY_BLOCKS(32); break;
	default: COPY_BLOCKS(bytes); break;
	}
}

void vmo_gather(struct vmo_walk *walk, const void *base, void *to, uint64_t bytes)
{
	struct vmo_strip run;

	for (char *at = to; bytes && vmo_walk_next(walk, bytes, &run); at += run.bytes * run.repeat) {
		copy_blocks(at, (int64_t)run.bytes, (const char *)base + run.at, run.stride, run.bytes, run.repeat);
		bytes -= run.bytes * run.repeat;
	}
}

void vmo_scatter(struct vmo_walk *walk, void *base, const void *from, uint64_t bytes)
{
	struct vmo_strip run;

	for (const char *at = from; bytes && vmo_walk_next(walk, bytes, &run); at += run.bytes * run.repeat) {
		copy_blocks((char *)base + run.at, run.stride, at, (int64_t)run.bytes, run.bytes, run.repeat);
		bytes -= run.bytes * run.repeat;
	}
}

void vmo_sink_put(struct vmo_sink *sink, const void *from, uint64_t bytes)
{
	if (sink->shaped) {
		vmo_scatter(&sink->walk, sink->base, from, bytes);
		return;
	}
	memcpy(sink->base, from, bytes);
	sink->base += bytes;
}

/* Equal blocks in one part of the source. */
static void put_blocks(struct vmo_sink *sink, const char *from, const struct vmo_strip *run)
{
	if (!sink->shaped) {
		copy_blocks(sink->base, (int64_t)run->bytes, from, run->stride, run->bytes, run->repeat);
		sink->base += run->bytes * run->repeat;
		return;
	}
	for (uint64_t i = 0; i < run->repeat; i++, from += run->stride)
		vmo_scatter(&sink->walk, sink->base, from, run->bytes);
}

static const struct vmo_part *part_of(const struct vmo_part *part, uint32_t parts, uint64_t at)
{
	uint32_t i = 0;

	while (i + 1 < parts && at >= part[i].end)
		i++;
	return &part[i];
}

/* How many blocks of the run lie wholly in the part; 0: the first one goes beyond its end. */
static uint64_t blocks_in(const struct vmo_part *part, const struct vmo_strip *run)
{
	uint64_t at = (uint64_t)run->at, room = part->end - at, n = run->repeat;

	if (run->bytes > room)
		return 0;
	if (run->stride > 0 && (room - run->bytes) / (uint64_t)run->stride + 1 < n)
		n = (room - run->bytes) / (uint64_t)run->stride + 1;
	if (run->stride < 0 && (at - part->begin) / (uint64_t)-run->stride + 1 < n)
		n = (at - part->begin) / (uint64_t)-run->stride + 1;
	return n;
}

/* One block across the ends of parts. */
static void put_across(struct vmo_sink *sink, const struct vmo_part *part, uint32_t parts, uint64_t at, uint64_t bytes)
{
	while (bytes) {
		const struct vmo_part *p = part_of(part, parts, at);
		uint64_t n = bytes < p->end - at ? bytes : p->end - at;

		vmo_sink_put(sink, p->at + (at - p->begin), n);
		at += n;
		bytes -= n;
	}
}

static void put_run(struct vmo_sink *sink, const struct vmo_part *part, uint32_t parts, struct vmo_strip run)
{
	while (run.repeat) {
		const struct vmo_part *p = part_of(part, parts, (uint64_t)run.at);
		struct vmo_strip here = run;

		here.repeat = blocks_in(p, &run);
		if (here.repeat) {
			put_blocks(sink, p->at + ((uint64_t)run.at - p->begin), &here);
		} else {
			put_across(sink, part, parts, (uint64_t)run.at, run.bytes);
			here.repeat = 1;
		}
		run.at += (int64_t)here.repeat * run.stride;
		run.repeat -= here.repeat;
	}
}

void vmo_shape_copy(const struct vmo_shape *shape, const struct vmo_part *part, uint32_t parts, struct vmo_sink *sink,
                    uint64_t bytes)
{
	struct vmo_walk walk = vmo_walk_from(shape);
	struct vmo_strip run;

	while (bytes && vmo_walk_next(&walk, bytes, &run)) {
		put_run(sink, part, parts, run);
		bytes -= run.bytes * run.repeat;
	}
}
