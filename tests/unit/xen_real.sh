# SPDX-License-Identifier: LGPL-2.1-or-later
# A job for tools/xenlab: the unit tests of floors 2 and 3 on real Xen, one side in each guest.
#   files=$(printf -- '--file build/tests/unit/%s ' xen_grant_map xen_ports ...)
#   tools/xenlab/xenlab run $files tests/unit/xen_real.sh
[ "$ROLE" = 1 ] && peer_ip=10.0.0.2 || peer_ip=10.0.0.1
export VMO_TEST_GUEST="$ROLE $PEERDOM $peer_ip"
modprobe xen-gntalloc 2>/dev/null
echo 8192 > /sys/module/xen_gntalloc/parameters/limit
failed=0
for test in xen_* pool_* mapcache_*; do
	[ -x "$test" ] || continue
	./"$test" > out 2>&1
	rc=$?
	echo "$test: $rc $(head -c 400 out)"
	[ $rc = 0 ] || failed=1
	barrier "$test"		# the next test's listener is not this one's
done
exit $failed
