#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `mpirun -n 2 vmonecopy run --emulated ./app` needs neither -x nor -genv: the job goes one-copy, under both MPIs. An
# exported LD_PRELOAD besides does no harm. A static program runs as a job without the library, and says so once.
. "$(dirname "$0")/job.inc"
export VMONECOPY_BUILD="$build"
tool=$top/tools/vmonecopy
seconds=40

right() { # WHAT: both ranks met and all bytes were right
	[ $? -eq 0 ] && grep -q '^ranks 2$' "$work/out" && grep -q '^wrong_bytes 0$' "$work/out" || fail "$mpi, $1: $(last_words)"
}
one_copy() {
	[ "$(counter onecopy_bytes)" -gt 0 ] && line | grep -q EMULATED || fail "$mpi, $1: nothing went one-copy: $(last_words)"
}

for mpi in mpich openmpi; do
	need_mpi $mpi
	app=$build/tests/$mpi/doctor_sends
	[ -x "$app" ] || skip "$app is not built"
	plain_job $mpi "$tool" run --emulated --report full --admission 1 --patience-us 9000000 -- "$app"
	right "run"; one_copy "run"
	plain_job $mpi env LD_PRELOAD="$preload" "$tool" run --emulated --report full --patience-us 9000000 "$app"
	right "LD_PRELOAD besides"; one_copy "LD_PRELOAD besides"
	plain_job $mpi "$tool" run --emulated --off "$app"
	right "off"
	line | grep -q 'switched off by VMONECOPY=0' || fail "$mpi, off: $(last_words)"
done
if printf 'int main(void) { return 0; }\n' >"$work/app.c" && "${CC:-gcc}" -static -o "$work/static" "$work/app.c" 2>/dev/null; then
	plain_job mpich "$tool" run "$work/static" || fail "static program: $(last_words)"
	[ "$(grep -c 'linked statically' "$work/err")" -eq 1 ] || fail "static program: not one line: $(cat "$work/err")"
fi
exit 0
