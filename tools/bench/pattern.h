/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pattern.h: what the bytes of each message are. Knows no MPI.
 *
 * Each 8-byte word is a function of (serial number of the message, size, sender, offset), one-to-one in the
 * first three: a stale word never equals the one that must be there.
 */
#ifndef VMOBENCH_PATTERN_H
#define VMOBENCH_PATTERN_H

#include <stdint.h>
#include <string.h>

enum { MAX_SPOTS = 64, PAGE = 4096 };

static uint64_t mix(uint64_t x) /* splitmix64's finalizer: one-to-one */
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t tag_of(uint64_t number, size_t bytes, int from)
{
	return mix(mix(number * 2 + (uint64_t)from + 1) + bytes);
}

/* One-to-one in the tag: two messages never have the same word at the same place. */
static uint64_t word_at(uint64_t tag, size_t offset)
{
	return (tag ^ offset * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
}

static void fill(char *buffer, size_t bytes, uint64_t tag)
{
	size_t at;
	uint64_t word;

	for (at = 0; at + 8 <= bytes; at += 8) {
		word = word_at(tag, at);
		memcpy(buffer + at, &word, 8);
	}
	word = word_at(tag, at);
	memcpy(buffer + at, &word, bytes - at);
}

/* Places of the words written anew in message `number`: head, tail, page-strided ones between. Returns how many. */
static int spots(size_t bytes, uint64_t number, size_t *place)
{
	size_t pages = bytes / PAGE, inner = pages < MAX_SPOTS ? pages : MAX_SPOTS;
	int n = 0;

	place[n++] = 0;
	if (bytes >= 16)
		place[n++] = bytes - 8;
	for (size_t k = 0; k < inner; k++) {
		size_t stride = pages / inner;
		size_t at = (k * stride + number % stride) * PAGE + 8 * (1 + (number * 7 + k * 13) % 510);

		if (at + 16 <= bytes)
			place[n++] = at;
	}
	return n;
}

__attribute__((unused)) static void stamp_words(char *buffer, size_t bytes, uint64_t number, int from)
{
	size_t place[MAX_SPOTS + 2];
	uint64_t tag = tag_of(number, bytes, from);
	int n = spots(bytes, number, place);

	for (int i = 0; i < n; i++) {
		uint64_t word = word_at(tag, place[i]);

		memcpy(buffer + place[i], &word, 8);
	}
}

#endif
