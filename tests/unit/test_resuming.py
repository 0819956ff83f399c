"""Runs that go on after a crash, in their own file."""

from __future__ import annotations

import json
import math
import os
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.runs import OpenedRun, cuts, new_tracker, saved_document

from traintop import ExperimentTracker, RunFileBusyError
from traintop.logfile.lines import CHUNK, LineReader


def test_resume_goes_on_in_the_same_file(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path, "long", depth=3)
    tracker.start()
    for i in range(10):
        tracker.log_metrics(i, float(i))
        tracker.increment_gradient_step()
    tracker.finish()
    before = saved_document(tracker)
    with ExperimentTracker.resume(tracker.path, gradient_step=6, quiet=True) as resumed:
        assert resumed.config.depth == 3
        for i in range(6, 15):
            resumed.log_metrics(i, 100.0 + i)
            resumed.increment_gradient_step()
    after = saved_document(resumed)
    assert resumed.path == tracker.path
    assert after["start_time"] == before["start_time"]
    assert after["count"] == 15
    assert after["gradient_step"] == 15
    assert after["duration_seconds"] >= before["duration_seconds"]
    assert len(after["resumed"]) == 1
    assert after["stats"]["train_loss"]["count"] == 15
    assert after["stats"]["train_loss"]["mean"] == sum([*range(6), *range(106, 115)]) / 15


def test_memory_of_resuming_does_not_grow_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traintop.logfile.lines._BLOCK", CHUNK)  # for shorter runs
    taken: list[int] = []
    for count in (10_000, 30_000):
        with new_tracker(tmp_path, f"run_{count}") as tracker:
            for i in range(count):
                tracker.log_metrics(i, float(i))
        tracemalloc.start()
        with ExperimentTracker.resume(tracker.path, quiet=True) as resumed:
            resumed.log_metrics(count, 0.0)
            resumed.save()
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert saved_document(resumed)["count"] == count + 1
    # The peak of some chunks and of the last records, which may be amended: not of all.
    assert taken[1] - taken[0] < 1_000_000


def test_a_run_is_read_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0)
    readers: set[str] = set()
    read = LineReader.steps

    def steps(*arguments: Any, **named: Any) -> Any:
        readers.add(threading.current_thread().name)
        return read(*arguments, **named)

    monkeypatch.setattr(LineReader, "steps", steps)
    with ExperimentTracker.resume(tracker.path, quiet=True) as resumed:
        resumed.log_metrics(1, 2.0)
    assert saved_document(resumed)["count"] == 2
    assert readers == {"traintop-writer"}


def test_two_processes_cannot_resume_the_same_run(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path, "busy")
    tracker.start()
    tracker.save()
    with pytest.raises(RunFileBusyError, match="busy"):
        ExperimentTracker.resume("busy", tmp_path)
    tracker.finish()
    first = ExperimentTracker.resume("busy", tmp_path, again=True, quiet=True)
    with pytest.raises(RunFileBusyError):
        ExperimentTracker.resume(tracker.path)
    first.start()
    first.finish()


def test_resuming_an_unknown_run_names_the_known_ones(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "present"):
        pass
    with pytest.raises(FileNotFoundError, match="present"):
        ExperimentTracker.resume("absent", tmp_path)
    foreign = tmp_path / "experiment_foreign.json"
    foreign.write_text('{"config": {"experiment_name": "foreign"}, "metrics_history": []}')
    with pytest.raises(ValueError, match="not written by this tracker"):
        ExperimentTracker.resume(foreign)
    torn = tmp_path / "experiment_torn_20250222_140530.json"
    torn.write_text('{"config":{"experiment_name":"to')
    with pytest.raises(FileNotFoundError, match=f"present; without settings .* {torn.name}"):
        ExperimentTracker.resume("torn", tmp_path)


def test_a_file_cut_anywhere_can_be_resumed(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "torn") as tracker:
        for i in range(3):
            tracker.log_metrics(i, float(i))
    whole = tracker.path.read_bytes()
    start = whole.index(b"[\n") + 2
    ends_of_records = [place + 1 for place in range(start, len(whole)) if whole[place] == ord("}")]
    for cut in cuts(whole, start):
        tracker.path.write_bytes(whole[:cut])
        after = resumed_and_finished(tracker.path)
        kept = sum(end <= cut for end in ends_of_records[:3])
        iterations = [record["iteration"] for record in after["metrics_history"]]
        assert iterations == [*range(kept), 99], cut
        assert after["count"] == kept + 1, cut


def test_a_write_torn_anywhere_can_be_resumed(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "torn") as tracker:
        for i in range(3):
            tracker.log_metrics(i, float(i))
        before = tracker.save().read_bytes()
        tracker.log_metrics(3, 3.0)
    after = tracker.path.read_bytes()
    start = next(
        place for place, (old, new) in enumerate(zip(before, after, strict=False)) if old != new
    )
    for cut in cuts(after, start):
        tracker.path.write_bytes(after[:cut] + before[cut:])
        records = resumed_and_finished(tracker.path)["metrics_history"]
        iterations = [record["iteration"] for record in records]
        assert iterations in ([0, 1, 2, 99], [0, 1, 2, 3, 99]), cut
        assert all(record["train_loss"] == record["iteration"] for record in records[:-1]), cut


def resumed_and_finished(path: Path) -> dict[str, Any]:
    """The document of a run that went on for one more record."""
    with ExperimentTracker.resume(path, quiet=True) as resumed:
        resumed.log_metrics(99, 1.0)
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_an_evaluation_is_replayed_with_its_train_loss(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i, estimate in enumerate((3.0, 2.0, math.nan)):
            tracker.log_eval(i, train_loss=estimate, val_loss=1.0)
        tracker.log_metrics(3, train_loss=9.0)
        tracker.log_eval(3, train_loss=8.0)
    with ExperimentTracker.resume(tracker.path, quiet=True) as resumed:
        for i in range(4):
            resumed.log_eval(i, train_loss=1.5)
    history = OpenedRun(tracker.path).history()
    assert history.columns["train_loss"].tolist() == [1.5, 1.5, 1.5, 9.0]
    assert OpenedRun(tracker.path).summary().stats["train_loss"].mean == 13.5 / 4


def test_a_child_forked_after_the_end_keeps_its_files(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0)
    with ExperimentTracker.resume(tracker.path, quiet=True) as resumed:
        resumed.log_metrics(1, 1.0)
    # These have the numbers that the file of the run had.
    others = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for descriptor in others:
                os.fstat(descriptor)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for descriptor in others:
        os.close(descriptor)
    assert resumed.resumed
