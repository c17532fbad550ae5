/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork(): what the child writes does not reach the parent's message, nor what the parent writes the child. */
#include "subst_setup.h"

static int child(int go, const char *buffer)
{
	char byte;

	if (read(go, &byte, 1) != 1 || !pair_same(buffer, 0, MIB, 1))
		return 1;	/* the parent has written 2 meanwhile */
	pair_fill((char *)buffer, MIB, 3);
	return 0;
}

static const char *scenario(struct setup *s)
{
	char *buffer = map_anonymous(MIB);
	int go[2], status;
	pid_t pid;

	CHECK(!pipe(go));
	start(s, buffer, MIB);
	pid = fork();
	if (!pid)
		_exit(child(go[0], buffer));
	done(s);
	pair_fill(buffer, MIB, 2);
	CHECK(offer(s, buffer, MIB) > 0);	/* the parent's substitution lives on */
	CHECK(write(go[1], "", 1) == 1 && waitpid(pid, &status, 0) == pid);
	if (status)
		return "the child saw what the parent wrote after fork";
	if (!pair_same(buffer, 0, MIB, 2) || !message_has(s, buffer, 2))
		return "the parent's message is what the child wrote";
	CHECK_RC(vmo_stats.counter[VMO_C_substitutions], 1);
	return NULL;
}

int main(void)
{
	return hook_test(20, scenario);
}
