/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is wrong in the environment: noted when options are read, told when asked, and then no more. One line for each bad
 * value, one for all unknown variables with the option that is nearest, if any is near; options that differ between ranks
 * in one line, with the ranks.
 */
#include "config.h"
#include "log.h"
#include "mistakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char said[8192];
static int saved, into[2];

static void listen(void)
{
	if (pipe(into))
		exit(77);
	saved = dup(STDERR_FILENO);
	dup2(into[1], STDERR_FILENO);
	close(into[1]);
}

static const char *heard(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	ssize_t n = read(into[0], said, sizeof said - 1);
	said[n > 0 ? n : 0] = 0;
	close(into[0]);
	return said;
}

static const char *tell(void)
{
	struct vmo_config config;

	vmo_config_read(&config);
	listen();
	vmo_mistakes_tell();
	return heard();
}

static int wrong(int line, const char *is, const char *wanted)
{
	if (!strcmp(is, wanted))
		return 0;
	printf("line %d: said: %s   wanted: %s", line, is, wanted);
	return 1;
}
#define SAYS(is, wanted) if (wrong(__LINE__, is, wanted)) return 1

static int environment(void)
{
	char many[64];

	SAYS(tell(), "");
	setenv("VMONECOPY_TRESHOLD", "1", 1);
	SAYS(tell(), "vmonecopy: VMONECOPY_TRESHOLD is not an option, maybe VMONECOPY_THRESHOLD?\n");
	if (vmo_mistakes_any())		/* told once */
		return printf("still noted\n");
	setenv("VMONECOPY_BUFFERS", "", 1);
	SAYS(tell(), "vmonecopy: VMONECOPY_TRESHOLD is not an option, maybe VMONECOPY_THRESHOLD?; "
	             "VMONECOPY_BUFFERS is not an option\n");
	unsetenv("VMONECOPY_TRESHOLD");
	unsetenv("VMONECOPY_BUFFERS");
	setenv("VMONECOPY_BUILD", "build", 1);	/* the tools' own */
	setenv("VMONECOPY_RUN", "1Q", 1);
	setenv("VMONECOPY_XEN", "emulatd", 1);
	setenv("VMONECOPY_REPORT", "json:", 1);
	SAYS(tell(), "vmonecopy: VMONECOPY_XEN=emulatd is not understood (real or emulated); using real\n"
	             "vmonecopy: VMONECOPY_RUN=1Q is not understood (bytes, with K, M or G); using 1M\n"
	             "vmonecopy: VMONECOPY_REPORT=json: is not understood (none, line, full or json:FILE); using line\n");
	setenv("VMONECOPY_XEN", "emulated", 1);
	setenv("VMONECOPY_REPORT", "json:x", 1);
	unsetenv("VMONECOPY_RUN");
	SAYS(tell(), "");
	for (int i = 0; i < 200; i++) {		/* more than one line holds */
		snprintf(many, sizeof many, "VMONECOPY_NOTHING_%d\n", i);
		setenv(many, "x", 1);
	}
	const char *text = tell();
	if (strchr(text, '\n') != text + strlen(text) - 1 || !strstr(text, "...\n"))
		return printf("not one line that ends in ...: %s\n", text);
	return 0;
}

static const char *differing(uint64_t *words, uint32_t ranks)
{
	listen();
	vmo_mistakes_tell_differing(words, ranks);
	return heard();
}

#define RANKS 40

static int between_ranks(void)
{
	static uint64_t words[RANKS][VMO_OPTIONS];

	SAYS(differing(words[0], RANKS), "");
	words[1][VMO_OPTION_threshold] = 5;
	SAYS(differing(words[0], 2), "vmonecopy: options differ between ranks: VMONECOPY_THRESHOLD of rank 1 is not rank 0's "
	                             "(5 on rank 1, 0 on rank 0)\n");
	words[39][VMO_OPTION_xen] = words[3][VMO_OPTION_threshold] = words[4][VMO_OPTION_threshold] = 5;
	SAYS(differing(words[0], RANKS), "vmonecopy: options differ between ranks: VMONECOPY_XEN of rank 39 is not rank 0's; "
	                                 "VMONECOPY_THRESHOLD of ranks 1,3-4 is not rank 0's (5 on rank 1, 0 on rank 0)\n");
	for (int r = 1; r < RANKS; r += 2)
		words[r][VMO_OPTION_run_bytes] = 7;
	if (!strstr(differing(words[0], RANKS), "VMONECOPY_RUN of ranks 1,3,5,7,9,11,13,15,... (20 in all) is not rank 0's (7 on"))
		return printf("many ranks: %s\n", said);
	return 0;
}

/* A domid is each VM's own. */
static int own_by_nature(void)
{
	struct vmo_config a, b;

	vmo_config_read(&a);
	b = a;
	b.domid = a.domid + 1;
	if (vmo_config_digest(&a, false) != vmo_config_digest(&b, false))
		return printf("VMONECOPY_DOMID may differ\n");
	b.idle_ms++;
	if (vmo_config_digest(&a, false) == vmo_config_digest(&b, false) ||
	    vmo_config_digest(&a, true) != vmo_config_digest(&b, true))
		return printf("VMONECOPY_IDLE_MS should not differ, but may\n");
	return 0;
}

int main(void)
{
	for (int i = 0; i < VMO_OPTIONS; i++)
		unsetenv(vmo_config_name((enum vmo_option)i));
	if (own_by_nature() || between_ranks() || environment())
		return 1;
	return 0;
}
