"""The tracker's promises, on real files."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import logging
import math
import os
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.runs import OpenedRun, new_tracker, saved_document

from traintop import ExperimentConfig, ExperimentTracker, load_experiment_log
from traintop.progress import eta_seconds, progress
from traintop.tracking.writer import RunWriter


def test_the_file_exists_and_is_json_from_start_on(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path / "made" / "on demand")
    tracker.start()
    [path] = (tmp_path / "made" / "on demand").iterdir()
    assert path == tracker.path
    assert json.loads(path.read_text())["metrics_history"] == []
    assert json.loads(path.read_text())["status"] == "running"
    tracker.finish()


def test_a_whole_run_is_in_the_file(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path, max_iters=3)
    tracker.start()
    for i in range(3):
        tracker.log_metrics(
            iteration=i,
            train_loss=3.0 - i,
            learning_rate=1e-3,
            tokens_per_sec=1000,
            iter_time_ms=2.5,
            grad_norm=0.5,
        )
        tracker.increment_gradient_step()
    tracker.log_eval(iteration=2, train_loss=0.9, val_loss=1.25)
    tracker.finish(train_loss=0.9, val_loss=1.25, notes="a\nnote")
    run = saved_document(tracker)
    assert [record["iteration"] for record in run["metrics_history"]] == [0, 1, 2]
    assert run["metrics_history"][1] == {
        "iteration": 1,
        "gradient_step": 1,
        "wallclock_time": run["metrics_history"][1]["wallclock_time"],
        "train_loss": 2.0,
        "val_loss": None,
        "learning_rate": 1e-3,
        "tokens_per_sec": 1000,
        "iter_time_ms": 2.5,
        "grad_norm": 0.5,
    }
    assert run["metrics_history"][2]["train_loss"] == 1.0
    assert run["metrics_history"][2]["eval_train_loss"] == 0.9
    assert run["metrics_history"][2]["val_loss"] == 1.25
    assert run["best_train_loss"] == 1.0
    assert run["best_val_loss"] == run["final_val_loss"] == 1.25
    assert (run["status"], run["notes"], run["count"]) == ("finished", "a\nnote", 3)
    assert run["gradient_step"] == 3
    assert run["end_time"] > run["start_time"]
    assert run["duration_seconds"] >= run["metrics_history"][2]["wallclock_time"]
    assert run["stats"]["train_loss"]["max"] == 3.0
    assert run["run"]["pid"] > 0


def test_an_evaluation_has_a_train_loss_beside_that_of_the_step(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(10):
            tracker.log_metrics(i, train_loss=3.0)
            if i % 5 == 4:
                tracker.log_eval(i, train_loss=1.0, val_loss=2.0)
        tracker.log_eval(10, train_loss=1.5)  # the only loss of its iteration
        tracker.log_eval(11, train_loss=1.25)
        tracker.log_metrics(11, train_loss=3.0)
        tracker.log_eval(2, metrics={"train_loss": 0.5})  # late
        tracker.log_metrics(10, grad_norm=1.0)
        tracker.finish(train_loss=0.5, val_loss=0.75)
    run = load_experiment_log(tracker.path)
    steps = {record.iteration: record.train_loss for record in run.metrics_history}
    assert steps == {**dict.fromkeys(range(12), 3.0), 10: 1.5}
    estimates = {r.iteration: r.value("eval_train_loss") for r in run.metrics_history}
    assert {i for i, loss in estimates.items() if loss is not None} == {2, 4, 9, 10, 11}
    assert (run.best_train_loss, run.best_val_loss, run.final_val_loss) == (1.5, 2.0, 0.75)
    stats = tracker.get_summary_stats()
    assert (stats["best_train_loss"], stats["best_val_loss"]) == (1.5, 2.0)
    document = json.loads(tracker.path.read_text())
    assert (document["best_train_loss"], document["best_val_loss"]) == (1.5, 2.0)
    assert document["stats"]["train_loss"]["count"] == 12


def test_a_metric_called_loss_is_the_train_loss_of_the_run(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(4):
            tracker.log_metrics(i, metrics={"loss": 3.0 - i, "val/loss": 4.0 - i})
    stats = tracker.get_summary_stats()
    assert (stats["best_train_loss"], stats["best_val_loss"]) == (0.0, 1.0)
    assert stats["train_loss_stats"]["max"] == 3.0
    document = json.loads(tracker.path.read_text())
    assert (document["best_train_loss"], document["best_val_loss"]) == (0.0, 1.0)


def test_a_late_evaluation_changes_neither_position_nor_pace(tmp_path: Path) -> None:
    with new_tracker(tmp_path, max_iters=200) as tracker:
        for i in range(150):
            tracker.log_metrics(i, train_loss=5 - i / 50)
            tracker.increment_gradient_step()
            if i == 50:
                tracker.save()
        before = saved_document(tracker)["iterations_per_second"]
        tracker.log_eval(20, val_loss=4.7)
        run = OpenedRun(tracker.save()).summary()
        assert run.iterations_per_second == before > 0
        assert (run.iteration, progress(run)) == (149, 0.75)
        assert eta_seconds(run) == 50 / before
        columns = OpenedRun(tracker.path).history().columns
        assert columns["val_loss"][20] == 4.7
        for counter in ("gradient_step", "wallclock_time"):
            assert (columns[counter][1:] >= columns[counter][:-1]).all()


def test_one_record_stands_on_one_line(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(50):
        tracker.log_metrics(i, 1.0 / (i + 1))
    tracker.finish()
    lines = tracker.save().read_text().splitlines()
    assert lines[0].endswith('"metrics_history":[')
    assert [json.loads(line.rstrip(","))["iteration"] for line in lines[1:51]] == list(range(50))
    assert lines[51].startswith('],"end_time":')


def test_the_documented_signatures() -> None:
    def parameters(method: Any) -> list[tuple[str, Any]]:
        return [
            (parameter.name, parameter.default)
            for parameter in inspect.signature(method).parameters.values()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self"
        ]

    nothing = inspect.Parameter.empty
    assert parameters(ExperimentTracker.log_metrics) == [
        ("iteration", nothing),
        ("train_loss", None),
        ("learning_rate", 0.0),
        ("tokens_per_sec", 0.0),
        ("iter_time_ms", 0.0),
    ]
    assert parameters(ExperimentTracker.log_eval) == [
        ("iteration", nothing),
        ("train_loss", None),
        ("val_loss", None),
    ]
    assert parameters(ExperimentTracker.finish) == [
        ("train_loss", None),
        ("val_loss", None),
        ("notes", ""),
    ]


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    # What system metrics import takes memory, too, once.
    tracker = ExperimentTracker(ExperimentConfig("x"), tmp_path, quiet=True, system_interval=None)
    tracker.start()
    taken: list[int] = []
    tracemalloc.start()
    for end in (5_000, 25_000):
        for i in range(end):
            tracker.log_metrics(i, 1.0)
        tracker.save()
        taken.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    tracker.finish()
    # Some thousands of records are kept, for they may be amended: not 20,000 more.
    assert taken[1] - taken[0] < 1_000_000


def test_one_flush_is_one_write_whatever_the_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(10_000):
        tracker.log_metrics(i, 1.0)
    tracker.save()
    writes: list[int] = []
    real = os.pwrite

    def counted(descriptor: int, block: Any, offset: int) -> int:
        writes.append(len(block))
        return real(descriptor, block, offset)

    monkeypatch.setattr(os, "pwrite", counted)
    tracker.log_metrics(10_000, 1.0)
    tracker.save()
    assert 1 <= len(writes) <= 2
    assert max(writes) < 4096
    tracker.finish()


def test_with_finishes_and_saves(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0)
    assert saved_document(tracker)["status"] == "finished"


@pytest.mark.parametrize(
    ("exception", "status", "error"),
    [
        (ValueError("no \x1b[31mtokens"), "failed", "ValueError: no \x1b[31mtokens"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (SystemExit(3), "interrupted", "SystemExit: 3"),
        (SystemExit(0), "finished", ""),
    ],
)
def test_an_exception_is_recorded_and_goes_on(
    tmp_path: Path, exception: BaseException, status: str, error: str
) -> None:
    tracker = new_tracker(tmp_path)

    def train() -> None:
        with tracker:
            tracker.log_metrics(0, 1.0)
            raise exception

    with pytest.raises(type(exception)):
        train()
    run = saved_document(tracker)
    assert (run["status"], run["error"], run["count"]) == (status, error, 1)


def test_finish_inside_with_counts(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.finish(val_loss=0.5, notes="mine")
    assert saved_document(tracker)["notes"] == "mine"
    assert saved_document(tracker)["best_val_loss"] == 0.5


def test_calls_out_of_order_work_or_warn_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.log_metrics(0, 1.0)
    tracker.start()
    tracker.save()
    tracker.finish()
    tracker.finish()
    tracker.log_metrics(1, 1.0)
    tracker.log_metrics(2, 1.0)
    assert tracker.save() == tracker.save()
    assert saved_document(tracker)["count"] == 1
    messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if "before start()" in message]
    assert [message for message in messages if "finish() was called again" in message]
    assert len([message for message in messages if "after finish()" in message]) == 1


def test_save_without_start_still_makes_a_file(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    assert tracker.save().is_file()
    tracker.finish()


def test_elapsed_time_stands_still_after_finish(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    assert tracker.get_elapsed_time() == 0.0
    tracker.start()
    assert tracker.get_elapsed_time() > 0.0
    tracker.finish()
    assert tracker.get_elapsed_time() == tracker.get_elapsed_time()


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/abs/olute", "a\nb", "x" * 300, "🚀 émoji", "", ".hidden", "nul\0byte"],
)
def test_no_name_leaves_the_log_directory(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "logs"
    tracker = new_tracker(directory, name)
    tracker.start()
    tracker.finish()
    assert list(tmp_path.iterdir()) == [directory]
    [path] = directory.iterdir()
    assert path.name.startswith("experiment_")
    assert path.name.endswith(".json")
    assert saved_document(tracker)["config"]["experiment_name"] == name


def test_runs_of_one_name_and_second_get_files_of_their_own(tmp_path: Path) -> None:
    trackers = [new_tracker(tmp_path) for _ in range(5)]
    for tracker in trackers:
        tracker.start()
    for tracker in trackers:
        tracker.finish()
    assert len({tracker.path for tracker in trackers}) == 5
    assert all(saved_document(tracker)["status"] == "finished" for tracker in trackers)


def test_the_run_path_is_printed_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path / "by env"))
    tracker = ExperimentTracker({"experiment_name": "loud"})
    tracker.start()
    printed = capsys.readouterr()
    assert printed.out == ""
    [line] = printed.err.splitlines()
    assert str(tracker.path) in line
    assert f"traintop '{tmp_path / 'by env'}'" in line
    tracker.finish()


def test_only_rank_0_writes_unless_asked_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0)
        tracker.log_eval(0, val_loss=1.0)
        tracker.increment_gradient_step()
        assert tracker.get_summary_stats()["total_gradient_steps"] == 1
    assert tracker.save().suffix == ".json"
    assert list(tmp_path.iterdir()) == []
    config = ExperimentConfig(experiment_name="all")
    with ExperimentTracker(config, tmp_path, all_ranks=True, quiet=True) as loud:
        loud.log_metrics(0, 1.0)
    assert saved_document(loud)["run"]["rank"] == 3


@dataclasses.dataclass
class Settings:
    experiment_name: str = "from a dataclass"
    depth: int = 3


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.usefixtures("asks_git")
def test_a_run_names_the_commit_of_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("lr = 1\n")
    git("init")
    git("add", "train.py")
    git("commit", "-m", "as it was")
    for code, dirty in (("lr = 1\n", False), ("lr = 2\n", True)):
        Path("train.py").write_text(code)
        with new_tracker(tmp_path / "logs") as tracker:
            pass
        facts = saved_document(tracker)["run"]
        assert (facts["git_commit"], facts["git_dirty"]) == (git("rev-parse", "HEAD"), dirty)


def test_settings_may_come_in_many_shapes(tmp_path: Path) -> None:
    for settings in (
        Settings(),
        {"experiment_name": "from a dict", "depth": 3},
        argparse.Namespace(experiment_name="from argparse", depth=3),
    ):
        tracker = ExperimentTracker(settings, tmp_path, quiet=True)
        assert tracker.config.depth == 3
    with pytest.raises(ValueError, match="experiment_name"):
        ExperimentTracker({"depth": 3})
    with pytest.raises(TypeError, match="not int"):
        ExperimentTracker(3)


def test_settings_that_json_cannot_hold_are_written_as_text(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    nested: list[Any] = []
    nested.append(nested)
    with new_tracker(
        tmp_path, path=Path("a/b"), loop=nested, broken=Broken(), nan=math.nan, big=10**40, 键=1
    ) as tracker:
        pass
    config = saved_document(tracker)["config"]
    assert config["path"] == "a/b"
    assert config["broken"] == "<Broken>"
    assert config["nan"] == "NaN"
    assert config["键"] == 1


def test_a_deleted_file_comes_back_with_all_its_records(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path / "logs")
    tracker.start()
    for i in range(100):
        tracker.log_metrics(i, 1.0)
    path = tracker.save()
    path.unlink()
    path.parent.rmdir()
    tracker.log_metrics(100, 1.0)
    tracker.finish()
    assert len(saved_document(tracker)["metrics_history"]) == 101


def test_a_refusing_disk_costs_one_warning_and_no_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the directory should be")
    caplog.set_level(logging.WARNING)
    tracker = new_tracker(blocked)
    tracker.start()
    for i in range(50):
        tracker.log_metrics(i, 1.0)
    blocked.unlink()
    tracker.finish()
    assert len(saved_document(tracker)["metrics_history"]) == 50
    warnings = [r.getMessage() for r in caplog.records if "cannot write" in r.getMessage()]
    assert len(warnings) == 1


def test_print_summary_shows_control_characters_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_tracker(tmp_path, "\x1b]0;pwned\x07") as tracker:
        tracker.log_metrics(0, 1.5, tokens_per_sec=120_000.0, iter_time_ms=3.0)
    tracker.print_summary()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "120k" in printed
    assert "1.5" in printed


def test_an_interrupt_before_finish_reaches_the_writer_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    tracker.log_metrics(0, 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tracker.finish(notes="done")
    tracker._run.end_at_exit("interrupted", "KeyboardInterrupt", 10.0)
    run = json.loads(tracker.path.read_text())
    assert (run["status"], run["notes"]) == ("finished", "done")


def interrupted(*_: object) -> bool:
    raise KeyboardInterrupt


def test_settings_that_come_later_are_recorded_as_that(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path, lr=0.1)
    tracker.update_config({"lr": 0.2})  # before the start, it is as if given at first
    tracker.start()
    tracker.update_config({"lr": 0.3, "data": {"shards": (0, 1)}})
    assert tracker.config.lr == 0.3
    run = saved_document(tracker)
    assert run["config"]["lr"] == 0.2
    assert run["config_changes"] == {"lr": 0.3, "data": {"shards": [0, 1]}}
    tracker.finish()
    resumed = ExperimentTracker.resume("baseline", tmp_path, again=True, quiet=True)
    assert (resumed.resumed, resumed.config.lr) == (True, 0.3)
    resumed.update_config({"lr": 0.4})
    resumed.finish()
    assert saved_document(resumed)["config_changes"]["lr"] == 0.4


def test_settings_that_come_too_late_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.finish()
    tracker.update_config({"lr": 0.3})
    assert "update_config() was called after finish(): it is ignored" in caplog.text


def test_a_run_may_end_with_an_error(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    tracker.finish(error="no data")
    run = saved_document(tracker)
    assert (run["status"], run["error"]) == ("failed", "no data")


def test_notes_and_facts_are_in_the_file_from_the_start(tmp_path: Path) -> None:
    facts = {"id": "abc", "tags": ["a"], "host": "not this one"}
    tracker = ExperimentTracker(
        {"experiment_name": "a"}, tmp_path, quiet=True, notes="Why.", facts=facts
    )
    tracker.start()
    run = saved_document(tracker)
    assert (run["notes"], run["run"]["id"], run["run"]["tags"]) == ("Why.", "abc", ["a"])
    assert run["run"]["host"] != "not this one"
    tracker.finish()
    assert saved_document(tracker)["notes"] == "Why."
    resumed = ExperimentTracker.resume("abc", tmp_path, again=True, quiet=True)
    assert resumed.path == tracker.path


def test_what_is_known_of_all_metrics_so_far(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    assert tracker.last_iteration is None
    for i in (3, 7, 5):
        tracker.log_metrics(i, norm=float(i))
    stats = tracker.get_metric_stats()["norm"]
    assert (stats.count, stats.min, stats.max, tracker.last_iteration) == (3, 3.0, 7.0, 7)
    tracker.finish()
