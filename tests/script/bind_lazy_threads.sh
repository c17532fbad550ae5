#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many threads make the first call at the same moment, while binding is slow: the flavour is
# attached once, no call is lost or doubled. A thread that makes a call from a constructor, so with
# the loader's lock that binding needs, does not hang the program.
. "$(dirname "$0")/bind.inc"
install_counter

cat >"$work/threads.c" <<'EOF2'
#include "bind_fakempi.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define THREADS 64
fake_call MPI_Send, PMPI_Recv, MPI_Wait;
static pthread_barrier_t together;
static int wrong;
static void *first_calls(void *unused)
{
	struct fake_struct s = { 4711, 0.25 };

	pthread_barrier_wait(&together);
	if (MPI_Send(FAKE_ARGS(&s)) != 1000 + FAKE_Send || PMPI_Recv(FAKE_ARGS(&s)) != 1000 + FAKE_Recv ||
	    MPI_Wait(FAKE_ARGS(&s)) != 1000 + FAKE_Wait)
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	return NULL;
}
static void *cancelled(void *unused)
{
	struct fake_struct s = { 4711, 0.25 };

	return MPI_Send(FAKE_ARGS(&s)) == 1000 + FAKE_Send ? NULL : (void *)1;
}
int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	if (argc > 1) {		/* a constructor's call while another thread binds */
		pthread_create(&thread[0], NULL, cancelled, NULL);
		usleep(20000);
		if (argc > 2)
			pthread_cancel(thread[0]);
		else if (!dlopen(argv[1], RTLD_NOW))
			return puts(dlerror()), 1;
		pthread_join(thread[0], NULL);
		pthread_barrier_init(&together, NULL, 1);
		return first_calls(NULL), wrong;
	}
	pthread_barrier_init(&together, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, first_calls, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return wrong;
}
EOF2
cat >"$work/constructor.c" <<'EOF2'
#include "bind_fakempi.h"
#include <stdlib.h>
fake_call MPI_Send;
static void __attribute__((constructor)) call(void)
{
	struct fake_struct s = { 4711, 0.25 };

	if (MPI_Send(FAKE_ARGS(&s)) != 1000 + FAKE_Send)
		_Exit(7);
}
EOF2
compile libfake.so.12 -shared -fPIC -Wl,-soname,libfake.so.12 -DFAKE_SLOW_US=60000 -DFAKE_VERSION='"MPICH fake"' "$here/bind_fakempi.c"
compile threads "$work/threads.c" -pthread "$work/libfake.so.12"
compile constructor.so -shared -fPIC "$work/constructor.c" "$work/libfake.so.12"

run() { LD_LIBRARY_PATH=$work LD_PRELOAD=$work/libvmonecopy.so timeout 40 "$work/threads" "$@" >"$work/out" 2>&1; }
counted() { cat "$work"/counts/* | LC_ALL=C sort | tr '\n' ' '; rm -f "$work"/counts/*; }

round=0
while [ $round -lt 20 ]; do
	run || fail "round $round: exit code $?: $(head -1 "$work/out")"
	[ -s "$work/out" ] && fail "extra output: $(head -1 "$work/out")"
	is=$(counted)
	[ "$is" = "Recv 64 Send 64 Wait 64 attach 1 " ] || fail "round $round counted: $is"
	round=$((round + 1))
done
run "$work/constructor.so" || fail "call in a constructor: exit code $? (124: it hangs)"
counted | grep -q 'attach 1 ' || fail "call in a constructor: not attached once"
run cancel it || fail "a thread cancelled while it binds: exit code $? (124: the others hang)"
counted | grep -q 'attach 1 ' || fail "a thread cancelled while it binds: not attached once"
exit 0
