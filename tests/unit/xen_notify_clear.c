/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the granter is killed, the byte that it named goes 0 in the peer's mapping; the rest stays readable. */
#include "xen_pair.h"

static void granter(struct pair *pair)
{
	struct vmo_grant grant;
	vmo_gref grefs[2];
	void *view;
	pid_t self = getpid();

	CHECK_RC(vmo_xen_grant(pair->xen, pair->peer, 2, true, &grant, grefs), 0);
	CHECK_RC(vmo_xen_view(pair->xen, &grant, 0, 2, NULL, true, &view), 0);
	memset(view, 1, 2 * PAGE);
	CHECK_RC(vmo_xen_notify_clear(pair->xen, &grant, 100), 0);
	pair_tell(pair, grefs, sizeof grefs);
	pair_tell(pair, &self, sizeof self);
	for (;;)
		pause();
}

static void mapper(struct pair *pair)
{
	vmo_gref grefs[2];
	volatile char *bytes;
	void *at;
	pid_t victim;

	pair_hear(pair, grefs, sizeof grefs);
	pair_hear(pair, &victim, sizeof victim);
	CHECK_RC(vmo_xen_map(pair->xen, pair->peer, grefs, 2, true, &at), 0);
	bytes = at;
	CHECK(bytes[100] == 1);
	CHECK(!kill(victim, SIGKILL));
	while (bytes[100])
		usleep(1000);
	CHECK(bytes[99] == 1 && bytes[101] == 1 && bytes[PAGE + 100] == 1);
	exit(42);
}

int main(void)
{
	/* The granter ends by our signal, so pair_test's verdict is of no use here: look at the mapper alone. */
	int in[2], out[2], status;
	pid_t child[2];

	pair_emulation();
	pair_private_registry();
	CHECK(!pipe(in) && !pipe(out));
	child[0] = fork();
	if (!child[0]) {
		alarm(20);
		exit(pair_child(granter, "1", 2, out[0], in[1]));
	}
	child[1] = fork();
	if (!child[1]) {
		alarm(20);
		exit(pair_child(mapper, "2", 1, in[0], out[1]));
	}
	waitpid(child[0], &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	waitpid(child[1], &status, 0);
	pair_remove_directory();
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	return 0;
}
