"""What other programs and the system do to a run that is being written."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.runs import OpenedRun, new_tracker
from tests.waiting import wait_until

from traintop import ExperimentTracker, load_experiment_log
from traintop.logfile import FORMAT_VERSION
from traintop.model import MetricStats, RunStatus
from traintop.tracking import sigterm, writer
from traintop.tracking import tracker as tracker_module
from traintop.tracking.statistics import RunStatistics

EXPERIMENT_LOGS = Path(__file__).parents[2] / "experiment_logs"


@pytest.mark.parametrize("left", [0, 4])
def test_a_file_truncated_in_place_keeps_what_follows(tmp_path: Path, left: int) -> None:
    with new_tracker(tmp_path, "cut") as tracker:
        for i in range(left):
            tracker.log_metrics(i, train_loss=1.0)
        older = tracker.save().read_bytes() if left else b""
        for i in range(left, 10):
            tracker.log_metrics(i, train_loss=1.0)
        path = tracker.save()
        path.write_bytes(older)  # as `> file` or `cp older file` does: the same file
        tracker.log_metrics(10, train_loss=2.0)
        wait_until(lambda: path.stat().st_size)  # the next flush, long before the run ends
        for i in range(11, 20):
            tracker.log_metrics(i, train_loss=2.0)
    found = json.loads(path.read_bytes())
    iterations = [record["iteration"] for record in found["metrics_history"]]
    assert iterations == [*range(left), *range(10, 20)]
    assert OpenedRun(path).summary().status is RunStatus.FINISHED


def test_a_file_replaced_by_rename_goes_on_under_another_name(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "replaced") as tracker:
        for i in range(10):
            tracker.log_metrics(i, train_loss=1.0)
        path = tracker.save()
        second, third = (path.with_stem(f"{path.stem}_{number}") for number in (2, 3))
        for start, moved in ((10, second), (20, third)):
            other = tmp_path / "other"
            shutil.copy(tracker.path, other)
            other.rename(tracker.path)
            for i in range(start, start + 10):
                tracker.log_metrics(i, train_loss=2.0)
            wait_until(lambda moved=moved: tracker.path == moved)
    assert {*tmp_path.glob("*.json")} == {path, second, third}
    assert len(load_experiment_log(third).metrics_history) == 30
    assert tracker.path == third


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal")
def test_a_handler_saves_while_statistics_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    saved: list[int] = []
    asked = threading.Event()
    summaries = RunStatistics.summaries

    def interrupted(statistics: RunStatistics) -> dict[str, MetricStats]:
        if not asked.is_set():
            asked.set()
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.05)
        return summaries(statistics)

    def save(*_: object) -> None:
        saved.append(len(json.loads(tracker.save().read_bytes())["metrics_history"]))

    monkeypatch.setattr(tracker_module, "_SAVE_TIMEOUT_SECONDS", 1.0)
    before = signal.signal(signal.SIGUSR1, save)
    try:
        with new_tracker(tmp_path, "asked") as tracker:
            for i in range(3):
                tracker.log_metrics(i, train_loss=1.0)
            tracker.save()
            tracker.log_metrics(3, train_loss=1.0)
            monkeypatch.setattr(RunStatistics, "summaries", interrupted)
            assert tracker.get_summary_stats()["total_iterations"] == 4
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (saved, caplog.messages) == ([4], [])


@pytest.mark.parametrize("lacking", [(threading.Thread, "start"), (os, "pipe")])
def test_a_run_is_written_where_no_thread_can_start(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lacking: tuple[object, str],
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "") if lacking[1] == "pipe" else RuntimeError("no thread")

    monkeypatch.setattr(*lacking, refuse)
    monkeypatch.setattr(sigterm, "_pipe", None)
    monkeypatch.setattr(writer, "_FLUSH_BYTES", 100)  # so that it takes several flushes
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with new_tracker(tmp_path, "alone") as tracker:
            for i in range(10):
                tracker.log_metrics(i, train_loss=1.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caplog.messages == []
    log = load_experiment_log(tracker.path)
    assert len(log.metrics_history) == 10
    assert log.status is RunStatus.FINISHED


@pytest.mark.parametrize("left", [GeneratorExit, asyncio.CancelledError])
def test_a_loop_that_is_left_is_interrupted(tmp_path: Path, left: type[BaseException]) -> None:
    def train() -> ExperimentTracker:
        with new_tracker(tmp_path, "left") as tracker:
            tracker.log_metrics(0, train_loss=1.0)
            raise left

    with pytest.raises(left):
        train()
    (path,) = tmp_path.glob("*.json")
    assert load_experiment_log(path).status is RunStatus.INTERRUPTED


def test_resuming_a_file_of_format_1_rewrites_it_whole(tmp_path: Path) -> None:
    original = next(EXPERIMENT_LOGS.glob("*lr_1e-03*.json"))
    path = Path(shutil.copy(original, tmp_path))
    before = load_experiment_log(path).metrics_history
    with ExperimentTracker.resume(path, quiet=True) as tracker:
        tracker.log_metrics(before[-1].iteration + 1, train_loss=0.5)
    log = load_experiment_log(tracker.path)
    assert log.metrics_history[:-1] == before
    assert log.metrics_history[-1].train_loss == 0.5
    assert json.loads(tracker.path.read_bytes())["run"]["format"] == FORMAT_VERSION
