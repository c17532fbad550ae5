#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy doctor` about what is preloaded in which order, and about a program: its linking, its MPI and the launcher's.
. "$(dirname "$0")/doctor.inc"

# The order of what is preloaded
ours=$fake/libvmonecopy.so
cat >"$work/tool.c" <<'EOF2'
int MPI_Send(void) { return 0; }
int MPI_Init(void) { return 0; }
EOF2
cat >"$work/alloc.c" <<'EOF2'
#include <stddef.h>
extern void __libc_free(void *);
void free(void *p) { __libc_free(p); }
EOF2
"${CC:-gcc}" -shared -fPIC -o "$work/libtool.so" "$work/tool.c" && "${CC:-gcc}" -shared -fPIC -o "$work/liballoc.so" "$work/alloc.c" ||
	fail "cannot compile"
LD_PRELOAD=$work/libtool.so:$ours doctor 0; says PASS preload.order "libtool.so:.*libvmonecopy.so"
LD_PRELOAD=$ours:$work/libtool.so doctor 1; says WARN preload.order 'libtool.so comes behind the library'
fix preload.order "LD_PRELOAD=$work/libtool.so:$ours"
LD_PRELOAD=$ours:$work/liballoc.so doctor 0; says PASS memory.hooks free
LD_PRELOAD=$work/liballoc.so:$ours doctor 1; says WARN preload.order 'liballoc.so comes before.*staged'
fix preload.order "LD_PRELOAD=$ours:$work/liballoc.so"; says WARN memory.hooks "free() is .*liballoc.so's"
LD_PRELOAD=$work/liballoc.so doctor 1; says WARN preload.order 'liballoc.so comes before'	# as run would put it
LD_PRELOAD=$ours doctor 0; says PASS preload.order "LD_PRELOAD=$ours"

# Programs
for mpi in mpich openmpi; do
	[ -x "$build/tests/$mpi/doctor_sends" ] || continue
	default=$("$tool" doctor --no-job | grep mpi.flavour)
	"$tool" doctor --no-job "$build/tests/$mpi/doctor_sends" >"$work/out"
	says PASS app.preload ""
	case $mpi$default in
	*mpirun\ is\ MPICH*mpich* | openmpi*mpirun\ is\ Open\ MPI*) says PASS app.flavour "" ;;
	mpich*mpirun\ is\ Open\ MPI*) says WARN app.flavour "MPICH's.*job of one rank"; fix app.flavour 'mpiexec.mpich' ;;
	esac
done
if printf 'int main(void) { return 0; }\n' >"$work/app.c" && "${CC:-gcc}" -static -o "$work/static" "$work/app.c" 2>/dev/null; then
	doctor 2 "$work/static"; says FAIL app.preload 'linked statically'
fi
"${CC:-gcc}" -o "$work/app" "$work/app.c" && doctor 1 "$work/app"; says WARN app.flavour 'no MPI that the library knows'
doctor 2 "$work/nothing"; says FAIL app.preload 'not found'
exit 0
