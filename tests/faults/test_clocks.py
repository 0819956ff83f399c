"""Wall clocks that are stepped, and hosts whose clocks differ: only monotonic ones are believed."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.runs import OpenedRun
from tests.waiting import wait_until
from training_processes import next_line, only_run, start

from traintop import ExperimentConfig, ExperimentTracker, RunStatus
from traintop.progress import eta_seconds
from traintop.store import catalog as catalog_module
from traintop.store.catalog import RunCatalog
from traintop.times import age_seconds
from traintop.tracking import run_clock

HOUR = timedelta(hours=1)


class SteppedTime(datetime):
    """``datetime`` on a machine whose clock is wrong by ``error``."""

    error = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now() + cls.error


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[SteppedTime]:
    """The wall clock of trackers in this process."""
    monkeypatch.setattr(run_clock, "datetime", SteppedTime)
    monkeypatch.setattr(SteppedTime, "error", timedelta())
    return SteppedTime


@pytest.mark.parametrize("steps", [(HOUR, -HOUR), (-HOUR, HOUR)], ids=["forward", "back"])
def test_a_step_of_the_wall_clock_is_in_no_duration(
    tmp_path: Path, clock: type[SteppedTime], steps: tuple[timedelta, timedelta]
) -> None:
    tracker = ExperimentTracker(
        ExperimentConfig(experiment_name="x", max_iters=1000), tmp_path, quiet=True
    )
    tracker.start()
    for number, step in enumerate((timedelta(), *steps)):
        clock.error = step
        for i in range(20):
            tracker.log_metrics(20 * number + i, 1.0)
            time.sleep(0.001)
        tracker.save()
        summary = OpenedRun(tracker.path).summary()
        assert summary.status is RunStatus.RUNNING
        if number:  # a pace takes two flushes
            assert 0 < (eta_seconds(summary) or 0) < 1800
    tracker.finish()
    run = only_run(tmp_path)
    assert 0 < run["duration_seconds"] < 1800
    assert abs(datetime.fromisoformat(run["end_time"]) - datetime.now()) < HOUR / 2
    passed = datetime.fromisoformat(run["end_time"]) - datetime.fromisoformat(run["start_time"])
    assert passed.total_seconds() == pytest.approx(run["duration_seconds"], abs=1.0)
    times = [record["wallclock_time"] for record in run["metrics_history"]]
    assert all(earlier <= later for earlier, later in pairwise(times))


@pytest.mark.parametrize("error", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_run_resumed_under_another_clock_keeps_its_own_time(
    tmp_path: Path, clock: type[SteppedTime], error: timedelta
) -> None:
    with ExperimentTracker(ExperimentConfig(experiment_name="x"), tmp_path, quiet=True) as first:
        first.log_metrics(0, 1.0)
    before = only_run(tmp_path)
    clock.error = error
    with ExperimentTracker.resume(first.path, quiet=True) as second:
        second.log_metrics(1, 1.0)
    after = only_run(tmp_path)
    assert after["start_time"] == before["start_time"]
    assert before["duration_seconds"] <= after["duration_seconds"] < 1800


@pytest.mark.parametrize("error", [3600, -3600], ids=["ahead", "behind"])
def test_a_reader_whose_clock_is_stepped_judges_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: float
) -> None:
    now = 0.0
    catalog = RunCatalog([tmp_path], clock=lambda: now)
    process = start(
        "tracker.start()\ntracker.save()\nprint('ready', flush=True)\nos.read(0, 1)", tmp_path
    )
    next_line(process)
    assert [run.status for run in catalog.refresh().runs] == [RunStatus.RUNNING]
    real = time.time
    monkeypatch.setattr(catalog_module.time, "time", lambda: real() + error)
    now += 1.0
    assert [run.status for run in catalog.refresh().runs] == [RunStatus.RUNNING]
    process.kill()
    process.wait()
    wait_until(lambda: [run.status for run in catalog.refresh().runs] == [RunStatus.CRASHED])


@pytest.mark.parametrize("error", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_writer_with_another_clock_is_judged_by_its_changes(
    tmp_path: Path,
    clock: type[SteppedTime],
    error: timedelta,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock.error = error
    tracker = ExperimentTracker(ExperimentConfig(experiment_name="x"), tmp_path, quiet=True)
    tracker.start()
    elsewhere = dict.fromkeys(("host", "machine", "boot", "pid_namespace"), "elsewhere")
    monkeypatch.setattr("traintop.process._machine", lambda: elsewhere)
    now = 0.0
    catalog = RunCatalog([tmp_path], clock=lambda: now)

    def status_after_a_sign_of_life() -> RunStatus:
        tracker.save()
        stamp = time.time() + error.total_seconds()
        os.utime(tracker.path, (stamp, stamp))
        [run] = catalog.refresh().runs
        return run.status

    catalog.refresh()
    for _ in range(5):
        now += 10.0
        assert status_after_a_sign_of_life() is RunStatus.RUNNING
    now += 60.0
    assert [run.status for run in catalog.refresh().runs] == [RunStatus.STALLED]
    assert status_after_a_sign_of_life() is RunStatus.RUNNING
    tracker.finish()
    [run] = catalog.refresh().runs
    assert run.status is RunStatus.FINISHED
    assert 0 <= (run.duration_seconds or 0) < 1800


def test_runs_of_differing_clocks_are_sorted_by_their_own_times(
    tmp_path: Path, clock: type[SteppedTime]
) -> None:
    for name, error in (("behind", -HOUR), ("right", timedelta()), ("ahead", HOUR)):
        clock.error = error
        with ExperimentTracker(ExperimentConfig(experiment_name=name), tmp_path, quiet=True):
            pass
    runs = RunCatalog([tmp_path]).refresh().runs
    assert [run.name for run in runs] == ["ahead", "right", "behind"]
    assert age_seconds(runs[0].start_time, datetime.now()) == 0.0


LIBFAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


@pytest.mark.skipif(LIBFAKETIME is None, reason="needs libfaketime, of Debian's package faketime")
def test_a_real_process_whose_system_clock_is_stepped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offset, logs = tmp_path / "offset", tmp_path / "logs"
    offset.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(LIBFAKETIME))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(offset))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    process = start(
        """
tracker.start()
for i in range(3):
    tracker.log_metrics(i, time.time())
    print("logged", flush=True)
    sys.stdin.readline()
tracker.finish()
""",
        logs,
    )
    monkeypatch.delenv("LD_PRELOAD")
    assert process.stdin is not None
    for step in ("+3600", "-3600", "+0"):
        assert next_line(process) == "logged"
        offset.write_text(step)
        process.stdin.write("on\n")
        process.stdin.flush()
    assert process.communicate(timeout=60)[1] == ""
    run = only_run(logs)
    first, ahead, behind = (record["train_loss"] for record in run["metrics_history"])
    assert ahead - first > 1800, "its clock was stepped forward"
    assert first - behind > 1800, "its clock was stepped back"
    times = [record["wallclock_time"] for record in run["metrics_history"]]
    assert times == sorted(times)
    assert 0 < run["duration_seconds"] < 1800
    assert run["start_time"] < run["end_time"]
