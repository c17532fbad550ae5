/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork() with a message under way: the child writes first; its own library state is empty and harmless. */
#include "subst_setup.h"

static int child(struct setup *s, char *buffer)
{
	struct vmo_piece piece[8];

	pair_fill(buffer, MIB, 3);
	if (s->hooks && vmo_subst_prepare(s->subst, s->pool, (uintptr_t)buffer, MIB, piece, 8))
		return 2;
	if (s->hooks && (vmo_memhook_table.end || vmo_subst_usage(s->subst).associations))
		return 3;
	munmap(buffer, MIB);
	vmo_subst_free(s->subst);
	return 0;
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);
	int status;
	pid_t pid;

	start(s, buffer, MIB);
	pid = fork();
	if (!pid)
		_exit(child(s, buffer));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_RC(status, 0);
	if (!message_has(s, buffer, 1))
		return "the message under way is what the child wrote";
	return pair_same(buffer, 0, MIB, 1) ? NULL : "the parent's buffer is what the child wrote";
}

int main(void)
{
	return hook_test(20, scenario);
}
