"""The tracker's promises, on real files."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import logging
import math
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

from traintop import ExperimentConfig, ExperimentTracker, RunFileBusyError
from traintop.store.run import Run
from traintop.tracking import writer as writer_module
from traintop.tracking.recording import MAX_METRICS, MAX_NAME


def tracked(directory: Path, name: str = "baseline", **settings: Any) -> ExperimentTracker:
    return ExperimentTracker(
        ExperimentConfig(experiment_name=name, **settings), log_dir=directory, quiet=True
    )


def document(tracker: ExperimentTracker) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(tracker.save().read_text())
    return loaded


def test_the_file_exists_and_is_json_from_start_on(tmp_path: Path) -> None:
    tracker = tracked(tmp_path / "made" / "on demand")
    tracker.start()
    [path] = (tmp_path / "made" / "on demand").iterdir()
    assert path == tracker.path
    assert json.loads(path.read_text())["metrics_history"] == []
    assert json.loads(path.read_text())["status"] == "running"
    tracker.finish()


def test_a_whole_run_is_in_the_file(tmp_path: Path) -> None:
    tracker = tracked(tmp_path, max_iters=3)
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
    run = document(tracker)
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
    assert run["metrics_history"][2]["train_loss"] == 0.9
    assert run["metrics_history"][2]["val_loss"] == 1.25
    assert run["best_train_loss"] == 0.9
    assert run["best_val_loss"] == run["final_val_loss"] == 1.25
    assert (run["status"], run["notes"], run["count"]) == ("finished", "a\nnote", 3)
    assert run["gradient_step"] == 3
    assert run["end_time"] > run["start_time"]
    assert run["duration_seconds"] >= run["metrics_history"][2]["wallclock_time"]
    assert run["stats"]["train_loss"]["max"] == 3.0
    assert run["run"]["pid"] > 0


def test_one_record_stands_on_one_line(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    for i in range(50):
        tracker.log_metrics(i, 1.0 / (i + 1))
    tracker.finish()
    lines = tracker.save().read_text().splitlines()
    assert lines[0].endswith('"metrics_history":[')
    assert [json.loads(line.rstrip(","))["iteration"] for line in lines[1:51]] == list(range(50))
    assert lines[51].startswith('],"end_time":')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (1e308, 1e308),
        (5e-324, 5e-324),
        (10**30, 1e30),
        (10**400, "Infinity"),
        (True, 1),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(7), 7),
        (np.array(2.5), 2.5),
        (np.array([2.5]), 2.5),
        (np.float64(math.nan), "NaN"),
    ],
)
def test_values_are_written_as_strict_json(tmp_path: Path, value: object, written: object) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    tracker.log_metrics(0, value)
    tracker.finish()
    assert document(tracker)["metrics_history"][0]["train_loss"] == written
    json.loads(tracker.path.read_text(), parse_constant=lambda _: pytest.fail("bare constant"))


@pytest.mark.parametrize("value", ["0.5", np.array([1.0, 2.0]), object(), 1j, [1.0]])
def test_what_is_no_number_is_left_out_with_one_warning(
    tmp_path: Path, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    for i in range(3):
        tracker.log_metrics(i, value, grad_norm=1.0)
    tracker.finish()
    records = document(tracker)["metrics_history"]
    assert [record["train_loss"] for record in records] == [None] * 3
    assert [record["grad_norm"] for record in records] == [1.0] * 3
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "'train_loss'" in warnings[0]


def test_a_value_is_the_one_at_the_time_of_the_call(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    running_loss = np.array(1.0)
    for i in range(5):
        tracker.log_metrics(i, running_loss)
        running_loss += 1.0
    tracker.finish()
    losses = [record["train_loss"] for record in document(tracker)["metrics_history"]]
    assert losses == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_what_is_not_given_counts_as_not_measured(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    tracker.log_metrics(0, 1.0)
    tracker.log_metrics(1, 1.0, learning_rate=0.0)
    tracker.finish()
    first, second = document(tracker)["metrics_history"]
    assert (first["learning_rate"], first["tokens_per_sec"]) == (None, None)
    assert second["learning_rate"] == 0.0


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


def test_metrics_may_have_any_name(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    tracker.log_metrics(0, metrics={"train/acc": 0.9, "Ünïcode ✓": 1, "\ud800": 2, "val_loss": 3.0})
    tracker.finish()
    [record] = document(tracker)["metrics_history"]
    assert record["train/acc"] == 0.9
    assert record["Ünïcode ✓"] == 1
    assert record["?"] == 2
    assert record["val_loss"] == 3.0


def test_no_name_of_a_metric_takes_the_place_of_the_iteration(tmp_path: Path) -> None:
    with tracked(tmp_path) as tracker:
        tracker.log_metrics(5, 1.0, metrics={PurePath("iteration"): 7})  # type: ignore[dict-item]
    assert [row["iteration"] for row in document(tracker)["metrics_history"]] == [5]


def test_notes_are_kept_no_longer_than_readers_look(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.log_metrics(0, 1.0)
    tracker.finish(notes="\1" * 5_000_000)
    summary = Run(tracker.path).summary()
    assert (summary.status, summary.count, len(summary.notes)) == ("finished", 1, 500_000)


def test_as_many_metrics_as_there_may_be_fit_where_readers_look(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"{number:04}".ljust(MAX_NAME, "\1") for number in range(MAX_METRICS)]
    with tracked(tmp_path) as tracker:
        for i in range(3):
            tracker.log_metrics(i, 1.0, metrics={"x" * 100_000: 1.0, **dict.fromkeys(names, 0.1)})
        tracker.finish(notes="\1" * 10_000)
    assert ["too long" in record.getMessage() for record in caplog.records] == [True]
    run = Run(tracker.path)
    summary = run.summary()
    assert (summary.status, summary.count, len(run.history())) == ("finished", 3, 3)
    assert {*names} < {*summary.stats}


def test_a_name_made_of_a_number_cannot_fill_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    for i in range(1200):
        tracker.log_metrics(0, metrics={f"loss_{i}": 1.0})
    tracker.finish()
    assert len(document(tracker)["stats"]) == 1000
    assert sum("metric names" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("iteration", [math.nan, "five", None, [1]])
def test_a_record_without_a_usable_iteration_is_left_out(
    tmp_path: Path, iteration: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    tracker.log_metrics(iteration, 1.0)
    tracker.log_metrics(1, 2.0)
    tracker.finish()
    assert [record["iteration"] for record in document(tracker)["metrics_history"]] == [1]
    assert any("iteration" in record.getMessage() for record in caplog.records)


def test_statistics_are_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(1e6, 1.0, 3000)
    tracker = tracked(tmp_path)
    tracker.start()
    for i, value in enumerate(values):
        tracker.log_metrics(i, float(value), tokens_per_sec=float(i), iter_time_ms=2.0)
        tracker.increment_gradient_step()
    stats = tracker.get_summary_stats()
    assert stats["total_iterations"] == stats["total_gradient_steps"] == 3000
    assert stats["best_train_loss"] == values.min()
    assert stats["best_val_loss"] is None
    assert "val_loss_stats" not in stats
    assert stats["train_loss_stats"] == pytest.approx(
        {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}
    )
    assert stats["iter_time_stats_ms"] == {"mean": 2.0, "std": 0.0}
    assert stats["throughput_stats_tokens_per_sec"] == {"mean": 1499.5, "max": 2999.0}
    assert 0 < stats["total_duration_seconds"] <= tracker.get_elapsed_time()
    tracker.finish()
    written = document(tracker)["stats"]["train_loss"]
    assert written["mean"] == pytest.approx(values.mean())
    assert written["recent_mean"] == pytest.approx(values[-100:].mean())


def test_a_replayed_iteration_counts_once_however_far_back(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    for i in range(2000):
        tracker.log_metrics(i, 5.0)
    tracker.save()
    for i in range(100, 2100):
        tracker.log_metrics(i, 1.0)
    stats = tracker.get_summary_stats()
    assert stats["total_iterations"] == 2100
    assert stats["train_loss_stats"]["mean"] == pytest.approx((100 * 5.0 + 2000 * 1.0) / 2100)
    tracker.finish()
    assert document(tracker)["count"] == 2100


def test_values_whose_sums_are_no_floats_do_not_stop_the_writing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tracked(tmp_path) as tracker:
        tracker.log_metrics(0, 1.7e308)
        tracker.log_metrics(1, -1.7e308)
    run = document(tracker)
    assert (run["status"], len(run["metrics_history"])) == ("finished", 2)
    assert caplog.records == []
    stats = run["stats"]["train_loss"]
    assert (stats["min"], stats["max"], stats["mean"], stats["std"]) == (
        -1.7e308,
        1.7e308,
        None,
        None,
    )


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    for i in range(20_000):
        tracker.log_metrics(i, 1.0)
    tracker.save()
    writer = tracker._writer
    assert writer is not None
    assert len(writer.pending) == 0
    assert writer._recording.waiting_bytes == 0
    assert len(writer._recording._statistics._recent) <= 256
    tracker.finish()


def test_one_flush_is_one_write_whatever_the_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = tracked(tmp_path)
    tracker.start()
    for i in range(10_000):
        tracker.log_metrics(i, 1.0)
    tracker.save()
    writes: list[int] = []
    real = writer_module.RunFile.write

    def counted(self: Any, settled: bytes, rest: bytes) -> None:
        writes.append(len(settled) + len(rest))
        real(self, settled, rest)

    monkeypatch.setattr(writer_module.RunFile, "write", counted)
    tracker.log_metrics(10_000, 1.0)
    tracker.save()
    assert 1 <= len(writes) <= 2
    assert max(writes) < 4096
    tracker.finish()


def test_with_finishes_and_saves(tmp_path: Path) -> None:
    with tracked(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0)
    assert document(tracker)["status"] == "finished"


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
    tracker = tracked(tmp_path)

    def train() -> None:
        with tracker:
            tracker.log_metrics(0, 1.0)
            raise exception

    with pytest.raises(type(exception)):
        train()
    run = document(tracker)
    assert (run["status"], run["error"], run["count"]) == (status, error, 1)


def test_finish_inside_with_counts(tmp_path: Path) -> None:
    with tracked(tmp_path) as tracker:
        tracker.finish(val_loss=0.5, notes="mine")
    assert document(tracker)["notes"] == "mine"
    assert document(tracker)["best_val_loss"] == 0.5


def test_calls_out_of_order_work_or_warn_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = tracked(tmp_path)
    tracker.log_metrics(0, 1.0)
    tracker.start()
    tracker.save()
    tracker.finish()
    tracker.finish()
    tracker.log_metrics(1, 1.0)
    tracker.log_metrics(2, 1.0)
    assert tracker.save() == tracker.save()
    assert document(tracker)["count"] == 1
    messages = [record.getMessage() for record in caplog.records]
    assert [message for message in messages if "before start()" in message]
    assert [message for message in messages if "finish() was called again" in message]
    assert len([message for message in messages if "after finish()" in message]) == 1


def test_save_without_start_still_makes_a_file(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
    assert tracker.save().is_file()
    tracker.finish()


def test_elapsed_time_stands_still_after_finish(tmp_path: Path) -> None:
    tracker = tracked(tmp_path)
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
    tracker = tracked(directory, name)
    tracker.start()
    tracker.finish()
    assert list(tmp_path.iterdir()) == [directory]
    [path] = directory.iterdir()
    assert path.name.startswith("experiment_")
    assert path.name.endswith(".json")
    assert document(tracker)["config"]["experiment_name"] == name


def test_runs_of_one_name_and_second_get_files_of_their_own(tmp_path: Path) -> None:
    trackers = [tracked(tmp_path) for _ in range(5)]
    for tracker in trackers:
        tracker.start()
    for tracker in trackers:
        tracker.finish()
    assert len({tracker.path for tracker in trackers}) == 5
    assert all(document(tracker)["status"] == "finished" for tracker in trackers)


def test_where_the_run_is_written_is_said_on_stderr(
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


def test_only_rank_0_writes_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    with tracked(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0)
        tracker.log_eval(0, val_loss=1.0)
        tracker.increment_gradient_step()
        assert tracker.get_summary_stats()["total_gradient_steps"] == 1
    assert tracker.save().suffix == ".json"
    assert list(tmp_path.iterdir()) == []
    config = ExperimentConfig(experiment_name="all")
    with ExperimentTracker(config, tmp_path, all_ranks=True, quiet=True) as loud:
        loud.log_metrics(0, 1.0)
    assert document(loud)["run"]["rank"] == 3


@dataclasses.dataclass
class Settings:
    experiment_name: str = "from a dataclass"
    depth: int = 3


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
    with tracked(
        tmp_path, path=Path("a/b"), loop=nested, broken=Broken(), nan=math.nan, big=10**40, 键=1
    ) as tracker:
        pass
    config = document(tracker)["config"]
    assert config["path"] == "a/b"
    assert config["broken"] == "<Broken>"
    assert config["nan"] == "NaN"
    assert config["键"] == 1


def test_resume_goes_on_in_the_same_file(tmp_path: Path) -> None:
    tracker = tracked(tmp_path, "long", depth=3)
    tracker.start()
    for i in range(10):
        tracker.log_metrics(i, float(i))
        tracker.increment_gradient_step()
    tracker.finish()
    before = document(tracker)
    with ExperimentTracker.resume("long", tmp_path, gradient_step=6, quiet=True) as resumed:
        assert resumed.config.depth == 3
        for i in range(6, 15):
            resumed.log_metrics(i, 100.0 + i)
            resumed.increment_gradient_step()
    after = document(resumed)
    assert resumed.path == tracker.path
    assert after["start_time"] == before["start_time"]
    assert after["count"] == 15
    assert after["gradient_step"] == 15
    assert after["duration_seconds"] >= before["duration_seconds"]
    assert len(after["resumed"]) == 1
    assert after["stats"]["train_loss"]["count"] == 15
    assert after["stats"]["train_loss"]["mean"] == sum([*range(6), *range(106, 115)]) / 15


def test_two_processes_cannot_resume_the_same_run(tmp_path: Path) -> None:
    tracker = tracked(tmp_path, "busy")
    tracker.start()
    tracker.save()
    with pytest.raises(RunFileBusyError, match="busy"):
        ExperimentTracker.resume("busy", tmp_path)
    tracker.finish()
    first = ExperimentTracker.resume("busy", tmp_path, quiet=True)
    with pytest.raises(RunFileBusyError):
        ExperimentTracker.resume(tracker.path)
    first.start()
    first.finish()


def test_resuming_what_is_not_there_names_what_is(tmp_path: Path) -> None:
    with tracked(tmp_path, "present"):
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


def test_a_file_cut_at_any_byte_of_its_records_or_tail_can_be_resumed(tmp_path: Path) -> None:
    with tracked(tmp_path, "torn") as tracker:
        for i in range(3):
            tracker.log_metrics(i, float(i))
    whole = tracker.path.read_bytes()
    start = whole.index(b"[\n") + 2
    ends_of_records = [place + 1 for place in range(start, len(whole)) if whole[place] == ord("}")]
    for cut in range(start, len(whole) + 1):
        tracker.path.write_bytes(whole[:cut])
        after = resumed_and_finished(tracker.path)
        kept = sum(end <= cut for end in ends_of_records[:3])
        iterations = [record["iteration"] for record in after["metrics_history"]]
        assert iterations == [*range(kept), 99], cut
        assert after["count"] == kept + 1, cut


def test_a_write_torn_over_an_older_tail_at_any_byte_can_be_resumed(tmp_path: Path) -> None:
    with tracked(tmp_path, "torn") as tracker:
        for i in range(3):
            tracker.log_metrics(i, float(i))
        before = tracker.save().read_bytes()
        tracker.log_metrics(3, 3.0)
    after = tracker.path.read_bytes()
    start = next(
        place for place, (old, new) in enumerate(zip(before, after, strict=False)) if old != new
    )
    for cut in range(start, len(after)):
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


def test_a_deleted_file_comes_back_with_all_its_records(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = tracked(tmp_path / "logs")
    tracker.start()
    for i in range(100):
        tracker.log_metrics(i, 1.0)
    path = tracker.save()
    path.unlink()
    path.parent.rmdir()
    tracker.log_metrics(100, 1.0)
    tracker.finish()
    assert len(document(tracker)["metrics_history"]) == 101


def test_a_refusing_disk_costs_one_warning_and_no_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the directory should be")
    caplog.set_level(logging.WARNING)
    tracker = tracked(blocked)
    tracker.start()
    for i in range(50):
        tracker.log_metrics(i, 1.0)
    blocked.unlink()
    tracker.finish()
    assert len(document(tracker)["metrics_history"]) == 50
    warnings = [r.getMessage() for r in caplog.records if "cannot write" in r.getMessage()]
    assert len(warnings) == 1


def test_print_summary_shows_control_characters_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tracked(tmp_path, "\x1b]0;pwned\x07") as tracker:
        tracker.log_metrics(0, 1.5, tokens_per_sec=120_000.0, iter_time_ms=3.0)
    tracker.print_summary()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "120k" in printed
    assert "1.5" in printed
