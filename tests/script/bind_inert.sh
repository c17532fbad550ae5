#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Programs without MPI: same output, same complaints, same exit code with the library preloaded.
. "$(dirname "$0")/bind.inc"

# alike COMMAND...: as it is and preloaded
alike() {
	command -v "$1" >/dev/null || { echo "$me: no $1 here"; return; }
	timeout 30 "$@" </dev/null >"$work/out" 2>"$work/err"
	plain=$?
	LD_PRELOAD=$preload timeout 30 "$@" </dev/null >"$work/out2" 2>"$work/err2"
	preloaded=$?
	[ $plain -eq $preloaded ] || fail "$*: exit code $preloaded, not $plain"
	cmp -s "$work/out" "$work/out2" || fail "$*: different output"
	cmp -s "$work/err" "$work/err2" || fail "$*: different on stderr: $(diff "$work/err" "$work/err2" | sed -n 2p)"
}

cd "$top" || fail "no $top"
alike bash -c 'x=(1 2 3); for i in "${x[@]}"; do echo $((i * i)); done; echo bad >&2; exit 3'
alike bash -c 'echo $(seq 1 100 | sort -rn | head -3); (exit 5); echo $?; cat <<<here | tr a-z A-Z'
alike ls -la shim
alike ls /nonexistent
alike /usr/bin/python3 -c 'import json, threading, subprocess, ctypes
t = [threading.Thread(target=print, args=(i,)) for i in range(3)]
for i in t: i.start(); i.join()
print(subprocess.run(["echo", "child"], capture_output=True), json.dumps({"a": [1] * 1000}))
b = [bytearray(1 << 20) for i in range(50)]; del b
raise SystemExit(4)'
alike git -c safe.directory='*' log -3 --stat
alike git frobnicate
alike ssh -V
alike perl -e 'my @a = map { "x" x $_ } 1 .. 3000; undef @a; print "perl\n"; warn "careful\n"; exit 6'
alike awk 'BEGIN { for (i = 0; i < 100000; i++) a[i] = i; print length(a) }'
alike mpirun.openmpi --version
alike mpiexec.hydra -h
alike mpicc.mpich -show
alike sh -c 'kill -TERM $$'
exit 0
