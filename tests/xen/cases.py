# SPDX-License-Identifier: LGPL-2.1-or-later
"""The MPI programs that run on real Xen, and what must come of each.

`counters` are conditions on the library's report (shim/counters.def; a counter that is absent is 0; reasons of
shim/reasons.def appear as fell_through_REASON, in messages). Every job must besides end with 0, say that no payload was
wrong, and leave no page granted in any guest.
"""
from dataclasses import dataclass

MPIS = ("mpich", "openmpi")
ROOMY = 16384       # pages of gntalloc's limit: 64 MiB
# A rank that waits longer than this for its receiver detaches. The default of 2 ms is meant for real CPUs; the emulated
# one takes as long for one small message.
PATIENT = "VMONECOPY_PATIENCE_US=30000000"
AT_ONCE = "VMONECOPY_ADMISSION=1"
STAGED = "VMONECOPY_SUBSTITUTE=0"
CROSSED = ("onecopy_bytes > 0", "fell_through_bytes == 0")
LAST_KERNEL = r'"test":"(bucketsort|cg)".*"errors":0'


@dataclass(frozen=True)
class Case:
    """One program, run under each MPI."""
    name: str
    command: str
    counters: tuple = ()
    env: tuple = ()
    says: str = r"traffic: .* 0 wrong"
    limit: int = ROOMY
    timeout: int = 40
    guests: int = 2
    per_guest: int = 1
    mpis: tuple = MPIS
    dies: bool = False


