/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into ordinary programs the library changes nothing: same output, same exit status, no word of its own. */
#include "xen_pair.h"

#include <stdbool.h>

static const char *const commands[] = {
	"ls -ld / /usr",
	"bash -c 'x=$(echo a | tr a b); (exit 3); echo $x $?; exec 9>&1; echo sub >&9'",
	"bash -c 'for i in 1 2 3 4 5; do (true) & done; wait; ulimit -n 64; echo done'",
	"python3 -c 'import json, subprocess, ctypes, threading, mmap; subprocess.run([\"true\"]); "
		"t = threading.Thread(target=lambda: bytearray(1 << 22)); t.start(); t.join(); "
		"m = mmap.mmap(-1, 1 << 20); m.resize(1 << 21); print(len(m))'",
	"python3 -c 'import os; print(os.waitpid(os.fork() or os._exit(7), 0)[1])'",
	"git --version",
	"perl -e '@a = map { \"x\" x $_ } 1..3000; undef @a; print \"ok\\n\"'",
	"ssh -V",
	"sort /etc/passwd",
	"printf 'int main(void){return 0;}' | gcc -x c -o /dev/null - && echo compiled",
};

/* Output and status of a command. */
static size_t run(const char *command, const char *preload, char *text, size_t room)
{
	char line[8192];
	FILE *output;
	size_t n;

	if (preload)
		snprintf(line, sizeof line, "export LD_PRELOAD='%s'; { %s; } 2>&1; echo status $?", preload, command);
	else
		snprintf(line, sizeof line, "{ %s; } 2>&1; echo status $?", command);
	output = popen(line, "r");
	CHECK(output);
	n = fread(text, 1, room - 1, output);
	text[n] = 0;
	pclose(output);
	return n;
}

int main(void)
{
	static char library[4200], without[65536], with[65536];
	int failed = 0;

#ifdef __SANITIZE_ADDRESS__
	printf("SKIP: ordinary programs do not have the sanitizer that the library then needs\n");
	return 77;
#endif
	alarm(120);
	unsetenv("LD_PRELOAD");
	snprintf(library, sizeof library, "%s", pair_emulation());
	strcpy(strrchr(library, '/'), "/libvmonecopy.so");
	if (access(library, R_OK)) {
		printf("SKIP: no %s: make it first\n", library);
		return 77;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		run(commands[i], NULL, without, sizeof without);
		run(commands[i], library, with, sizeof with);
		if (!strcmp(without, with))
			continue;
		fprintf(stderr, "%s\nwithout: %s\nwith: %s\n", commands[i], without, with);
		failed = 1;
	}
	return failed;
}
