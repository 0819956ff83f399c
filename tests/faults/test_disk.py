"""Disks that are full, read-only, taken away, or that never answer: the loop goes on regardless.

No test here measures a time: that a disk does not slow the loop down shows in calls that return
while the disk still refuses or blocks. ``tests/faults/README.md`` has the measured ratio.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blocked_disk import BlockedDisk
from mounts import tmpfs
from tests.runs import OpenedRun
from tests.waiting import wait_until
from training_processes import next_line, only_run, start

from traintop import ExperimentConfig, ExperimentTracker, RunStatus
from traintop.tracking import live_run, recording, tracker, writer


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    """The warnings so far that hold a text."""
    caplog.set_level(logging.WARNING)

    def holding(text: str) -> list[str]:
        return [r.getMessage() for r in caplog.records if text in r.getMessage()]

    return holding


def started(directory: Path) -> ExperimentTracker:
    run = ExperimentTracker(ExperimentConfig(experiment_name="job"), directory, quiet=True)
    run.start()
    return run


def log(run: ExperimentTracker, iterations: range) -> None:
    for i in iterations:
        run.log_metrics(i, i * 0.5)


def recorded(directory: Path) -> list[float]:
    """The losses in the only run of a directory, and that it is a valid document."""
    return [record["train_loss"] for record in only_run(directory)["metrics_history"]]


def losses(iterations: range) -> list[float]:
    return [i * 0.5 for i in iterations]


Warnings = Callable[[str], list[str]]


# -- full


def test_a_full_disk_costs_no_record(tmp_path: Path, warnings: Warnings) -> None:
    logs = tmp_path / "logs"
    with tmpfs(logs, "size=64k") as disk:
        run = started(logs)
        log(run, range(2000))
        wait_until(lambda: warnings("No space left"))
        [path] = logs.iterdir()
        prefix = OpenedRun(path).history().columns["train_loss"]
        assert 0 < len(prefix) < 2000
        assert list(prefix) == losses(range(len(prefix)))
        assert OpenedRun(path).summary().problem == ""
        log(run, range(2000, 4000))
        disk.remount("size=10m")
        run.finish()
        assert recorded(logs) == losses(range(4000))
        assert only_run(logs)["dropped"] == 0
    assert len(warnings("cannot write the run")) == 1


def test_a_run_started_on_a_full_disk_appears_with_room(tmp_path: Path, warnings: Warnings) -> None:
    logs = tmp_path / "logs"
    with tmpfs(logs, "size=64k"):
        (logs / "filler").write_bytes(b"x" * (64 << 10))
        run = started(logs)
        log(run, range(100))
        wait_until(lambda: warnings("No space left"))
        assert list(logs.glob("*.json")) == []
        (logs / "filler").unlink()
        run.finish()
        assert recorded(logs) == losses(range(100))


def test_a_run_killed_on_a_full_disk_can_be_resumed(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    code = """
import logging
tracker.start()
tracker.log_metrics(0, 0.0)
tracker.save()
for i in range(1, 2000):
    tracker.log_metrics(i, i * 0.5)
print("logged", flush=True)
time.sleep(600)
"""
    with tmpfs(logs, "size=64k") as disk:
        process = start(code, logs)
        next_line(process)
        wait_until(lambda: shutil.disk_usage(logs).free == 0)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        [path] = logs.iterdir()
        kept = len(OpenedRun(path).history())
        assert list(OpenedRun(path).history().columns["train_loss"]) == losses(range(kept))
        disk.remount("size=10m")
        with ExperimentTracker.resume("job", logs, quiet=True) as resumed:
            log(resumed, range(kept, kept + 10))
        assert recorded(logs) == losses(range(kept + 10))


def test_a_quota_that_cuts_each_write_short_costs_no_record(
    tmp_path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, quota = os.pwrite, [10_007]

    def take_a_part(descriptor: int, data: bytes, offset: int) -> int:
        if offset >= quota[0]:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return pwrite(descriptor, data[: min(701, quota[0] - offset)], offset)

    monkeypatch.setattr(os, "pwrite", take_a_part)
    run = started(tmp_path)
    log(run, range(500))
    wait_until(lambda: warnings("Disk quota exceeded"))
    [path] = tmp_path.iterdir()
    kept = OpenedRun(path).history().columns["train_loss"]
    assert list(kept) == losses(range(len(kept)))
    quota[0] = 1 << 30
    run.finish()
    assert recorded(tmp_path) == losses(range(500))
    assert len(warnings("cannot write the run")) == 1


def test_records_beyond_the_memory_limit_are_reported(
    tmp_path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_WAITING_BYTES", 20_000)
    logs = tmp_path / "logs"
    with tmpfs(logs, "size=16k") as disk:
        run = started(logs)
        log(run, range(3000))
        wait_until(lambda: warnings("newest records are dropped"))
        wait_until(lambda: not run._run.pending)
        disk.remount("size=10m")
        run.finish()
        document = only_run(logs)
        kept = recorded(logs)
    assert document["dropped"] == 3000 - len(kept) > 0
    assert kept[:-1] == losses(range(len(kept) - 1)), "the oldest are kept"
    assert kept[-1] == 2999 * 0.5
    assert document["count"] == len(kept)
    assert len(warnings("dropped")) == 1


# -- read-only, without permission, gone


def test_a_read_only_disk_gets_the_run_once_writable(tmp_path: Path, warnings: Warnings) -> None:
    logs = tmp_path / "logs"
    with tmpfs(logs, "ro") as disk:
        run = started(logs)
        log(run, range(100))
        wait_until(lambda: warnings("Read-only file system"))
        disk.remount("rw")
        run.finish()
        assert recorded(logs) == losses(range(100))
    assert len(warnings("cannot write the run")) == 1


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user who lacks permission")
def test_a_lost_permission_comes_back(world_readable: Path) -> None:
    logs = world_readable / "logs"
    logs.mkdir(mode=0o755)
    code = f"""
