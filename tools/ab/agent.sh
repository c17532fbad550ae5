#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# agent.sh: what ssh is between two machines, between two network namespaces.
#
#   VMO_AB_HOSTS="ADDRESS=NAMESPACE ADDRESS=NAMESPACE" agent.sh [-options] ADDRESS command...
#
# Runs the command in that namespace, under a host name and with System V memory of its own: an MPI then takes the two
# for two machines.
# MPICH's hydra (-launcher-exec) and Open MPI (plm_rsh_agent) call it as they would call ssh: the words
# after the host are joined and read by a shell.
while :; do
	case $1 in
	-*) shift ;;
	*) break ;;
	esac
done
host=$1
shift
for pair in $VMO_AB_HOSTS; do
	[ "${pair%%=*}" = "$host" ] || continue
	namespace=${pair#*=}
	exec ip netns exec "$namespace" unshare --uts --ipc \
		sh -c 'echo "$0" >/proc/sys/kernel/hostname; exec sh -c "$1"' "$namespace" "$*"
done
echo "agent.sh: no namespace for host '$host' in VMO_AB_HOSTS='$VMO_AB_HOSTS'" >&2
exit 255
