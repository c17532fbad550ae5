/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "fnv.h"
#include "mistakes.h"
#include "vmo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { SWITCH, NUMBER, BYTES, WORD };

struct option {
	const char *id, *env, *def, *doc;
	enum kind kind;
	int agree;
	long least, greatest;
	size_t at;
};

static const struct option options[] = {
#define X(id_, env_, kind_, def_, least_, greatest_, agree_, doc_)                          \
	{ .id = #id_, .env = env_, .def = def_, .doc = doc_, .kind = kind_, .agree = agree_, \
	  .least = least_, .greatest = greatest_, .at = offsetof(struct vmo_config, id_) },
#include "options.def"
#undef X
};
#define OPTIONS (sizeof options / sizeof options[0])

int vmo_parse_bytes(const char *text, long *out)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	int shift = 0;
	if (end == text)
		return -EINVAL;
	switch (*end) {
	case 'k': case 'K': shift = 10; end++; break;
	case 'm': case 'M': shift = 20; end++; break;
	case 'g': case 'G': shift = 30; end++; break;
	}
	if (*end)
		return -EINVAL;
	if (errno || value < 0 || value > (INT64_MAX >> shift))
		return -ERANGE;
	*out = (long)(value << shift);
	return 0;
}

static int parse_switch(const char *text, long *out)
{
	static const char *const words[2][4] = { { "0", "off", "no", "false" }, { "1", "on", "yes", "true" } };

	for (int value = 0; value < 2; value++)
		for (int i = 0; i < 4; i++)
			if (!strcasecmp(text, words[value][i])) {
				*out = value;
				return 0;
			}
	return -EINVAL;
}

static int parse_number(const char *text, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	if (end == text || *end)
		return -EINVAL;
	return errno ? -ERANGE : 0;
}

static int parse(const struct option *option, const char *text, long *out)
{
	int rc = option->kind == SWITCH ? parse_switch(text, out)
	       : option->kind == BYTES  ? vmo_parse_bytes(text, out)
	                                : parse_number(text, out);

	if (!rc && option->kind != SWITCH && (*out < option->least || *out > option->greatest))
		rc = -ERANGE;
	return rc;
}

/* What an option of text may say; what ends in a colon takes more text. */
static const char *const words[VMO_OPTIONS][6] = {
	[VMO_OPTION_xen] = { "real", "emulated" },
	[VMO_OPTION_report] = { "none", "line", "full", "json:" },
	[VMO_OPTION_log] = { "none", "error", "warn", "info", "debug" },
};

static bool is_word(enum vmo_option option, const char *text)
{
	for (const char *const *word = words[option]; *word; word++) {
		size_t bytes = strlen(*word);
		if ((*word)[bytes - 1] == ':' ? !strncmp(text, *word, bytes) && text[bytes] : !strcmp(text, *word))
			return true;
	}
	return false;
}

static void wrong_word(const struct option *option, const char *text)
{
	char list[128] = "";

	for (const char *const *word = words[option - options]; *word; word++)
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s%s", *list ? word[1] ? ", " : " or " : "", *word,
		         strchr(*word, ':') ? "FILE" : "");
	vmo_mistake("%s=%s is not understood (%s); using %s", option->env, text, list, option->def);
}

static void set(struct vmo_config *config, const struct option *option, const char *text)
{
	void *field = (char *)config + option->at;
	long value;

	if (option->kind == WORD) {
		bool known = is_word((enum vmo_option)(option - options), text);
		if (!known)
			wrong_word(option, text);
		*(const char **)field = known ? text : option->def;
		return;
	}
	if (parse(option, text, &value)) {
		vmo_mistake("%s=%s is not understood (%s); using %s", option->env, text,
		            option->kind == SWITCH ? "0 or 1" : option->kind == BYTES ? "bytes, with K, M or G" : "a number",
		            option->def);
		parse(option, option->def, &value);
	}
	*(long *)field = value;
}

void vmo_config_read(struct vmo_config *config)
{
	vmo_mistakes_begin();
	for (size_t i = 0; i < OPTIONS; i++) {
		const char *text = getenv(options[i].env);
		set(config, &options[i], text && *text ? text : options[i].def);
	}
	vmo_mistakes_find_unknown();
}

uint64_t vmo_config_word(const struct vmo_config *config, enum vmo_option option)
{
	const void *field = (const char *)config + options[option].at;

	if (option == VMO_OPTION_domid)
		return 0;
	if (options[option].kind != WORD)
		return (uint64_t)*(const long *)field;
	return vmo_fnv1a(VMO_FNV_BEGIN, *(const char *const *)field, strlen(*(const char *const *)field));
}

uint64_t vmo_config_digest(const struct vmo_config *config, bool must_agree)
{
	uint64_t hash = VMO_FNV_BEGIN;

	for (size_t i = 0; i < OPTIONS; i++) {
		uint64_t word = vmo_config_word(config, (enum vmo_option)i);

		if (options[i].agree || !must_agree)
			hash = vmo_fnv1a(hash, &word, sizeof word);
	}
	return hash;
}

const char *vmo_config_name(enum vmo_option option)
{
	return options[option].env;
}

bool vmo_config_is_text(enum vmo_option option)
{
	return options[option].kind == WORD;
}

void vmo_config_print(FILE *out, const struct vmo_config *config)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const void *field = (const char *)config + options[i].at;

		fprintf(out, "%-24s ", options[i].env);
		if (options[i].kind == WORD)
			fprintf(out, "%-10s", *(const char *const *)field);
		else
			fprintf(out, "%-10ld", *(const long *)field);
		fprintf(out, " (default %s) %s\n", options[i].def, options[i].doc);
	}
}