import logging, subprocess, getpass, platform, shlex, hashlib, ctypes, traintop.tracking.sigterm
os.setuid({NOBODY})
tracker.start()
for i in range(100):
    tracker.log_metrics(i, i * 0.5)
print("logged", flush=True)
os.read(0, 1)
tracker.finish()
"""
    process = start(code, logs)
    assert next_line(process) == "logged"
    assert list(logs.iterdir()) == []
    logs.chmod(0o777)
    _, errors = process.communicate("go", timeout=60)
    assert process.returncode == 0
    assert errors.count("Permission denied") == errors.count("\n") == 1
    assert recorded(logs) == losses(range(100))


@pytest.fixture
def world_readable() -> Iterator[Path]:
    """A directory whose parents anyone may enter, unlike pytest's own."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_a_directory_that_is_removed_comes_back_with_the_run(
    tmp_path: Path, warnings: Warnings
) -> None:
    logs = tmp_path / "logs"
    run = started(logs)
    log(run, range(100))
    run.save()
    shutil.rmtree(logs)
    logs.write_text("a file where the directory was")
    log(run, range(100, 200))
    wait_until(lambda: warnings("cannot write the run"))
    logs.unlink()
    log(run, range(200, 300))
    run.finish()
    assert recorded(logs) == losses(range(300))


def test_a_directory_moved_away_comes_back_with_the_run(tmp_path: Path, warnings: Warnings) -> None:
    logs, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    run = started(logs)
    log(run, range(100))
    run.save()
    logs.rename(elsewhere)
    log(run, range(100, 200))
    run.finish()
    assert recorded(logs) == losses(range(200))
    assert recorded(elsewhere) == losses(range(100))
    assert len(warnings("moved away")) == 1


# -- blocked


def test_the_loop_goes_on_while_a_write_blocks(tmp_path: Path) -> None:
    run = started(tmp_path)
    with BlockedDisk() as disk:
        log(run, range(1))
        assert disk.blocks.wait(60)
        log(run, range(1, 50_000))
        run.log_eval(50_000, 1.0, val_loss=2.0)
        assert run.get_summary_stats()["total_iterations"] == 50_001
        assert len(recorded(tmp_path)) == 0, "it still blocks"
    run.finish()
    assert recorded(tmp_path)[:-1] == losses(range(50_000))
    assert only_run(tmp_path)["dropped"] == 0


def test_calls_dropped_behind_a_blocked_disk_are_reported(
    tmp_path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "MAX_PENDING_CALLS", 1000)
    monkeypatch.setattr(writer, "MAX_PENDING_CALLS", 1000)
    run = started(tmp_path)
    with BlockedDisk() as disk:
        log(run, range(1))
        assert disk.blocks.wait(60)
        log(run, range(1, 5000))
        assert len(warnings("newest records are dropped")) == 1
    run.finish()
    kept = recorded(tmp_path)
    assert kept == losses(range(len(kept))), "the oldest are kept"
    assert only_run(tmp_path)["dropped"] == 5000 - len(kept) > 0


def test_finish_waits_for_a_blocked_disk_with_a_limit(
    tmp_path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "_END_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(tracker, "_SAVE_TIMEOUT_SECONDS", 0.01)
    run = started(tmp_path)
    with BlockedDisk():
        log(run, range(100))
        run._run.end("finished", timeout=0.01)
        run.save()
        assert len(warnings("still trying")) == 2
        ended_after = run.get_elapsed_time()
    [path] = tmp_path.glob("*.json")
    wait_until(lambda: OpenedRun(path).summary().status is RunStatus.FINISHED)
    assert recorded(tmp_path) == losses(range(100))
    assert only_run(tmp_path)["duration_seconds"] == pytest.approx(ended_after, abs=1e-5)


def test_sigterm_is_not_delayed_for_ever_by_a_blocked_disk(tmp_path: Path) -> None:
    code = """
import traintop.tracking.sigterm as sigterm
sigterm._GRACE_SECONDS = 0.2
tracker.start()
os.pwrite = lambda *_: time.sleep(600)
tracker.log_metrics(0, 1.0)
print("ready", flush=True)
time.sleep(600)
"""
    process = start(code, tmp_path)
    next_line(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM


def test_a_disk_that_cannot_synchronise_still_takes_the_run(
    tmp_path: Path, warnings: Warnings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [True]

    def fsync(descriptor: int) -> None:
        if broken[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(tracker, "_SAVE_TIMEOUT_SECONDS", 0.01)
    run = started(tmp_path)
    log(run, range(10))
    run.save()
    wait_until(lambda: warnings("Input/output error"))
    assert len(warnings("save()")) == 1
    broken[0] = False
    run.finish()
    assert recorded(tmp_path) == losses(range(10))
