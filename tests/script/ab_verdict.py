# SPDX-License-Identifier: LGPL-2.1-or-later
"""Made-up runs, reports and answers, and what must follow from them."""
import contextlib
import io
import os
import sys
from collections import Counter
from types import SimpleNamespace

sys.path.insert(0, os.path.join(os.environ.get("VMO_ROOT", os.path.join(os.path.dirname(__file__), "../..")), "tools"))
from ab import WrongResult, carried, intervals, launcher, modes, osu, paths, plans, svg, verdict  # noqa: E402

FULL = """[1] rank 1 says vmonecopy: 4 ranks, 3.0 MiB sent in large messages: 66.7 % one-copy, 33.3 % staged, 0.0 % fell through
vmonecopy:   onecopy_bytes 2097152
vmonecopy:   edge_bytes 1000
vmonecopy:   bounced_bytes 24
noise vmonecopy:   staged_bytes 1048576
vmonecopy:   fell_through.same_vm 3 messages 77 bytes
vmonecopy:   fell_through_bytes 77
"""


def check_intervals():
    """Ranks and confidences are those of the sign test's tables."""
    ten = intervals.estimate(list(range(10, 0, -1)))
    assert (ten.median, ten.low, ten.high) == (5.5, 2, 9) and abs(ten.confidence - 0.978515625) < 1e-12
    six = intervals.estimate([3, 1, 2, 6, 5, 4])
    assert (six.low, six.high, six.confidence) == (1, 6, 0.96875)
    assert intervals.estimate([1, 2, 3, 4, 5]).low is None and intervals.samples_needed() == 6
    fifty = intervals.estimate(range(1, 51))
    assert (fifty.low, fifty.high) == (18, 33), fifty
    assert intervals.estimate(range(1, 12), 0.5).low == 4


def runs(without, with_, onecopy=1 << 20):
    """Pairs with these wall times."""
    said = carried.Carried(1, (), onecopy, 4096, 0, True)
    side = lambda seconds: SimpleNamespace(seconds=seconds, output=None, carried=said)
    return [verdict.Pair("with", side(a), side(b)) for a, b in zip(without, with_)]


def judged(*arguments):
    """The result of such pairs."""
    return verdict.Result(runs(*arguments), 0.95, {"command": "x"}, [])


def check_verdicts():
    """A speed-up is claimed where the interval keeps off 1 and bytes went one-copy, and nowhere else."""
    quick = judged([2, 2.1, 2.2, 2, 2, 2.4], [1] * 6)
    assert quick.verdict == "quicker" and "2.05 times as quick" in verdict.sentence(quick), verdict.sentence(quick)
    spans = judged([2, 2, 2, 2, 2, 0.9], [1] * 6)
    assert spans.verdict == "no difference shown" and "which holds 1" in verdict.sentence(spans)
    assert judged([1] * 6, [1] * 6).verdict == "no difference shown"
    slow = judged([1] * 6, [2] * 6)
    assert slow.verdict == "slower" and verdict.sentence(slow).startswith("SLOWER with the library: 2.00 times the time")
    assert judged([2] * 5, [1] * 5).verdict == "no interval"
    empty = judged([2] * 6, [1] * 6, 0)
    assert empty.verdict == "no bytes one-copy" and "times as quick" not in "\n".join(verdict.lines(empty))
    assert verdict.document(empty)["ratio"] is None and all(row["ratio"] is None for row in verdict.rows(empty))
    assert judged([1] * 6, [2] * 6, 0).verdict == "slower"
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            verdict.present(SimpleNamespace(json=None, csv=None, svg=None), empty)
        except WrongResult as reason:
            assert "carried no bytes one-copy" in str(reason)
        else:
            raise AssertionError("no bytes, and no refusal")


def row(test, without, with_, onecopy, large=True):
    """One line of the built-in measurements."""
    made = osu.Row("mpich", test, "warm", 65536, large, True, 0.95)
    for a, b in zip(without, with_):
        made.add("without", a, None)
        made.add("with", b, carried.Carried(1, (), onecopy, 10, 0, True))
    return made


def check_rows():
    """The same of a row; a bandwidth is the better the greater."""
    assert row("latency", [8] * 6, [2] * 6, 1).verdict == "quicker" and row("bw", [8] * 6, [2] * 6, 1).verdict == "slower"
    assert row("bw", [2] * 6, [8] * 6, 1).shown_ratio.median == 4
    none = row("latency", [8] * 6, [2] * 6, 0)
    assert none.verdict == "none one-copy" and none.shown_ratio is None and osu.csv_row(none)["ratio"] is None
    assert row("latency", [2] * 6, [8] * 6, 0).shown_ratio.median == 0.25
    assert row("latency", [8] * 6, [2] * 6, 0, large=False).verdict == "below threshold"
    assert row("latency", [8, 8, 8, 8, 8, 1], [2] * 6, 1).verdict == "no difference"


