/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mistakes.h: what is wrong in the environment of a job, said once.
 *
 *   when options are read   vmo_mistake: noted, because nobody knows yet who speaks for the job
 *   in MPI_Init             the lowest rank that has noted something tells it: a reduction finds it
 *                           (mpi_host.c); the others are silent. Options that differ between ranks: rank 0
 *
 * Mistakes are told as warnings, so VMONECOPY_LOG=none or error silences them. Nothing here fails.
 * Threads: one.
 */
#ifndef VMO_MISTAKES_H
#define VMO_MISTAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* Forgets what is noted. */
void vmo_mistakes_begin(void);

/* Notes one line. What does not fit is left out: a few lines are enough. */
void vmo_mistake(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Notes variables VMONECOPY* that are no options, all in one line, each with the option that it may have meant. */
void vmo_mistakes_find_unknown(void);

bool vmo_mistakes_any(void);
void vmo_mistakes_tell(void);

/*
 * Tells in one line which options differ, and on which ranks. words: those of vmo_config_word, VMO_OPTIONS of each
 * rank, by rank.
 */
void vmo_mistakes_tell_differing(const uint64_t *words, uint32_t ranks);

#endif
