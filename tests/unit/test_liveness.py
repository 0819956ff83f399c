"""Whether a run that says it is running still is: its process, and for how long it is silent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from catalog_runs import Clock, age, only
from tests.runs import (
    OpenedRun,
    Writer,
    foreign_document,
    new_tracker,
    record,
    records,
    write_run,
)

from traintop import process
from traintop.model import Pauses, RunStatus, RunSummary
from traintop.progress import eta_seconds, stall_text
from traintop.store.catalog import RunCatalog
from traintop.store.files import local
from traintop.store.liveness import HEARTBEAT_TIMEOUT, QUIET_TIMEOUT
from traintop.times import posix_time
from traintop.tracking.pace import LoggingPace


def test_a_killed_process_is_shown_as_crashed(tmp_path: Path) -> None:
    script = """
import sys, time
from traintop import ExperimentConfig, ExperimentTracker
tracker = ExperimentTracker(ExperimentConfig("victim"), log_dir=sys.argv[1], quiet=True)
tracker.start()
for step in range(50):
    tracker.log_metrics(iteration=step, train_loss=1.0)
tracker.save()
print("saved", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "saved\n"
    [path] = tmp_path.glob("*.json")
    run = OpenedRun(path)
    assert run.summary().status is RunStatus.RUNNING
    child.kill()
    child.wait()
    assert run.summary().status is RunStatus.CRASHED
    assert OpenedRun(path).summary().status is RunStatus.CRASHED
    assert (run.summary().count, len(run.history())) == (50, 50)
    child.stdout.close()


def test_a_run_of_an_ended_process_that_finished_is_no_crash(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = {**process.current_process(), "pid": child.pid, "pid_started": _started(child.pid)}
    writer = Writer(path, run=identity)
    writer.flush(record(0))
    run = OpenedRun(path)
    assert run.summary().status is RunStatus.RUNNING
    writer.flush(status="finished")
    child.communicate(b"\n")
    assert run.summary().status is RunStatus.FINISHED


def test_a_dead_process_has_its_last_write_read_before_crashed(path: Path) -> None:
    """A reader that saw the file before, and the process after its end."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = {**process.current_process(), "pid": child.pid, "pid_started": _started(child.pid)}
    writer = Writer(path, run=identity)
    writer.flush(record(0), notes="so long that what follows fills its place" * 9)
    clock = Clock()
    catalog = RunCatalog([path], clock=clock)
    age(path, 10)
    assert only(catalog.refresh()).status is RunStatus.RUNNING
    before = path.stat()
    writer.flush(status="failed", error="ValueError: x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had changed
    assert path.stat().st_size == before.st_size
    child.communicate(b"\n")
    clock.now += 10
    assert only(catalog.refresh()).status is RunStatus.FAILED


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


class Watch:
    """A catalog of one file, with a clock of its own; the file was still for ``age`` seconds.

    By default it is from the future: then it changed at the first look, however late that comes.
    """

    def __init__(self, path: Path, *, age: float = -3600.0) -> None:
        modified = time.time() - age
        os.utime(path, (modified, modified))
        self.clock = Clock()
        self.catalog = RunCatalog([path], clock=self.clock)
        self.catalog.refresh()

    def after(self, seconds: float) -> RunSummary:
        self.clock.now += seconds
        return only(self.catalog.refresh())


def test_silence_is_a_stall_and_a_heartbeat_ends_it(path: Path) -> None:
    writer = Writer(path)  # of an unknown host
    writer.flush(record(0))
    watch = Watch(path)
    assert watch.after(0).status is RunStatus.RUNNING
    assert watch.after(HEARTBEAT_TIMEOUT - 1).status is RunStatus.RUNNING
    assert watch.after(2).status is RunStatus.STALLED
    writer.flush(updated_at="now")
    assert watch.after(2).status is RunStatus.RUNNING
    assert watch.after(HEARTBEAT_TIMEOUT + 1).status is RunStatus.STALLED


def test_a_file_long_unchanged_is_stalled_at_first_sight(path: Path) -> None:
    write_run(path, records(1))
    assert Watch(path, age=HEARTBEAT_TIMEOUT + 1).after(0).status is RunStatus.STALLED
    stepped_back = Watch(path, age=-3600.0)
    assert stepped_back.after(0).status is RunStatus.RUNNING
    assert stepped_back.after(HEARTBEAT_TIMEOUT + 1).status is RunStatus.STALLED
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert OpenedRun(path).summary().status is RunStatus.STALLED


def test_other_writers_are_judged_by_their_own_rhythm(path: Path) -> None:
    def write(count: int) -> None:
        path.write_text(json.dumps(foreign_document(records(count))))

    write(1)
    watch = Watch(path)
    assert watch.after(QUIET_TIMEOUT - 1).status is RunStatus.RUNNING
    assert watch.after(2).status is RunStatus.STALLED
    write(2)
    assert watch.after(100).status is RunStatus.RUNNING
    assert watch.after(10 * QUIET_TIMEOUT).status is RunStatus.RUNNING  # it paused for 401 s before
    assert watch.after(10 * QUIET_TIMEOUT).status is RunStatus.STALLED


def test_network_caches_are_granted_more_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "network_filesystem", lambda _: "nfs4")
    write_run(path, records(1))
    watch = Watch(path)
    assert watch.after(HEARTBEAT_TIMEOUT + 1).status is RunStatus.RUNNING
    assert watch.after(HEARTBEAT_TIMEOUT).status is RunStatus.STALLED


def test_a_change_with_an_equal_signature_is_seen(path: Path) -> None:
    """Two writes within one tick of the clock: same size, same time."""
    writer = Writer(path)
    writer.flush(record(0), notes="longer than the next one, which is padded")
    watch = Watch(path)
    watch.after(0)
    times = path.stat()
    writer.flush(notes="bbbb")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert watch.after(1).notes == "bbbb"


def test_an_unchanged_file_is_not_read_again(path: Path, preads: list[int]) -> None:
    write_run(path, records(1))
    watch = Watch(path, age=5.0)
    watch.after(0)
    assert preads
    preads.clear()
    for _ in range(10):
        assert watch.after(2).status is RunStatus.RUNNING
    assert preads == []


def test_summary_of_a_torn_file_stays_for_a_moment(path: Path) -> None:
    writer = Writer(path)
    writer.flush(*records(3))
    watch = Watch(path)
    before = watch.after(5)
    writer.flush(*records(6)[3:], cut=400)
    assert watch.after(1) is before
    assert watch.after(3).iteration == 3


@pytest.mark.parametrize(
    ("current", "longest", "is_stall"),
    [
        (59.0, 0.05, False),
        (61.0, 0.05, True),
        (800.0, 300.0, False),  # an evaluation as long has been before
        (901.0, 300.0, True),
        (400.0, None, False),  # the first step is often slow
        (601.0, None, True),
    ],
)
def test_a_pause_is_a_stall_by_the_rhythm_of_the_run(
    current: float, longest: float | None, is_stall: bool
) -> None:
    assert Pauses(current=current, longest=longest).is_stall is is_stall


def test_a_loop_that_hangs_is_stalled_and_runs_again(path: Path) -> None:
    writer = Writer(path, config={"experiment_name": "hung", "max_iters": 100})
    rhythm = {"recent": 0.05, "usual": 0.05, "longest": 2.0}
    writer.flush(record(0), pauses=Pauses(0.0, **rhythm), iterations_per_second=20.0)
    run = OpenedRun(path)
    assert run.summary().status is RunStatus.RUNNING
    writer.flush(pauses=Pauses(240.0, **rhythm), iterations_per_second=20.0)
    for hung in (run.summary(), OpenedRun(path).summary()):  # whenever it was opened
        assert hung.status is RunStatus.STALLED
        assert stall_text(hung) == "no iteration for 4m00s (usually 0.05 s)"
        assert eta_seconds(hung) is None
    writer.flush(record(1), pauses=Pauses(0.0, 0.05, 0.05, 240.0), iterations_per_second=20.0)
    assert run.summary().status is RunStatus.RUNNING


def test_pauses_are_those_between_calls_and_iterations() -> None:
    pace = LoggingPace(began=100.0, longest=7.0)  # of a run that was resumed
    assert pace.pauses(160.0) == Pauses(60.0, None, None, 7.0)
    for iteration in range(20):
        pace.add(record(iteration, wallclock_time=400.0 + iteration))
    pace.add(record(19, wallclock_time=449.0))  # its evaluation
    pace.add(record(20, wallclock_time=450.0))
    pace.add(record(3, wallclock_time=450.5))  # comes late
    assert pace.pauses(452.5) == Pauses(2.0, 1.0, 1.0, 30.0)


def test_a_run_says_for_how_long_it_logged_nothing(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for iteration in range(3):
            tracker.log_metrics(iteration, train_loss=1.0)
        pauses = OpenedRun(tracker.save()).summary().pauses
    assert pauses is not None
    assert pauses.longest is not None
    assert pauses.usual is not None
    assert 0.0 <= pauses.usual <= pauses.longest < 60.0
    assert pauses.current >= 0.0


def test_a_file_that_has_no_times_changed_when_it_was_written(tmp_path: Path) -> None:
    for name, seconds in (("first", 1_740_000_000), ("last", 1_740_003_600)):
        path = tmp_path / f"{name}.csv"
        path.write_text("step,loss\n0,3.0\n")
        os.utime(path, (seconds, seconds))
    runs = RunCatalog([tmp_path]).refresh().runs
    assert [run.title for run in runs] == ["last", "first"]
    assert [posix_time(run.updated_at) for run in runs] == [1_740_003_600, 1_740_000_000]
    assert [run.start_time for run in runs] == [None, None]
