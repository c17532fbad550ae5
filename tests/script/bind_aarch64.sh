#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The entries for aarch64 assemble and link into a complete library; where qemu-user is installed,
# all calls run there too, through the lazy stub and bound.
. "$(dirname "$0")/bind.inc"
cross=aarch64-linux-gnu
CC=$cross-gcc
command -v $CC >/dev/null || skip "no $CC (packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)"

sed 's/^VMO_HOOK_VERSION/GLIBC_2.17/' "$top/shim/libvmonecopy.map" >"$work/libvmonecopy.map"
compile libvmonecopy.so -shared -fPIC -fvisibility=hidden -mbranch-protection=standard -Wl,-z,defs,-z,now,-z,relro \
	-DVMO_HOOK_VERSION='"GLIBC_2.17"' -Wl,--version-script="$work/libvmonecopy.map" \
	"$top/shim/entry_aarch64.S" "$top/shim/bind.c" "$top/shim/memhook.c" "$top/shim/threadhook.c" "$top/shim/pmixhook.c" "$top/shim/api.c"

calls | sed 's/.*/MPI_&\nPMPI_&/' | LC_ALL=C sort >"$work/wanted"
$cross-nm -D --defined-only "$work/libvmonecopy.so" | awk '{print $3}' | grep MPI_ | LC_ALL=C sort >"$work/is"
diff "$work/wanted" "$work/is" >"$work/diff" || fail "exports differ (< missing, > too many): $(grep '^[<>]' "$work/diff" | tr '\n' ' ')"
[ "$($cross-readelf -dW "$work/libvmonecopy.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | grep -v '^ld-linux')" = libc.so.6 ] ||
	fail "it needs more than libc"

# Each slot starts as the lazy stub of its own call, and that stub names its own place.
compile entry.o -c "$top/shim/entry_aarch64.S"
place=0
for name in $(calls); do
	$cross-objdump -d --disassemble=vmo_lazy_$name "$work/entry.o" | grep -Eq "mov[[:space:]]+w16, #0x$(printf %x $place)([[:space:]]|\$)" ||
		fail "the lazy stub of $name has not place $place"
	$cross-readelf -rW "$work/entry.o" | grep -Eq "^0*$(printf %x $((place * 8))) .*_ABS64 .*\.text|^0*$(printf %x $((place * 8))) .*_ABS64 .*vmo_lazy_$name" ||
		fail "slot $place has no stub"
	place=$((place + 1))
done
$cross-readelf -nW "$work/entry.o" | grep -q BTI || fail "no BTI mark"

emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || { echo "$me: linked; not run: no qemu-aarch64 (package qemu-user)"; exit 0; }
compile libfake.so -shared -fPIC -Wl,-soname,libfake.so -DFAKE_VERSION='"Nobody'"'"'s MPI"' "$here/bind_fakempi.c"
compile call_all "$here/bind_call_all.c" -rdynamic -Wl,--unresolved-symbols=ignore-all "$work/libfake.so"
for first in 0 1 7 34 95; do
	timeout 50 "$emulator" -cpu max -L /usr/$cross -E LD_LIBRARY_PATH="$work:/usr/$cross/lib" \
		-E LD_PRELOAD="$work/libvmonecopy.so" "$work/call_all" $first >"$work/out" 2>"$work/err" ||
		fail "first call $first: $(head -1 "$work/out") $(head -1 "$work/err")"
	grep -q '^vmonecopy: INACTIVE: ' "$work/err" || fail "first call $first: the library was not in the way"
done
exit 0
