/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum vmo_log_level vmo_log_level = VMO_LOG_WARN;
static int rank_in_lines = -1;

void vmo_log_setup(enum vmo_log_level level, int rank)
{
	vmo_log_level = level;
	if (rank >= 0)
		rank_in_lines = rank;
}

int vmo_log_parse(const char *text)
{
	static const char *const names[] = { "none", "error", "warn", "info", "debug" };

	for (int level = 0; level <= VMO_LOG_DEBUG; level++)
		if (!strcmp(text, names[level]))
			return level;
	return -EINVAL;
}

void vmo_log_write(const char *format, ...)
{
	int saved = errno;
	char line[1024];
	size_t room = sizeof line - 1;	/* one byte for the newline */
	int n = rank_in_lines < 0 ? snprintf(line, room, "vmonecopy: ")
	                          : snprintf(line, room, "vmonecopy[%d]: ", rank_in_lines);
	va_list args;

	va_start(args, format);
	int more = vsnprintf(line + n, room - (size_t)n, format, args);
	va_end(args);
	size_t length = (size_t)n + (size_t)(more > 0 ? more : 0);
	if (length >= room)
		length = room - 1;
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) < 0) {
		/* nothing better to do: a closed stderr is the user's choice */
	}
	errno = saved;
}
