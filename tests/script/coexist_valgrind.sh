#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Under valgrind's memcheck the program is right, and no error and no leak is of the library's or the emulated Xen's own
# code (what the MPIs do within the library's calls of them is theirs). Substitution is off there, for valgrind has an allocator
# of its own; so all is staged, and the test says so if that changes.
. "$(dirname "$0")/job.inc"
command -v valgrind >/dev/null || skip "no valgrind"
command -v mpicc.mpich >/dev/null || command -v mpicc.openmpi >/dev/null || skip "no MPI compiler"
seconds=150

# Is an error of the library seen at all? A block that is too short, read by a library of that name.
cat >"$work/bad.c" <<'EOF2'
#include <stdlib.h>
int bad(void) { char *volatile p = malloc(8); return p[8]; }
EOF2
echo 'int bad(void); int main(void) { return bad() & 0; }' >"$work/main.c"
${CC:-gcc} -g -shared -fPIC -o "$work/libvmonecopy-bad.so" "$work/bad.c" &&
	${CC:-gcc} -o "$work/bad" "$work/main.c" "$work/libvmonecopy-bad.so" -Wl,-rpath,"$work" || fail "does not compile"

# of_ours FILE...: errors whose stack ends in the library, but for functions of libc and valgrind that it called
cat >"$work/of_ours.py" <<'EOF2'
import re
import sys
import xml.etree.ElementTree as tree
for path in sys.argv[1:]:
    for error in tree.parse(path).getroot().iter("error"):
        for stack in error.iter("stack"):
            frames = [(f.findtext("obj") or "", f.findtext("fn") or f.findtext("ip")) for f in stack.iter("frame")]
            own = [obj for obj, _ in frames if not re.search(r"/(libc|ld-linux[^/]*|vgpreload[^/]*)\.so", obj)]
            if own and re.search("libvmonecopy|libxenemu", own[0]):
                print(error.findtext("kind"), " < ".join(fn for _, fn in frames[:8]))
                break
EOF2
valgrind -q --leak-check=full --xml=yes --xml-file="$work/bad.xml" "$work/bad" 2>/dev/null
[ "$(python3 "$work/of_ours.py" "$work/bad.xml" | cut -d' ' -f1 | tr '\n' ' ')" = "InvalidRead Leak_DefinitelyLost " ] || fail "a bad read in a library of that name is not seen"

missing=
for mpi in mpich openmpi; do
	command -v mpicc.$mpi >/dev/null || { missing="$missing mpicc.$mpi"; continue; }
	need_mpi $mpi
	mpicc.$mpi -g -O1 -Wall -Werror -Wno-stringop-overflow -o "$work/program" "$here/coexist_program.c" || fail "$mpi: does not compile"
	job $mpi valgrind -q --leak-check=full --xml=yes --xml-file="$work/$mpi.%p.xml" "$work/program"
	code=$?
	[ $code = 0 ] && grep -q '^right$' "$work/out" || fail "$mpi: exit code $code: $(last_words)"
	[ "$(counter staged_bytes)" -gt 0 ] || fail "$mpi: the library carried nothing: $(line)"
	[ "$(counter substitutions)" = 0 ] || fail "$mpi: buffers are substituted under valgrind now; look again at what it sees"
	[ "$(ls "$work"/$mpi.*.xml | wc -l)" = 2 ] || fail "$mpi: no word of valgrind"
	python3 "$work/of_ours.py" "$work"/$mpi.*.xml >"$work/errors" || fail "$mpi: valgrind's words cannot be read"
	[ ! -s "$work/errors" ] || fail "$mpi: $(sort -u "$work/errors" | head -5 | tr '\n' ';')"
done
[ -z "$missing" ] || skip "the rest is right, but there is no$missing"
exit 0
