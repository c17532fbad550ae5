/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Environment variables: `option's number, text, NUL`, again and again. Whatever they hold, every option ends within its
 * limits, and a value that was not understood is the default. The emulation's variables, which the shim reads too, are
 * among them.
 */
#include "fuzz.h"

#include "config.h"
#include "log.h"
#include "xenemu.h"

#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <stdint.h>
#include <unistd.h>

static const char *const names[] = {
#define X(id, env, kind, def, least, greatest, agree, doc) env,
#include "options.def"
#undef X
	"XENEMU_DOMID", "XENEMU_DOMAINS", "XENEMU_LIMIT", "XENEMU_GRANT_TABLE", "XENEMU_MAPTRACK", "XENEMU_DIR",
	"PMI_RANK", "OMPI_COMM_WORLD_RANK",
};
#define NAMES (sizeof names / sizeof *names)

static int quiet_fd, stderr_fd;
static FILE *quiet;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	quiet_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	quiet = fdopen(quiet_fd, "w");
	stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	FUZZ_CHECK(quiet && stderr_fd > 0);
	__sanitizer_set_report_fd((void *)(uintptr_t)stderr_fd);
	return 0;
}

/* One variable; -> what is left of the input. */
static size_t set_one(const uint8_t *data, size_t bytes)
{
	char text[2048];
	size_t n = 0;

	while (1 + n < bytes && data[1 + n])
		n++;
	size_t kept = n < sizeof text ? n : sizeof text - 1;
	memcpy(text, data + 1, kept);
	text[kept] = 0;
	FUZZ_CHECK(!setenv(names[data[0] % NAMES], text, 1));
	long value = -1;
	int rc = vmo_parse_bytes(text, &value);
	FUZZ_CHECK(rc ? value == -1 : value >= 0);
	FUZZ_CHECK(vmo_log_parse(text) <= VMO_LOG_DEBUG);
	return bytes - 1 - n;
}

static void check_SWITCH(long value, long least, long greatest)
{
	FUZZ_CHECK(value == 0 || value == 1);
}

static void check_NUMBER(long value, long least, long greatest)
{
	FUZZ_CHECK(value >= least && value <= greatest);
}

static void check_BYTES(long value, long least, long greatest)
{
	FUZZ_CHECK(value >= least && value <= greatest);
}

static void check_WORD(const char *value, long least, long greatest)
{
	FUZZ_CHECK(value && *value);
}

/* What is read complains to stderr; what is found, too, but aloud. */
static void read_all(void)
{
	struct xenemu_settings settings = { .read = false };
	struct vmo_config config, again;

	dup2(quiet_fd, STDERR_FILENO);
	vmo_config_read(&config);
	vmo_config_read(&again);
	int rc = xenemu_settings_read(&settings);
	dup2(stderr_fd, STDERR_FILENO);
#define X(id, env, kind, def, least, greatest, agree, doc) check_##kind(config.id, least, greatest);
#include "options.def"
#undef X
	vmo_config_print(quiet, &config);
	FUZZ_CHECK(vmo_config_digest(&config, false) == vmo_config_digest(&again, false));
	if (!rc)
		FUZZ_CHECK(settings.domid < 0x7ff0 && settings.path[0] == '/' && memchr(settings.path, 0, sizeof settings.path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	for (const uint8_t *end = data + bytes; bytes;)
		bytes = set_one(end - bytes, bytes);
	read_all();
	for (size_t i = 0; i < NAMES; i++)
		unsetenv(names[i]);
	return 0;
}
