#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab -- mpirun ...` with each MPI: the library reaches the ranks without any help in the command line, also next
# to an -x of the caller's, and on another host (a network namespace, entered with an empty environment, as by ssh).
. "$(dirname "$0")/job.inc"
for mpi in mpich openmpi; do
	need_mpi $mpi
	[ -x "$build/tests/$mpi/vmopairs" ] || skip "$build/tests/$mpi/vmopairs is not built"
done

# ab MPI COMMAND...: two pairs; the library must have carried bytes in each, without and with other words of the command
ab() {
	mpi=$1
	shift
	rm -f "$work/ab.json"
	timeout -k 5 100 "$top/tools/vmonecopy" ab --build "$build" --emulated --pairs 2 --warmup 1 --compare 'cut -d, -f2-5' \
		--json "$work/ab.json" -- "$@" >"$work/out" 2>"$work/err" </dev/null || fail "$*: exit status $?: $(last_words)"
	python3 - "$work/ab.json" "$mpi" <<'CHECK' || fail "$*: the JSON is not as it must be"
import json, sys
document = json.load(open(sys.argv[1]))
name = {"mpich": "hydra", "openmpi": "Open MPI 4"}[sys.argv[2]]
assert name in document["conditions"]["launcher"], document["conditions"]["launcher"]
assert document["emulated"] and document["output"]["bytes"] > 0 and document["verdict"] == "no interval"
assert len(document["pairs"]) == 2 and all(pair["onecopy_bytes"] > 0 for pair in document["pairs"]), document["pairs"]
CHECK
	echo "ok: $mpi: $(echo "$*" | cut -c1-60)..."
}
bench="--tests latency --sizes 65536 --ms 5 --batches 2"
ab mpich mpiexec.mpich -n 2 "$build/tests/mpich/vmopairs" $bench
ab openmpi mpirun.openmpi -n 2 --oversubscribe "$build/tests/openmpi/vmopairs" $bench
FOO=1 ab openmpi env BAR=1 mpirun.openmpi -x FOO -n 2 --oversubscribe "$build/tests/openmpi/vmopairs" $bench
FOO=1 ab openmpi sh -c "mpirun.openmpi -x FOO -n 2 --oversubscribe $build/tests/openmpi/vmopairs $bench" mpirun.openmpi

[ "$(id -u)" = 0 ] || { echo "not root: ranks on another host are not tried"; exit 0; }
a=vmo-$$-a b=vmo-$$-b
trap 'rm -rf "$work"; ip netns delete $a 2>/dev/null; ip netns delete $b 2>/dev/null' EXIT
ip netns add $a 2>/dev/null && ip netns add $b || { echo "no network namespaces here: ranks on another host are not tried"; exit 0; }
ip -n $a link add veth0 type veth peer name veth0 netns $b
ip -n $a address add 10.78.0.1/24 dev veth0
ip -n $b address add 10.78.0.2/24 dev veth0
for name in $a $b; do ip -n $name link set lo up; ip -n $name link set veth0 up; done
for try in $(seq 100); do ip -n $a link show veth0 | grep -q 'state UP' && break; sleep 0.05; done
cat >"$work/agent" <<AGENT
#!/bin/sh
exec env -i PATH="$PATH" HOME=/ OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR="$work" \\
	VMO_AB_HOSTS="10.78.0.1=$a 10.78.0.2=$b" "$top/tools/ab/agent.sh" "\$@"
AGENT
chmod +x "$work/agent"
inside="ip netns exec $a unshare --uts sh -c"
ab mpich $inside "hostname $a; exec mpiexec.mpich -n 2 -iface veth0 -launcher ssh -launcher-exec $work/agent \
	-hosts 10.78.0.1,10.78.0.2 -ppn 1 $build/tests/mpich/vmopairs $bench" mpiexec.mpich
ab openmpi $inside "hostname $a; exec mpirun.openmpi -n 2 --bind-to none --mca pml ob1 --mca btl self,tcp --map-by node \
	--mca oob_tcp_if_include 10.78.0.0/24 --mca btl_tcp_if_include 10.78.0.0/24 --mca plm_rsh_agent $work/agent \
	--host 10.78.0.1:1,10.78.0.2:1 $build/tests/openmpi/vmopairs $bench" mpirun.openmpi
