/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * config.h: the options of options.def, read once from the environment.
 *
 * A bad value is noted in one clear line (mistakes.h) and keeps the default: a typo never ends a job.
 * SWITCH, NUMBER and BYTES options are long; WORD options are strings that live in the environment.
 */
#ifndef VMO_CONFIG_H
#define VMO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef long vmo_opt_SWITCH, vmo_opt_NUMBER, vmo_opt_BYTES;
typedef const char *vmo_opt_WORD;

struct vmo_config {
#define X(id, env, kind, def, least, greatest, agree, doc) vmo_opt_##kind id;
#include "options.def"
#undef X
};

enum vmo_option {
#define X(id, env, kind, def, least, greatest, agree, doc) VMO_OPTION_##id,
#include "options.def"
#undef X
	VMO_OPTIONS
};

/* Reads every option. Always succeeds; complaints wait for vmo_mistakes_tell. */
void vmo_config_read(struct vmo_config *config);

/*
 * Digest (FNV-1a, 64 bits) of the options that both ends of a pair must agree on; or of all but those that are each
 * VM's own.
 */
uint64_t vmo_config_digest(const struct vmo_config *config, bool must_agree);

/* The option's environment variable. */
const char *vmo_config_name(enum vmo_option option);
/* Its value as a number, of text a digest; 0 for what is each VM's own. */
uint64_t vmo_config_word(const struct vmo_config *config, enum vmo_option option);
bool vmo_config_is_text(enum vmo_option option);

/* "16K" -> 16384. Suffixes K, M, G (powers of 1024), upper or lower case. 0 or -EINVAL, -ERANGE. */
int vmo_parse_bytes(const char *text, long *out);

/* Prints every option with value, default and meaning to a file descriptor's stream. */
struct _IO_FILE;
void vmo_config_print(struct _IO_FILE *out, const struct vmo_config *config);

#endif
