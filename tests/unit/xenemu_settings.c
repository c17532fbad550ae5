/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings: which domain a rank is in, xenstore's "domid"; a bad value is one line on stderr and EINVAL. */
#include "xenemu_load.h"

struct setting {
	const char *name, *value, *rank_name, *rank;
	int domid; /* -1: refused */
};

static const struct setting table[] = {
	{"XENEMU_DOMID", "7", "PMI_RANK", "3", 7},
	{"XENEMU_DOMAINS", "2", "PMI_RANK", "3", 2},
	{"XENEMU_DOMAINS", "2", "OMPI_COMM_WORLD_RANK", "4", 1},
	{"XENEMU_DOMAINS", "3", "PMIX_RANK", "5", 3},
	{"XENEMU_LIMIT", "10", "SLURM_PROCID", "5", 6},
	{"XENEMU_LIMIT", "10", "MPI_LOCALRANKID", "1", 2},
	{"XENEMU_LIMIT", "10", "NO_RANK", "5", 1},
	{"XENEMU_DOMID", "x", "PMI_RANK", "3", -1},
	{"XENEMU_DOMID", "", "PMI_RANK", "3", -1},
	{"XENEMU_DOMID", "-1", "PMI_RANK", "3", -1},
	{"XENEMU_DOMID", "99999", "PMI_RANK", "3", -1},
	{"XENEMU_DOMAINS", "0", "PMI_RANK", "3", -1},
	{"XENEMU_DOMAINS", "2", "PMI_RANK", "three", -1},
	{"XENEMU_LIMIT", "10 pages", "PMI_RANK", "3", -1},
	{"XENEMU_GRANT_TABLE", "0", "PMI_RANK", "3", -1},
	{"XENEMU_MAPTRACK", "1e3", "PMI_RANK", "3", -1},
	{"XENEMU_DIR", "relative", "PMI_RANK", "3", -1},
};

static const struct setting *row;

static void read_settings(int fd)
{
	struct xs_handle *store;
	xengnttab_handle *tab;
	unsigned length = 0;
	char *text;

	CHECK(dup2(fd, 2) == 2, "stderr goes to the parent");
	unsetenv("XENEMU_DOMID");
	setenv(row->name, row->value, 1);
	setenv(row->rank_name, row->rank, 1);
	errno = 0;
	tab = xen.xengnttab_open(NULL, 0);
	if (row->domid < 0)
		exit(!tab && errno == EINVAL ? 0 : 1);
	store = xen.xs_open(0);
	if (!tab || !store)
		exit(2);
	text = xen.xs_read(store, 0, "domid", &length);
	if (!text || atoi(text) != row->domid || length != strlen(text))
		exit(3);
	free(text);
	if (xen.xs_read(store, 0, "name", NULL) || errno != ENOENT)
		exit(4);
	xen.xs_close(store);
	exit(xen.xengnttab_close(tab));
}

int main(void)
{
	struct peer peer;

	test_begin(20);
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char said[512] = "";
		size_t have = 0;
		ssize_t n;
		int status;

		row = &table[i];
		spawn(&peer, 0, read_settings);
		while ((n = read(peer.fd, said + have, sizeof said - 1 - have)) > 0)
			have += (size_t)n;
		waitpid(peer.pid, &status, 0);
		close(peer.fd);
		CHECK(status == 0, "%s=%s %s=%s: status %x, said %s", row->name, row->value, row->rank_name, row->rank,
		      (unsigned)status, said);
		if (row->domid >= 0)
			CHECK(!said[0], "%s=%s: said %s", row->name, row->value, said);
		else
			CHECK(strstr(said, row->name) || strstr(said, row->rank_name), "the line names it: %s", said);
		CHECK(row->domid >= 0 || strchr(said, '\n') == said + have - 1, "one line: %s", said);
	}
	return 0;
}
