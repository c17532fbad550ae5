#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `vmonecopy ab`: wrong usage costs one line; when interrupted it leaves nothing behind.
. "$(dirname "$0")/ab.inc"

# The library's own words where it is not to be; wrong usage; each costs one line.
SAYS_WITHOUT=1 ab 2 'the library is there in the run without it' -- "$job"
ab 2 'the command brings the library itself' -- env LD_PRELOAD=/x/libvmonecopy.so "$job"
ab 2 'the command brings the library itself' -- mpirun -n 2 vmonecopy run -- ./app
ab 2 'no such command' -- "$scratch/nothing"
ab 2 'unrecognized arguments: --pears' --pears 3 -- "$job"
ab 2 'invalid int value' --pairs many -- "$job"
ab 2 '--pairs and --warmup: 1 or more' --pairs 0 -- "$job"
ab 2 '--sizes is for the built-in measurements' --sizes 1M -- "$job"
ab 2 '--pairs is for a program' --pairs 3
ab 2 '--confidence 100: from 50' --confidence 100 -- "$job"
ab 2 'no such directory: make it first' --csv "$scratch/no/where.csv" -- "$job"
ab 2 'no such file' --stdin "$scratch/nothing" -- "$job"
ab 2 'there are latency, bw' --tests latncy
ab 2 'there are warm, cold' --buffers tepid
ab 2 'no end within 1 s' --limit 1 -- sleep 100

# Ctrl-C: status 130, and nothing is left, not even what has left the job's session.
cat >"$scratch/long" <<'JOB'
#!/bin/sh
setsid sh -c 'echo $$ >"$0/far"; exec sleep 1000' "$(dirname "$0")" &
echo $$ >"$(dirname "$0")/near"
sleep 1000
JOB
chmod +x "$scratch/long"
python3 - "$root/tools/vmonecopy" "$scratch" <<'CHECK' || fail "interrupted"
import os, signal, subprocess, sys, time
tool, scratch = sys.argv[1:]
job = subprocess.Popen([tool, "ab", "--emulated", "--library", scratch + "/libvmonecopy-standin.so", "--", scratch + "/long"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
def pid(name):
    for _ in range(600):
        try:
            return int(open(f"{scratch}/{name}").read())
        except (OSError, ValueError):
            time.sleep(0.05)
    sys.exit("the job does not start")
pids = [pid("near"), pid("far")]
job.send_signal(signal.SIGINT)
_, said = job.communicate(timeout=60)
assert job.returncode == 130 and said.count("\n") == 1 and "ended by SIGINT" in said, (job.returncode, said)
left = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
assert not left, left
for folder in (scratch, "/dev/shm"):
    kept = [name for name in os.listdir(folder) if name.startswith(f"vmo-ab-{job.pid}-")]
    assert not kept, kept
CHECK
[ $status -eq 0 ] && echo "ok: one line each, nothing left behind"
exit $status
