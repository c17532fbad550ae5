/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz.h: what the fuzzers share. Start here.
 *
 *   pull.c     an RTS, its slot, the catalog, grefs and strips, all as a peer may write them -> accept, pull, look, peek
 *   race.c     the same, while another thread writes over them all the time
 *   send.c     what a receiver may write into the sender's channel: done, refused, alive
 *   shape.c    shapes and strips, and copying by them
 *   peer.c     the records of the start-up exchange, and the pages that they name
 *   config.c   environment variables
 *
 *   xen.c      stands for shim/xen.c: grants, mappings and copies within one process, without a hypervisor
 *   world.c    a sender's and a receiver's side over it; what its peer may write is one `struct image`
 *   seeds.c    writes the first corpus, from what the real sender writes
 *   corpus/    the inputs that every run begins with: seeds, and what was once a find
 *   plants     weaker checks, one a line; each is found by its fuzzer (tests/script/fuzz_plants.sh)
 *
 * All link the MPI-free floors of the shim (CORE in the Makefile), built by clang with libFuzzer, AddressSanitizer
 * and UndefinedBehaviorSanitizer. A find ends the process; so does FUZZ_CHECK, for what no sanitizer knows.
 *
 *   make fuzz                          FUZZ_SECONDS=600 for each, new inputs in build/fuzz/found
 *   build/fuzz/pull FILE               once more what was found
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "vmo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
		abort(); \
	} \
} while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t most, unsigned seed);

/* An input of fixed size: a shorter one ends with zeroes. */
static inline void fuzz_take(void *to, size_t size, const uint8_t *data, size_t bytes)
{
	memset(to, 0, size);
	memcpy(to, data, bytes < size ? bytes : size);
}

/* The rest of an input, read piece by piece; zeroes behind its end. */
struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

static inline void fuzz_get(struct fuzz_in *in, void *to, size_t size)
{
	size_t n = in->left < size ? in->left : size;

	fuzz_take(to, size, in->at, n);
	in->at += n;
	in->left -= n;
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
	uint8_t value;

	fuzz_get(in, &value, sizeof value);
	return value;
}

static inline uint64_t fuzz_u64(struct fuzz_in *in)
{
	uint64_t value;

	fuzz_get(in, &value, sizeof value);
	return value;
}

/* Changes one or a few aligned words of an input of fixed size: nothing is shifted. */
size_t fuzz_mutate_words(uint8_t *data, size_t bytes, size_t size, unsigned seed);

#endif
