/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mistakes.h"

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_BEGIN "VMONECOPY"
#define NAME_MOST 64		/* longer ones are not compared */
#define LINE_BYTES 900
#define RANGES_MOST 8		/* of ranks that differ, in one line */

static char noted[2048];	/* lines, each ends with \n */

/* Variables with our prefix that others read. */
static const char *const of_others[] = {
	"VMONECOPY_BUILD",	/* tools: where the libraries were built */
#ifdef VMO_FAULTS
	"VMONECOPY_FAULT",	/* fault.h */
#endif
};

void vmo_mistakes_begin(void)
{
	noted[0] = '\0';
}

void vmo_mistake(const char *format, ...)
{
	size_t used = strlen(noted), room = sizeof noted - used;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(noted + used, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n + 2 > room) {
		noted[used] = '\0';
		return;
	}
	for (char *p = noted + used; *p; p++)
		if (*p == '\n')		/* of a value: a note is one line */
			*p = ' ';
	strcpy(noted + used + n, "\n");
}

bool vmo_mistakes_any(void)
{
	return noted[0];
}

void vmo_mistakes_tell(void)
{
	char *next;

	for (char *line = noted; *line; line = next + 1) {
		next = strchr(line, '\n');
		*next = '\0';
		vmo_warn("%s", line);
	}
	noted[0] = '\0';
}

/* ---- unknown variables ---- */

/* Levenshtein's: insertions, deletions and replacements of one character. */
static unsigned distance(const char *a, size_t a_bytes, const char *b)
{
	unsigned row[NAME_MOST + 1], b_bytes = (unsigned)strlen(b);

	for (unsigned j = 0; j <= b_bytes; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_bytes; i++) {
		unsigned before = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b_bytes; j++) {
			unsigned replaced = before + (a[i - 1] != b[j - 1]);
			unsigned longer = row[j] + 1, shorter = row[j - 1] + 1;
			before = row[j];
			row[j] = longer < shorter ? longer : shorter;
			if (replaced < row[j])
				row[j] = replaced;
		}
	}
	return row[b_bytes];
}

/* NULL: none is near. */
static const char *nearest(const char *name, size_t bytes)
{
	const char *best = NULL;
	unsigned least = (unsigned)(bytes - strlen(NAMES_BEGIN)) / 3 + 1;	/* a third of the rest may be wrong */

	for (unsigned i = 0; bytes <= NAME_MOST && i < VMO_OPTIONS; i++) {
		const char *option = vmo_config_name((enum vmo_option)i);
		unsigned d = distance(name, bytes, option);
		if (d <= least && (!best || d < least)) {
			least = d;
			best = option;
		}
	}
	return best;
}

static bool is(const char *name, size_t bytes, const char *known)
{
	return strlen(known) == bytes && !strncmp(name, known, bytes);
}

static bool known(const char *name, size_t bytes)
{
	for (unsigned i = 0; i < VMO_OPTIONS; i++)
		if (is(name, bytes, vmo_config_name((enum vmo_option)i)))
			return true;
	for (size_t i = 0; i < sizeof of_others / sizeof of_others[0]; i++)
		if (is(name, bytes, of_others[i]))
			return true;
	return false;
}

/* What does not fit is left out; the end of the line says so. */
static void append(char line[LINE_BYTES], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(char line[LINE_BYTES], const char *format, ...)
{
	size_t used = strlen(line), room = LINE_BYTES - used;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(line + used, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		strcpy(line + (used < LINE_BYTES - 4 ? used : LINE_BYTES - 4), "...");
}

void vmo_mistakes_find_unknown(void)
{
	char line[LINE_BYTES] = "";

	for (char **variable = environ; variable && *variable; variable++) {
		const char *name = *variable, *maybe;
		size_t bytes = strcspn(name, "=");

		if (strncmp(name, NAMES_BEGIN, strlen(NAMES_BEGIN)) || known(name, bytes))
			continue;
		maybe = nearest(name, bytes);
		append(line, "%s%.*s is not an option", *line ? "; " : "", (int)(bytes < NAME_MOST ? bytes : NAME_MOST), name);
		if (maybe)
			append(line, ", maybe %s?", maybe);
	}
	if (*line)
		vmo_mistake("%s", line);
}

/* ---- options that differ ---- */

static uint64_t word_of(const uint64_t *words, uint32_t rank, unsigned option)
{
	return words[(size_t)rank * VMO_OPTIONS + option];
}

/* "1-3,7": those whose word is not rank 0's. Returns the first of them, 0: none. */
static uint32_t append_ranks(char ranks_text[LINE_BYTES], const uint64_t *words, uint32_t ranks, unsigned option)
{
	uint32_t first = 0, count = 0, ranges = 0, last;

	for (uint32_t r = 1; r < ranks; r = last + 1) {
		for (last = r; last < ranks && word_of(words, last, option) != word_of(words, 0, option); last++)
			;
		if (last == r)
			continue;
		count += last - r;
		first = first ? first : r;
		if (++ranges <= RANGES_MOST)
			append(ranks_text, last - r > 1 ? "%s%u-%u" : "%s%u", ranges > 1 ? "," : "", r, last - 1);
	}
	if (ranges > RANGES_MOST)
		append(ranks_text, ",... (%u in all)", count);
	return first;
}

void vmo_mistakes_tell_differing(const uint64_t *words, uint32_t ranks)
{
	char line[LINE_BYTES] = "";

	for (unsigned i = 0; i < VMO_OPTIONS; i++) {
		char ranks_text[LINE_BYTES] = "";
		uint32_t first = append_ranks(ranks_text, words, ranks, i);
		const char *many = strpbrk(ranks_text, ",-") ? "s" : "", *name = vmo_config_name((enum vmo_option)i);

		if (!first)
			continue;
		append(line, "%s%s of rank%s %s is not rank 0's", *line ? "; " : "", name, many, ranks_text);
		if (!vmo_config_is_text((enum vmo_option)i))
			append(line, " (%lld on rank %u, %lld on rank 0)", (long long)word_of(words, first, i), first,
			       (long long)word_of(words, 0, i));
	}
	if (*line)
		vmo_warn("options differ between ranks: %s", line);
}
