/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * settings.c - the environment of an emulated domain, read once, at the first open.
 *
 *   XENEMU_DOMID=n         this process is in domain n
 *   XENEMU_DOMAINS=k       else: domain 1 + rank % k, by the launcher's rank
 *   (neither)              else: domain 1 + rank
 *   XENEMU_LIMIT=pages     what gntalloc may hold in a domain (1024)
 *   XENEMU_GRANT_TABLE=n   grants of a domain (32246)
 *   XENEMU_MAPTRACK=pages  what a process may have mapped (262144)
 *   XENEMU_DIR=directory   where the registry file is (/dev/shm)
 *
 * Invariant: a bad value is never guessed at: one line on stderr names it, and the open fails with EINVAL.
 * Threads: called with the process lock. Not handled: changes after the first open.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xenemu.h"

#define XENEMU_DOMID_MAX 0x7fefu /* reserved identifiers follow */

static const char *const rank_variables[] = {"PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MPI_LOCALRANKID",
                                             "SLURM_PROCID"};

/* Leave *value alone where the variable is absent. */
static int read_number(const char *name, uint32_t low, uint32_t high, uint32_t *value)
{
	const char *text = getenv(name);
	char *end = NULL;
	unsigned long number;

	if (!text)
		return 0;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno || number < low || number > high) {
		fprintf(stderr, "xenemu: %s=%s: not a number from %u to %u\n", name, text, low, high);
		return -EINVAL;
	}
	*value = (uint32_t)number;
	return 0;
}

static int read_rank(uint32_t *rank)
{
	*rank = 0;
	for (size_t i = 0; i < sizeof rank_variables / sizeof *rank_variables; i++)
		if (getenv(rank_variables[i]))
			return read_number(rank_variables[i], 0, 1u << 30, rank);
	return 0;
}

static int read_domid(uint32_t *domid)
{
	uint32_t domains = 0, rank;
	int rc;

	if (getenv("XENEMU_DOMID"))
		return read_number("XENEMU_DOMID", 0, XENEMU_DOMID_MAX, domid);
	rc = read_number("XENEMU_DOMAINS", 1, XENEMU_DOMAINS, &domains);
	if (!rc)
		rc = read_rank(&rank);
	if (rc)
		return rc;
	*domid = 1 + (domains ? rank % domains : rank);
	if (*domid <= XENEMU_DOMID_MAX)
		return 0;
	fprintf(stderr, "xenemu: rank %u has no domain: set XENEMU_DOMAINS\n", rank);
	return -EINVAL;
}

static int read_path(char *path, size_t bytes)
{
	const char *directory = getenv("XENEMU_DIR");
	int length = snprintf(path, bytes, "%s/xenemu-%u", directory ? directory : "/dev/shm", (unsigned)geteuid());

	if (length > 0 && (size_t)length < bytes && path[0] == '/')
		return 0;
	fprintf(stderr, "xenemu: XENEMU_DIR=%s: not a usable absolute directory\n", directory ? directory : "");
	return -EINVAL;
}

int xenemu_settings_read(struct xenemu_settings *settings)
{
	struct xenemu_settings new = {
		.read = true, .limit_pages = 1024, .table_grants = 32246, .maptrack_pages = 262144};
	int rc;

	if (settings->read)
		return 0;
	rc = read_domid(&new.domid);
	if (!rc)
		rc = read_number("XENEMU_LIMIT", 0, 1u << 20, &new.limit_pages);
	if (!rc)
		rc = read_number("XENEMU_GRANT_TABLE", 1, 131072, &new.table_grants);
	if (!rc)
		rc = read_number("XENEMU_MAPTRACK", 0, 1u << 30, &new.maptrack_pages);
	if (!rc)
		rc = read_path(new.path, sizeof new.path);
	if (!rc)
		*settings = new;
	return rc;
}