CASES = (
    Case("one-copy", "./traffic.MPI sizes=1000000,65536,16384 count=12",
         ("onecopy_bytes > 0", "pulled_bytes >= onecopy_bytes", "fell_through_bytes == 0"), (PATIENT,)),
    Case("substitution", "./traffic.MPI sizes=2000001 count=20",
         ("onecopy_messages == 40", "staged_messages == 0", "0 < substitutions <= 4", "moves + detaches == 0",
          "edge_bytes < 40 * 8192"), (PATIENT, AT_ONCE)),
    Case("persistent-mapping", "./traffic.MPI sizes=500000 count=60",
         ("pulled_messages == 120", "0 < maps <= 4", "map_evictions == 0", "map_hits >= pulled_messages - maps"),
         (PATIENT,)),
    Case("detach", "./traffic.MPI sizes=1000000 count=8 pattern=late late_ms=150",
         ("late_bytes > 0", "moves + detaches > 0", "pulled_messages == 8"), ("VMONECOPY_PATIENCE_US=0", AT_ONCE)),
    Case("staging", "./traffic.MPI sizes=1000000,20000 count=10",
         ("staged_messages == 40", "onecopy_messages == 0", "substitutions == 0"), ("VMONECOPY_SUBSTITUTE=0",)),
    Case("fresh-buffers", "./traffic.MPI sizes=1000000 count=12 pattern=fresh",
         ("pulled_messages == 24", "fell_through_bytes == 0"), (PATIENT,)),
    Case("grant-copy", "./traffic.MPI sizes=1000000,65536 count=6",
         ("grant_copy_bytes == pulled_bytes", "pulled_messages == 24", "maps == 0"), ("VMONECOPY_MAP_BUDGET=0", PATIENT)),
    Case("little-to-map", "./traffic.MPI sizes=3000000,1000000 count=8",
         ("pulled_messages == 32", "fell_through_bytes == 0"), ("VMONECOPY_MAP_BUDGET=2M", PATIENT)),
    Case("refusal", "./traffic.MPI sizes=1000000,65536 count=4",
         ("refusals == 16", "fell_through_refused == 16", "onecopy_bytes == 0", "pulled_messages == 0"),
         ("VMONECOPY_MAP_BUDGET=0", "VMONECOPY_GRANT_COPY=0", PATIENT)),
    Case("limit-reached", "./traffic.MPI sizes=8000000,1000000 count=4",
         ("fell_through_no_pool > 0", "granted_pages <= 2048"), (PATIENT,), limit=1024),
    Case("off", "./traffic.MPI sizes=1000000 count=3", ("onecopy_bytes == 0", "granted_pages == 0"), ("VMONECOPY=0",)),
    Case("two-ranks-a-guest", "./traffic.MPI sizes=1000000 count=6",
         ("onecopy_bytes > 0", "fell_through_same_vm > 0"), (PATIENT,), per_guest=2, mpis=("mpich",)),
    Case("fortran", "./fortran.MPI", ("onecopy_bytes > 0",), (PATIENT,), says="traffic: Fortran, 0 wrong"),
    # Not under Open MPI: its daemons, root's in the lab, talk to ranks of their own user alone.
    Case("unprivileged", "as-user ./traffic.MPI sizes=1000000 count=6", ("pulled_messages == 12",), (PATIENT,),
         mpis=("mpich",)),
    Case("killed", "./traffic.MPI sizes=4000000 count=8 die=1", says="", timeout=40, env=(AT_ONCE,), dies=True),
    Case("after-killed", "./traffic.MPI sizes=1000000 count=6", ("pulled_messages == 12", "fell_through_bytes == 0"),
         (PATIENT,)),
    Case("three-guests", "./traffic.MPI sizes=1000000,65536 count=8 pattern=fan",
         ("pulled_messages == 32", "onecopy_messages > 0", "staged_messages >= 8"), (PATIENT, AT_ONCE), guests=3),
    Case("three-guests-exchange", "./traffic.MPI sizes=600000 count=6", ("pulled_messages == 24",), (PATIENT,), guests=3,
         mpis=("mpich",)),
    # Budgets: none, one page, one run, exactly what is needed, a page less; a whole VM's; more buffers than fit.
    Case("budget-none", "./budget.MPI fit 65536", ("onecopy_messages + staged_messages == 0", "granted_pages == 0"), says="ok",
         limit=1, timeout=100),
    Case("budget-page", "./budget.MPI fit 65536", ("fell_through_no_pool == 16", "granted_pages == 2"),
         ("VMONECOPY_GRANT_BUDGET=4K", STAGED, PATIENT), says="ok", timeout=100),
    Case("budget-run", "./budget.MPI fit 1048576", ("staged_messages == 16", "granted_pages == 516"),
         ("VMONECOPY_GRANT_BUDGET=1032K", STAGED, PATIENT), says="ok"),
    Case("budget-page-too-few", "./budget.MPI fit 1048576", ("fell_through_no_pool == 16", "granted_pages <= 516"),
         ("VMONECOPY_GRANT_BUDGET=1028K", STAGED, PATIENT), says="ok", timeout=100,
         mpis=("mpich",)),
    Case("budget-limit", "./budget.MPI fit 1048576", ("staged_messages == 16", "granted_pages == 516"), (STAGED, PATIENT),
         says="ok", limit=344),
    Case("budget-map-run", "./budget.MPI fit 1048576", ("maps == 2", "map_hits == 14"),
         ("VMONECOPY_MAP_BUDGET=1M", STAGED, PATIENT), says="ok", mpis=("mpich",)),
    Case("budget-map-page-too-few", "./budget.MPI fit 1048576", ("maps == 0", "grant_copy_bytes == 16 * 1048576"),
         ("VMONECOPY_MAP_BUDGET=1020K", STAGED, PATIENT), says="ok", mpis=("mpich",)),
    Case("budget-of-a-vm", "./budget.MPI fit 1048576", ("granted_pages <= 550",),
         ("VMONECOPY_GRANT_BUDGET=1032K", "VMONECOPY_VM_GRANT_BUDGET=1100K", STAGED, PATIENT), says="ok", per_guest=2,
         mpis=("mpich",)),
    Case("rotation", "./budget.MPI rotate 6",
         ("evicted_buffers > 0", "onecopy_messages > staged_messages", "fell_through_bytes == 0"),
         ("VMONECOPY_ADMISSION=2", "VMONECOPY_RUN=800K", "VMONECOPY_GRANT_BUDGET=808K", PATIENT), says="ok", timeout=80),
    Case("idle-runs", "./idle_runs.MPI peak", ("returned_runs > 0", "fell_through_bytes == 0"),
         ("VMONECOPY_IDLE_MS=20", STAGED, PATIENT), says="ok", timeout=80),
    Case("idle-runs-three-guests", "./idle_runs.MPI turn", ("returned_runs > 0", "staged_messages > 8"),
         ("VMONECOPY_IDLE_MS=0", "VMONECOPY_GRANT_BUDGET=1040K", STAGED, PATIENT), says="ok", timeout=120, guests=3,
         mpis=("mpich",)),
    # Collectives; the programs of tests/mpi, with fewer calls.
    Case("alltoall", "./coll_alltoall.MPI 24", ("pulled_messages > 0", "fell_through_no_pool == 0", "refusals == 0"), (PATIENT, AT_ONCE),
         says="ok", timeout=100),
    Case("gather", "./coll_gather.MPI 40", ("pulled_messages > 0", "fell_through_bytes == 0"), (PATIENT, AT_ONCE),
         says="ok", timeout=100),
    Case("reduce", "./coll_reduce.MPI 40", ("operand_bytes > 0", "fell_through_bytes == 0"), (PATIENT, AT_ONCE),
         says="ok", timeout=100),
    Case("reduce-grant-copy", "./coll_reduce.MPI 20", ("grant_copy_bytes > 0", "operand_bytes == 0"),
         ("VMONECOPY_MAP_BUDGET=0", PATIENT), says="ok", timeout=100, mpis=("mpich",)),
    Case("collectives-two-a-guest", "./coll_gather.MPI 20", ("pulled_messages > 0", "fell_through_same_vm > 0"), (PATIENT,),
         says="ok", timeout=150, per_guest=2, mpis=("mpich",)),
    # The kernels of tools/bench, in C and in Fortran: each result is checked by the program, which else ends with 3.
    Case("kernel", "./vmokernel.MPI --sizes 65536 --ms 1 --batches 1", CROSSED, (PATIENT, AT_ONCE), says=LAST_KERNEL,
         timeout=100),
    Case("kernel-fortran", "./vmokernelf.MPI --sizes 65536 --ms 1 --batches 1", CROSSED, (PATIENT, AT_ONCE),
         says=LAST_KERNEL, timeout=100),
    Case("nas", "./vmonas.MPI --sizes 65536 --ms 1 --batches 1", CROSSED, (PATIENT, AT_ONCE), says=LAST_KERNEL, timeout=100),
    Case("nas-fortran", "./vmonasf.MPI --sizes 65536 --ms 1 --batches 1", CROSSED, (PATIENT, AT_ONCE), says=LAST_KERNEL,
         timeout=100),
    Case("collectives-three-guests", "./coll_reduce.MPI 20", ("operand_bytes > 0",), (PATIENT, AT_ONCE), says="ok",
         timeout=150, guests=3, mpis=("mpich",)),
)
