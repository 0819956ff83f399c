"""A day of a lab in less: many runs on several hosts, some of them live, and hosts that go away.

Hosts are directories that are read through a pipe, as those of ``docker exec`` are. They are
killed, stopped and refuse, and come back. At the end every run and every record is accounted for,
by count and checksum.

python -m tests.faults.fleet_day --minutes 20 --runs 100000 --live 200
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tests.benchmarks.measuring import resident_bytes, running_seconds
from tests.benchmarks.nested_runs import write_nested_runs

from traintop.model import RunStatus
from traintop.store.catalog import RunCatalog
from traintop.store.snapshot import Snapshot
from traintop.store.watch import CatalogWatcher

HOSTS = 4

_SAMPLE_SECONDS = 5.0
_LONGEST_AWAY = 40.0
_SETTLE_SECONDS = 180.0

_GATE = """
import os, sys
gate, *command = sys.argv[1:]
if os.path.exists(gate + ".down"):
    sys.exit("no route to host")
with open(gate + ".pid", "w") as file:
    file.write(str(os.getpid()))
os.execvp(command[0], command)
"""

_WRITER = """
import json, random, sys, time, zlib
from array import array
from traintop import ExperimentTracker

directory, name, live, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
chance, ends, written = random.Random(name), time.monotonic() + float(seconds), {}

class Loop:
    made = 0

    def __init__(self):
        Loop.made += 1
        self.tracker = ExperimentTracker(
            {"experiment_name": f"{name}-{Loop.made}"}, directory, quiet=True
        )
        self.tracker.start()
        self.left, self.step, self.checksum = chance.randint(30, 600), 0, 0

    def log(self):
        loss = chance.gauss(3.0, 1.0)
        self.checksum = zlib.crc32(array("d", [loss]).tobytes(), self.checksum)
        self.tracker.log_metrics(self.step, train_loss=loss)
        self.step += 1

    def end(self):
        self.tracker.finish()
        written[self.tracker.path.name] = [self.step, self.checksum]

loops = [Loop() for _ in range(live)]
while time.monotonic() < ends:
    started = time.monotonic()
    for place, loop in enumerate(loops):
        loop.log()
        if loop.step >= loop.left:
            loop.end()
            loops[place] = Loop()
    time.sleep(max(1.0 - (time.monotonic() - started), 0.0))
for loop in loops:
    loop.end()
print(json.dumps(written))
"""


class Host(NamedTuple):
    """A directory behind a command that can be made to fail."""

    directory: Path
    gate: Path

    @property
    def root(self) -> str:
        """Its address."""
        program = self.gate.with_name("gate.py")
        return f"pipe:{sys.executable} {program} {self.gate} {sys.executable} -/{self.directory}"

    def go_away(self, how: str, seconds: float) -> None:
        """Be away for so many seconds: refused after a kill, or stopped."""
        down = self.gate.with_suffix(".down")
        if how == "killed":
            down.touch()
        self._signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        time.sleep(seconds)
        down.unlink(missing_ok=True)
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        with suppress(OSError, ValueError):
            os.kill(int(self.gate.with_suffix(".pid").read_text()), number)


class Result(NamedTuple):
    """What was found at the end, and how it went."""

    runs: int
    expected_runs: int
    records: int
    wrong: Sequence[str]
    absences: int
    resident_megabytes: Sequence[float]
    cores: float


def spend_day(directory: Path, *, minutes: float, runs: int, live: int, seed: int = 1) -> Result:
    """Run it in a directory that is empty."""
    chance = random.Random(seed)
    (directory / "gate.py").write_text(_GATE)
    hosts = [Host(directory / f"host{n}", directory / f"gate{n}") for n in range(HOSTS)]
    local = write_nested_runs(directory / "local", runs // 2)
    for host in hosts:
        write_nested_runs(host.directory, runs // 2 // HOSTS)
    latest: list[Snapshot] = []
    catalog = RunCatalog([local, *(host.root for host in hosts)])
    watcher = CatalogWatcher(catalog, lambda snapshot: latest.__setitem__(slice(None), [snapshot]))
    watcher.start()
    writers = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", _WRITER, str(host.directory)),
                *(f"live{number}", str(live // HOSTS), str(minutes * 60)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, host in enumerate(hosts)
    ]
    ends = time.monotonic() + minutes * 60
    absences: list[int] = []
    threads = [
        threading.Thread(target=_come_and_go, args=(host, chance.random(), ends, absences))
        for host in hosts[1:]
    ]
    for thread in threads:
        thread.start()
    began, used, sizes = time.monotonic(), running_seconds(os.getpid()), []
    while time.monotonic() < ends:
        time.sleep(_SAMPLE_SECONDS)
        sizes.append(resident_bytes(os.getpid()) / 1e6)
    cores = (running_seconds(os.getpid()) - used) / (time.monotonic() - began)
    written = [json.loads(writer.communicate()[0]) for writer in writers]
    for thread in threads:
        thread.join()
    expected = {
        f"{host.root}/{name}": tuple(found)
        for host, of_host in zip(hosts, written, strict=True)
        for name, found in of_host.items()
    }
    total = runs // 2 + HOSTS * (runs // 2 // HOSTS) + len(expected)
    snapshot = _settled(latest, total)
    wrong = [] if snapshot.is_complete else [f"not complete: {snapshot.places} {snapshot.notices}"]
    known = {run.id: run for run in snapshot.runs}
    records = 0
    for run_id, found in expected.items():
        if run_id not in known or known[run_id].status is not RunStatus.FINISHED:
            wrong.append(f"{run_id} is {known[run_id].status if run_id in known else 'missing'}")
            continue
        losses = np.asarray(catalog.reader(run_id).history().columns["train_loss"], np.float64)
        records += len(losses)
        if (len(losses), zlib.crc32(losses.tobytes())) != found:
            wrong.append(f"{run_id} has {len(losses)} of {found[0]} records, or others")
    watcher.stop()
    return Result(len(known), total, records, wrong, sum(absences), sizes, cores)


def _come_and_go(host: Host, seed: float, ends: float, absences: list[int]) -> None:
    """Be there and away in turns, at random, and there at the end."""
    chance = random.Random(seed)
    while True:
        time.sleep(chance.uniform(5.0, 60.0))
        seconds = chance.uniform(1.0, _LONGEST_AWAY)
        if time.monotonic() + seconds > ends:
            return
        host.go_away(chance.choice(("killed", "stopped")), seconds)
        absences.append(1)


def _settled(latest: Sequence[Snapshot], total: int) -> Snapshot:
    """The state once nothing is missing any more, or after a while."""
    ends = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < ends:
        [snapshot] = latest
        live = [run for run in snapshot.runs if run.status is RunStatus.RUNNING]
        if snapshot.is_complete and len(snapshot.runs) == total and not live:
            break
        time.sleep(1.0)
    return latest[0]


def main() -> None:
    """Spend a day, and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--live", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        result = spend_day(Path(directory), **vars(options))
    sizes = result.resident_megabytes
    at = [sizes[len(sizes) * part // 4] for part in range(1, 4)]
    print(f"{result.runs:,} of {result.expected_runs:,} runs, {result.records:,} records checked")
    print(f"{result.absences} times a host was away; {result.cores:.0%} of a core")
    print("MB of memory after each quarter:", *(f"{size:.0f}" for size in (*at, sizes[-1])))
    print(*result.wrong[:20], sep="\n")
    if result.wrong or result.runs != result.expected_runs:
        sys.exit(f"{len(result.wrong)} wrong")


if __name__ == "__main__":
    main()