def check_reports():
    """Whatever stands before the library's words; bytes copied twice are not one-copy; two jobs add up."""
    one = carried.from_text(FULL)
    assert (one.reports, one.onecopy_bytes, one.staged_bytes, one.fell_through_bytes) == (1, 2096128, 1049600, 77), one
    assert carried.from_text(FULL + FULL).onecopy_bytes == 2 * 2096128 and not one.emulated
    line = carried.from_text("vmonecopy: 2 ranks, 1.2 GiB sent in large messages: 98.7 % one-copy, 1.3 % staged, "
                             "0.0 % fell through [EMULATED Xen]\n")
    assert line.emulated and abs(line.onecopy_bytes / (1.2 * 2 ** 30 * 0.987) - 1) < 1e-6
    small = carried.from_text("vmonecopy: 2 ranks, 0 bytes sent in large messages [EMULATED Xen]\n")
    assert small.reports == 1 and not small.onecopy_bytes and "VMONECOPY_THRESHOLD" in small.why_nothing()
    off = carried.from_text("x vmonecopy: INACTIVE: switched off by VMONECOPY=0\n")
    assert off.reports == 1 and off.why_nothing() == "switched off by VMONECOPY=0"
    assert carried.from_text("vmonecopy: rank 3: a warning\n").reports == 0


def check_launchers():
    """By what they say."""
    for answer, kind in (("HYDRA build details:\n    Version:      4.0.2\n", "hydra"), ("mpirun (Open MPI) 4.1.4\n", "openmpi"),
                         ("mpirun.openmpi (OpenRTE) 4.1.4\n", "openmpi"), ("prterun (PRRTE) 3.0.2\n", "openmpi"),
                         ("Intel(R) MPI Library for Linux* OS, Version 2021.9\n", "hydra"), ("slurm 22.05.8\n", "slurm"),
                         ("", "unknown"), ("GNU bash, version 5\n", "unknown")):
        assert launcher.identify(answer)[0] == kind, answer
    openmpi = launcher.Launcher("openmpi", "4", 1)
    command, environment = launcher.forward(openmpi, ["nice", "mpirun", "-n", "2", "a"], {launcher.ENV_LIST: "A=1"}, ["LD_PRELOAD"])
    assert command[1:3] == ["mpirun", "-n"] and environment[launcher.ENV_LIST] == "A=1;LD_PRELOAD"
    command, environment = launcher.forward(openmpi, ["nice", "mpirun", "-x", "FOO", "a"], {}, ["LD_PRELOAD", "B"])
    assert command == ["nice", "mpirun", "-x", "LD_PRELOAD", "-x", "B", "-x", "FOO", "a"] and not environment
    assert launcher.forward(launcher.Launcher("hydra", "4", 0), ["mpiexec"], {}, ["B"]) == (["mpiexec"], {})
    assert launcher.appended("a.so:/x/libvmonecopy.so b.so", "/y/libvmonecopy.so") == "a.so:b.so:/y/libvmonecopy.so"
    assert launcher.without_ours({"LD_PRELOAD": "/x/libvmonecopy.so", "VMONECOPY_LOG": "info", "XENEMU_DIR": "/", "A": "1"}) == {"A": "1"}


def check_plans_and_pictures():
    """Each side begins as often as the other; labels keep their distance; ticks are few and lie within."""
    seen = Counter(tuple(plans.first_sides(6, ("a", "b"), seed)) for seed in range(200))
    assert all(order.count("a") == 3 for order in seen) and len(seen) > 10
    places = svg.spread([100, 101, 102, 30], 15, 10, 110)
    assert sorted(places) == [places[3], places[0], places[1], places[2]] and max(places) <= 110
    assert all(b - a >= 14.99 for a, b in zip(sorted(places), sorted(places)[1:]))
    for low, high in ((0.3, 40), (5, 20000), (0.9, 1.2), (3.7, 12), (0.5, 2.1), (1, 1e7)):
        ticks = svg.Log(low, high, 0, 100).ticks()
        assert 3 <= len(ticks) <= 8 and all(low * 0.99 <= tick <= high * 1.01 for tick in ticks), ticks


def check_hosts():
    """Two hosts of the caller's: one rank in turn on each, and no transport forced."""
    with paths.Hosts(["vm1", "vm2"]) as path:
        mode = modes.MODES[1]
        assert modes.Hydra.words(mode, path, 4) == ["-n", "4", "-hosts", "vm1,vm2", "-ppn", "1"]
        assert modes.OpenRte.words(mode, path, 4)[-3:] == ["vm1:2,vm2:2", "--map-by", "node"]
        assert not modes.Hydra.environment(mode, path, 4) and "--mca" not in modes.OpenRte.words(mode, path, 4)
        made = path.directory
    assert not os.path.exists(made) and not path.emulated


for check in (check_hosts, check_intervals, check_verdicts, check_rows, check_reports, check_launchers, check_plans_and_pictures):
    check()
print("ok: intervals, verdicts, reports, launchers, plans")
