# SPDX-License-Identifier: LGPL-2.1-or-later
"""ScaLAPACK's testers as Debian built them (package scalapack-mpi-test), with their own input files, on four ranks.

They check their results themselves, test by test; all their verdicts must be the same with the library. Their
matrices are small: with the least threshold nearly all of what the BLACS send goes one-copy, most of it strided.
"""
import glob
import os
import re

from .testlist import Test

SUITE = "scalapack"
RANKS = 4
SECONDS = 120
# Factorizations, eigenvalues, the parallel BLAS; real and complex. The single precision ones send the same way.
TESTERS = ("LU: xdlu xzlu", "LLT: xdllt xzllt", "QR: xdqr xzqr", "LS: xdls", "INV: xdinv", "BRD: xdbrd", "HRD: xdhrd",
           "TRD: xdtrd xztrd", "NEP: xdnep", "SEP: xdsep xdgsep", "SVD: xdsvd", "EVC: xzevc",
           "BLU: xddblu xdgblu xddtlu xzgblu", "BLLT: xdpbllt xdptllt xzpbllt")
BLACS = ("xCbtest", "xFbtest")
PBLAS = ("dpb1tst", "dpb2tst", "dpb3tst", "zpb1tst", "zpb2tst", "zpb3tst")


def folder_of(mpi):
    """Where Debian puts this MPI's testers, or None."""
    found = sorted(glob.glob(f"/usr/lib/*/scalapack/{mpi.name}-tests"))
    return found[0] if found else None


def tests_of(mpi):
    """All testers; none where the package is not installed."""
    top = folder_of(mpi)
    if not top:
        return []
    tests = []
    for data, names in (line.split(": ") for line in TESTERS):
        tests += [_test(f"{top}/{name}", [f"{top}/{data}.dat"]) for name in names.split()]
    tests += [_test(f"{top}/BLACS/{name}", sorted(glob.glob(f"{top}/BLACS/*.dat"))) for name in BLACS]
    tests += [_test(f"{top}/PBLAS/{name}", [f"{top}/PBLAS/P{name[0].upper()}BLAS{name[3]}TST.dat"]) for name in PBLAS]
    return tests


def _test(program, data):
    files = tuple((os.path.basename(path), _adapted(path)) for path in data)
    return Test(SUITE, SUITE, program, RANKS, result="own", seconds=SECONDS, files=files)


def _adapted(path):
    """An input file, with condition estimation switched off: with that on, xdlu hangs by itself now and then."""
    with open(path, encoding="utf-8") as file:
        return re.sub(r"^T(?=.*Cond)", "F", file.read(), flags=re.MULTILINE | re.IGNORECASE)
