#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# An MPI that a program dlopens with RTLD_LOCAL, late (mpi4py and Julia do so): calls fail while
# there is none, and reach it afterwards, with its flavour. An MPI of another binary interface, or
# one inside the program itself, is bound to its own functions, whatever it says it is.
. "$(dirname "$0")/bind.inc"
install_counter

fake="-DFAKE_OLD -DFAKE_VERSION=\"MPICH_fake\" $here/bind_fakempi.c"
cat >"$work/plugin.c" <<'EOF2'
#include "bind_fakempi.h"
fake_call MPI_Recv;
int plugin_call(struct fake_struct *s) { return MPI_Recv(FAKE_ARGS(s)); }
EOF2
cat >"$work/late.c" <<'EOF2'
#include "bind_fakempi.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
fake_call MPI_Send __attribute__((weak)), MPI_Send_c __attribute__((weak));
int main(int argc, char **argv)
{
	struct fake_struct s = { 4711, 0.25 };
	int (*plugin_call)(struct fake_struct *);
	void *plugin;

	errno = EDOM;
	for (int i = 0; i < 100000; i++)
		if (MPI_Send(FAKE_ARGS(&s)) != 15 || errno != EDOM)
			return puts("without an MPI: not error 15"), 1;
	if (!dlopen("libm.so.6", RTLD_NOW) || MPI_Send(FAKE_ARGS(&s)) != 15)
		return puts("with another library: not error 15"), 1;
	plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	plugin_call = plugin ? (int (*)(struct fake_struct *))dlsym(plugin, "plugin_call") : 0;
	if (!plugin_call)
		return puts(dlerror()), 1;
	if (plugin_call(&s) != 1000 + FAKE_Recv)
		return puts("the plugin's call does not reach its MPI"), 1;
	if (MPI_Send(FAKE_ARGS(&s)) != 1000 + FAKE_Send)
		return puts("the program's call does not reach the plugin's MPI"), 1;
	return MPI_Send_c(FAKE_ARGS(&s)) == 15 ? 0 : (puts("the missing call is not error 15"), 1);
}
EOF2
cat >"$work/inside.c" <<'EOF2'
#include "bind_fakempi.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
	struct fake_struct s = { 4711, 0.25 };
	void *entries = dlopen(getenv("LD_PRELOAD"), RTLD_NOW | RTLD_NOLOAD);
	fake_call *send = (fake_call *)dlsym(entries, "MPI_Send"), *send_c = (fake_call *)dlsym(entries, "MPI_Send_c");

	if (!send || !send_c || send(FAKE_ARGS(&s)) != 1000 + FAKE_Send)
		return puts("the entry does not reach the MPI inside the program"), 1;
	return send_c(FAKE_ARGS(&s)) == 15 ? 0 : (puts("the missing call is not error 15"), 1);
}
EOF2
for abi in 11 12; do
	compile libfake.so.$abi -shared -fPIC -Wl,-soname,libfake.so.$abi $fake
	compile plugin$abi.so -shared -fPIC "$work/plugin.c" "$work/libfake.so.$abi"
done
compile late "$work/late.c" -Wl,--unresolved-symbols=ignore-all
compile inside "$work/inside.c" $fake -rdynamic

run() {
	timeout 30 env LD_LIBRARY_PATH="$work${search:+:$search}" LD_PRELOAD="${use:-$work/libvmonecopy.so}" "$@" >"$work/out" 2>"$work/err" ||
		fail "$(basename "$1"): $(head -1 "$work/out") $(head -1 "$work/err")"
}
# counted WANTED: what the flavour counted since the last time
counted() {
	is=$(cat "$work"/counts/* 2>/dev/null | LC_ALL=C sort | tr '\n' ' ')
	rm -f "$work"/counts/*
	[ "$is" = "$1" ] || fail "counted '$is', not '$1'"
}

run "$work/late" "$work/plugin12.so"
[ -s "$work/err" ] && fail "extra output: $(head -1 "$work/err")"
counted "Recv 1 Send 1 attach 1 "

run "$work/late" "$work/plugin11.so"
grep -q 'INACTIVE: .*libfake.so.11.*not binary compatible' "$work/err" || fail "does not say why: $(cat "$work/err")"
counted ""

run "$work/inside"
grep -q 'INACTIVE: .*linked statically.*not binary compatible' "$work/err" || fail "does not say why: $(cat "$work/err")"
counted ""

# A flavour that refuses, after it filled some slots; a flavour that is not there; two preloaded copies.
BIND_REFUSE=1 run "$work/late" "$work/plugin12.so"
grep -q 'INACTIVE: .*refused with error' "$work/err" || fail "does not say why: $(cat "$work/err")"
counted "attach 1 "
mkdir "$work/twin"
cp "$work/libvmonecopy.so" "$work/twin/"
use=$work/twin/libvmonecopy.so run "$work/late" "$work/plugin12.so"
grep -q 'INACTIVE: .*libvmonecopy-mpich.so.*put' "$work/err" || fail "does not say why: $(cat "$work/err")"
counted ""
use=$work/libvmonecopy.so:$work/twin/libvmonecopy.so run "$work/late" "$work/plugin12.so"
counted "Recv 1 Send 1 attach 1 "

# Preloaded by a link that lies elsewhere, itself reached by a linked directory: the flavour is beside the file.
mkdir "$work/links"
ln -s ../libvmonecopy.so "$work/links/libvmonecopy.so.0"
ln -s libvmonecopy.so.0 "$work/links/other_name.so"
ln -s links "$work/path"
for link in "$work/links/libvmonecopy.so.0" "$work/path/other_name.so"; do
	use=$link run "$work/late" "$work/plugin12.so"
	counted "Recv 1 Send 1 attach 1 "
done
search=$work/path use=libvmonecopy.so.0 run "$work/late" "$work/plugin12.so"
counted "Recv 1 Send 1 attach 1 "

# Preloaded by a relative name, and the program has gone elsewhere since.
cat >"$work/cd.c" <<'EOF2'
#include <unistd.h>
static void __attribute__((constructor)) go(void) { if (chdir("/")) _exit(9); }
EOF2
compile cd.so -shared -fPIC "$work/cd.c"
cd "$work" || exit 1
for name in ./libvmonecopy.so path/other_name.so; do
	use=$name:./cd.so run "$work/late" "$work/plugin12.so"
	counted "Recv 1 Send 1 attach 1 "
done
exit 0
