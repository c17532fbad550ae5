/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.h: one line on stderr, with cause and remedy.
 *
 * Levels are defined by volume: ERROR at most once per job for one cause, WARN a handful per job,
 * INFO a few per rank, DEBUG per event. Default WARN; option VMONECOPY_LOG. A message ends up as
 *   vmonecopy[rank]: text
 * in one write(2), so that lines of several ranks never mix. Thread-safe. errno is preserved.
 */
#ifndef VMO_LOG_H
#define VMO_LOG_H

enum vmo_log_level { VMO_LOG_NONE, VMO_LOG_ERROR, VMO_LOG_WARN, VMO_LOG_INFO, VMO_LOG_DEBUG };

extern enum vmo_log_level vmo_log_level;

/* Sets what is printed and, when rank >= 0, the rank in each line. */
void vmo_log_setup(enum vmo_log_level level, int rank);

/* Parses "none", "error", "warn", "info", "debug". Returns the level or -EINVAL. */
int vmo_log_parse(const char *text);

void vmo_log_write(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define vmo_log(level, ...) \
	do { if ((level) <= vmo_log_level) vmo_log_write(__VA_ARGS__); } while (0)
#define vmo_error(...) vmo_log(VMO_LOG_ERROR, __VA_ARGS__)
#define vmo_warn(...)  vmo_log(VMO_LOG_WARN, __VA_ARGS__)
#define vmo_info(...)  vmo_log(VMO_LOG_INFO, __VA_ARGS__)
#define vmo_debug(...) vmo_log(VMO_LOG_DEBUG, __VA_ARGS__)

#endif
