/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.h: the options of options.def, read once from the environment.
 *
 * A bad value warns in one clear line and keeps the default: a typo never ends a job.
 * SWITCH, NUMBER and BYTES options are long; WORD options are strings that live in the environment.
 */
#ifndef VMO_CONFIG_H
#define VMO_CONFIG_H

#include <stddef.h>
#include <stdint.h>

typedef long vmo_opt_SWITCH, vmo_opt_NUMBER, vmo_opt_BYTES;
typedef const char *vmo_opt_WORD;

struct vmo_config {
#define X(id, env, kind, def, least, greatest, agree, doc) vmo_opt_##kind id;
#include "options.def"
#undef X
};

/* Reads every option. Always succeeds; complaints go to the log. */
void vmo_config_read(struct vmo_config *config);

/* Digest of the options that both ends of a pair must agree on (FNV-1a, 64 bits). */
uint64_t vmo_config_digest(const struct vmo_config *config);

/* "16K" -> 16384. Suffixes K, M, G (powers of 1024), upper or lower case. 0 or -EINVAL, -ERANGE. */
int vmo_parse_bytes(const char *text, long *out);

/* Prints every option with value, default and meaning to a file descriptor's stream. */
struct _IO_FILE;
void vmo_config_print(struct _IO_FILE *out, const struct vmo_config *config);

#endif
