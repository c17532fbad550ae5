/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mutator for inputs that are one struct: fields keep their places. */
#include "world.h"

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* What numbers go wrong at. */
static const uint64_t limits[] = {
	0, 1, 2, 7, 8, 16, 63, 64, 4095, 4096, 4097, 65535, 65536, 1u << 17, (1u << 17) + 1, 1u << 20, INT32_MAX,
	(uint64_t)INT32_MAX + 1, UINT32_MAX, (uint64_t)UINT32_MAX + 1, (uint64_t)1 << 62, ((uint64_t)1 << 62) + 1,
	INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX,
};

static uint64_t changed(uint64_t old, uint64_t other, uint64_t *state)
{
	switch (next(state) % 6) {
	case 0: return limits[next(state) % (sizeof limits / sizeof *limits)];
	case 1: return old + next(state) % 9 - 4;
	case 2: return old ^ (uint64_t)1 << next(state) % 64;
	case 3: return other;
	case 4: return -old;
	default: return next(state) % 8192;
	}
}

static void change_word(uint8_t *data, size_t size, uint64_t *state)
{
	size_t width = (size_t)1 << next(state) % 4, words = size / width;
	uint8_t *at = data + next(state) % words * width;
	uint64_t old = 0, other = 0;

	memcpy(&old, at, width);
	memcpy(&other, data + next(state) % words * width, width);
	old = width < 4 && next(state) % 2 ? next(state) : changed(old, other, state);
	memcpy(at, &old, width);
}

size_t fuzz_mutate_words(uint8_t *data, size_t bytes, size_t size, unsigned seed)
{
	uint64_t state = seed;
	size_t at;

	if (bytes < size)
		memset(data + bytes, 0, size - bytes);
	if (next(&state) % 4) {
		for (uint64_t n = 1 + next(&state) % 3; n; n--)
			change_word(data, size, &state);
		return size;
	}
	at = next(&state) % (size / 8) * 8;	/* libFuzzer's own ways, in place: it knows what was compared */
	LLVMFuzzerMutate(data + at, 8, 8);
	return size;
}

size_t world_mutate(uint8_t *data, size_t bytes, size_t most, unsigned seed)
{
	if (most < sizeof(struct world_input))
		return bytes;
	bytes = fuzz_mutate_words(data, bytes, sizeof(struct world_input), seed);
	if (seed % 3 == 0)	/* what changes, and when, is small beside the image */
		fuzz_mutate_words(data, bytes, offsetof(struct world_input, image), seed + 1);
	return bytes;
}
