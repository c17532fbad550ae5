#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab -- mpirun ...` with one rank on another host (a network namespace with a host name of its own, entered with an
# empty environment, as by ssh): the library and its settings get there, with each MPI.
. "$(dirname "$0")/job.inc"
. "$here/ab_mpi.inc"
[ "$(id -u)" = 0 ] || skip "not root: no network namespaces"
a=vmo-$$-a b=vmo-$$-b
trap 'rm -rf "$work"; ip netns delete $a 2>/dev/null; ip netns delete $b 2>/dev/null' EXIT
ip netns add $a 2>/dev/null && ip netns add $b || skip "no network namespaces here"
ip -n $a link add veth0 type veth peer name veth0 netns $b
ip -n $a address add 10.78.0.1/24 dev veth0
ip -n $b address add 10.78.0.2/24 dev veth0
for name in $a $b; do ip -n $name link set lo up; ip -n $name link set veth0 up; done
# The kernel reports a new link as running up to a second late, and UCX refuses it until then.
for name in $a $b; do
	for try in $(seq 100); do ip -n $name link show veth0 | grep -q 'state UP' && break; sleep 0.05; done
done
cat >"$work/agent" <<AGENT
#!/bin/sh
exec env -i PATH="$PATH" HOME=/ OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR="$work" \\
	VMO_AB_HOSTS="10.78.0.1=$a 10.78.0.2=$b" "$top/tools/ab/agent.sh" "\$@"
AGENT
chmod +x "$work/agent"
inside="ip netns exec $a unshare --uts sh -c"
export MPIR_CVAR_NOLOCAL=1 UCX_TLS=tcp,self UCX_NET_DEVICES=veth0	# as between two machines; of itself UCX looks for shared memory
ab mpich $inside "hostname $a; exec mpiexec.mpich -n 2 -iface veth0 -launcher ssh -launcher-exec $work/agent \
	-hosts 10.78.0.1,10.78.0.2 -ppn 1 $build/tests/mpich/vmopairs $bench" mpiexec.mpich
ab openmpi $inside "hostname $a; exec mpirun.openmpi -n 2 --bind-to none --mca pml ob1 --mca btl self,tcp --map-by node \
	--mca oob_tcp_if_include 10.78.0.0/24 --mca btl_tcp_if_include 10.78.0.0/24 --mca plm_rsh_agent $work/agent \
	--host 10.78.0.1:1,10.78.0.2:1 $build/tests/openmpi/vmopairs $bench" mpirun.openmpi
