"""Runs that go on from a checkpoint: what was logged beyond it is void, and stays in the file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runs import OpenedRun, cuts, new_tracker, saved_document, track_run

from traintop import ExperimentConfig, ExperimentTracker, print_experiment_summary
from traintop.model import RunStatus


def interrupted_run(directory: Path, name: str = "job", steps: int = 20, **settings: Any) -> Path:
    """A run whose loss diverges from iteration 15 on, until it is interrupted."""
    tracker = new_tracker(directory, name, max_iters=40, **settings)
    tracker.start()
    for i in range(steps):
        tracker.increment_gradient_step()
        tracker.log_metrics(i, train_loss=5.0 - i / 10 if i < 15 else math.nan)
    tracker.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    return tracker.path


def iterations_of(path: Path) -> list[float]:
    return [float(i) for i in OpenedRun(path).history().columns["iteration"]]


def lines_of(path: Path) -> list[dict[str, Any]]:
    history: list[dict[str, Any]] = json.loads(path.read_text())["metrics_history"]
    return history


@pytest.mark.parametrize("checkpoint", [{"iteration": 9}, {"gradient_step": 10}])
def test_what_was_logged_beyond_a_checkpoint_is_void(
    tmp_path: Path, checkpoint: dict[str, int]
) -> None:
    path = interrupted_run(tmp_path)
    before = lines_of(path)
    with ExperimentTracker.resume("job", tmp_path, quiet=True, **checkpoint) as resumed:
        for i in range(10, 12):
            resumed.increment_gradient_step()
            resumed.log_metrics(i, train_loss=4.5)
        document = saved_document(resumed)
    assert iterations_of(path) == [float(i) for i in range(12)]
    summary = OpenedRun(path).summary()
    assert (summary.iteration, summary.count, summary.gradient_step) == (11, 12, 12)
    assert summary.stats["train_loss"].nonfinite == 0
    assert summary.best_train_loss == 4.1
    assert document["metrics_history"][: len(before)] == before


@pytest.mark.parametrize("counts_first", [False, True])
def test_steps_go_on_from_those_at_the_iteration(tmp_path: Path, counts_first: bool) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(20):
            tracker._run.gradient_step += counts_first
            tracker.log_metrics(i, train_loss=1.0)
            tracker._run.gradient_step += not counts_first
        tracker.rewind(9)
        assert tracker.get_summary_stats()["total_gradient_steps"] == 10
    with ExperimentTracker.resume(tracker.path, iteration=4, quiet=True) as resumed:
        assert resumed.get_summary_stats()["total_gradient_steps"] == 5


def test_a_tracker_rewinds_within_its_process(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(10):
            tracker.increment_gradient_step()
            tracker.log_metrics(i, train_loss=5.0 - i / 10 if i < 7 else math.nan)
        tracker.rewind(5)
        for i in (6, 7):
            tracker.increment_gradient_step()
            tracker.log_metrics(i, train_loss=3.0)
        assert tracker.get_summary_stats()["total_iterations"] == 8
        assert tracker.get_summary_stats()["total_gradient_steps"] == 8
    document = json.loads(tracker.path.read_text())
    assert (document["count"], document["rewinds"]) == (8, 1)
    assert document["stats"]["train_loss"]["nonfinite"] == 0
    assert [line["iteration"] for line in document["metrics_history"]] == [*range(10), 5, 6, 7]
    assert iterations_of(tracker.path) == [float(i) for i in range(8)]


def test_a_run_rewinds_further_than_its_writer_remembers(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(6000):
            tracker.log_metrics(i, train_loss=float(-i))
        tracker.rewind(10, gradient_step=3)
        tracker.log_metrics(11, train_loss=1.0)
        tracker.increment_gradient_step()
    summary = OpenedRun(tracker.path).summary()
    assert (summary.count, summary.iteration, summary.gradient_step) == (12, 11, 4)
    assert summary.best_train_loss == -10.0


@pytest.mark.parametrize("place", [math.nan, math.inf, -1, None, "5", [1, 2]])
def test_rewinding_to_no_iteration_warns_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: Any
) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
        tracker.rewind(place)
        tracker.log_metrics(1, train_loss=1.0)
    assert "rewind(): iteration must be a number from 0 on, not" in caplog.text
    assert iterations_of(tracker.path) == [0.0, 1.0]


def test_a_run_rewinds_to_a_number_of_numpy(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(5):
            tracker.log_metrics(i, train_loss=1.0)
        tracker.rewind(np.int64(2))
    assert iterations_of(tracker.path) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("place", [math.nan, -2, "x"])
def test_a_resumption_from_no_checkpoint_is_refused(tmp_path: Path, place: Any) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
    for name in ("iteration", "gradient_step"):
        with pytest.raises(ValueError, match=f"{name} must be a number from -1 on"):
            ExperimentTracker.resume(tracker.path, **{name: place})
    assert iterations_of(tracker.path) == [0.0]


def test_a_rewound_file_is_true_wherever_it_is_cut(tmp_path: Path) -> None:
    """Each prefix shows a beginning of what was logged, first without the rewind, then with it."""
    with new_tracker(tmp_path) as tracker:
        for i in range(6):
            tracker.log_metrics(i, train_loss=1.0 + i)
        tracker.rewind(2)
        tracker.log_metrics(3, train_loss=10.0)
    whole = tracker.path.read_bytes()
    allowed = [[1.0 + i for i in range(n)] for n in range(7)]
    allowed += [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 10.0]]
    seen = set()
    for cut in cuts(whole, whole.index(b"[\n") + 2):
        tracker.path.write_bytes(whole[:cut])
        losses = OpenedRun(tracker.path).history().columns.get("train_loss")
        shown = [] if losses is None else losses.tolist()
        assert shown in allowed, cut
        seen.add(allowed.index(shown))
    assert seen == {*range(7), 8}  # 3 losses are those of index 3
    assert shown == [1.0, 2.0, 3.0, 10.0]


def test_a_name_leads_to_the_newest_run_that_did_not_finish(tmp_path: Path) -> None:
    interrupted_run(tmp_path)
    second = interrupted_run(tmp_path)
    finished = track_run(tmp_path, "job")
    resumed = ExperimentTracker.resume("job", tmp_path, quiet=True)
    assert resumed.path == second
    resumed.finish()
    interrupted_run(tmp_path, "finished").unlink()
    track_run(tmp_path, "finished")
    with pytest.raises(FileNotFoundError, match=r"finished; resume it by its path, or with again"):
        ExperimentTracker.resume("finished", tmp_path)
    for found in (
        ExperimentTracker.resume("finished", tmp_path, again=True, quiet=True),
        ExperimentTracker.resume(finished, quiet=True),
    ):
        found.finish()


@pytest.mark.parametrize("start", [{"gradient_step": 0}, {"iteration": 0}, {"iteration": -1}])
def test_from_step_0_it_is_a_new_run(tmp_path: Path, start: dict[str, int]) -> None:
    path = interrupted_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="from step 0 it is a new run"):
        ExperimentTracker.resume("job", tmp_path, **start)
    with ExperimentTracker.resume_or_start({"experiment_name": "job"}, tmp_path, **start) as new:
        assert new.path != path


def test_resume_or_start_is_the_recipe_in_one_call(tmp_path: Path) -> None:
    config = ExperimentConfig("recipe", max_iters=20)
    paths = []
    for stop in (12, 20, 20):  # preempted, finished, and started once more
        done = 10 if len(paths) == 1 else 0
        tracker = ExperimentTracker.resume_or_start(
            config, tmp_path, gradient_step=done, quiet=True
        )
        tracker.start()
        for i in range(done, stop):
            tracker.increment_gradient_step()
            tracker.log_metrics(i, train_loss=1.0)
        paths.append(tracker.save())
        if stop == 20:
            tracker.finish()
        del tracker
    assert paths[0] == paths[1] != paths[2]
    assert all(iterations_of(path) == [float(i) for i in range(20)] for path in paths)


def test_settings_that_changed_are_shown_as_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = interrupted_run(tmp_path, lr=1.0)
    config = ExperimentConfig("job", max_iters=40, lr=0.5, dropout=0.1)
    with ExperimentTracker.resume_or_start(config, tmp_path, iteration=9, quiet=True) as resumed:
        assert resumed.path == path
        resumed.log_metrics(10, train_loss=1.0)
    document = json.loads(path.read_text())
    assert document["config"]["lr"] == 1.0
    assert document["config_changes"] == {"lr": 0.5, "dropout": 0.1}
    summary = OpenedRun(path).summary()
    assert (summary.config["lr"], summary.config["dropout"]) == (0.5, 0.1)
    assert "dropout" in summary.given
    print_experiment_summary(path)
    printed = capsys.readouterr().out
    assert "lr                0.5 (1 at the start)\n" in printed
    assert "dropout           0.1 (set later)\n" in printed
    # A further resumption knows them too, whoever gives the settings.
    with ExperimentTracker.resume("job", tmp_path, again=True, quiet=True) as again:
        assert again.config.lr == 0.5
    changes = json.loads(path.read_text())["config_changes"]
    assert (changes, summary.status) == ({"lr": 0.5, "dropout": 0.1}, RunStatus.FINISHED)


def test_the_last_record_of_a_crashed_run_stays_in_the_file(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path, "crashed")
    tracker.start()
    for i in range(4):
        tracker.log_metrics(i, train_loss=float(i))
    tracker.get_summary_stats()
    writer = tracker._run.writer
    assert writer is not None
    writer.flush(durable=False, timeout=10)
    copy = tmp_path / "experiment_crashed_20250222_140530.json"
    copy.write_bytes(tracker.path.read_bytes())
    tracker.finish()
    assert len(lines_of(copy)) == 3  # the last one is in the tail
    with ExperimentTracker.resume(copy, iteration=1, quiet=True) as resumed:
        resumed.log_metrics(2, train_loss=9.0)
    assert [line["iteration"] for line in lines_of(copy)] == [0, 1, 2, 3, 1, 2]
    assert iterations_of(copy) == [0.0, 1.0, 2.0]


def test_a_resumption_that_was_never_started_keeps_nobody_out(tmp_path: Path) -> None:
    path = interrupted_run(tmp_path)
    ExperimentTracker.resume("job", tmp_path)
    ExperimentTracker.resume("job", tmp_path)
    with ExperimentTracker.resume(path, quiet=True) as resumed:
        resumed.log_metrics(20, train_loss=1.0)
    assert json.loads(path.read_text())["status"] == "finished"


def test_other_ranks_know_the_file_of_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = interrupted_run(tmp_path)
    monkeypatch.setenv("RANK", "1")
    with ExperimentTracker.resume_or_start({"experiment_name": "job"}, tmp_path) as tracker:
        assert tracker.save() == path
