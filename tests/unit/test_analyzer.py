"""ExperimentAnalyzer over logs of the real tracker and of other programs."""

from __future__ import annotations

import csv
import json
import logging
import math
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from traintop import (
    ExperimentAnalyzer,
    ExperimentConfig,
    ExperimentTracker,
    RunStatus,
    load_experiment_log,
    print_experiment_summary,
)
from traintop.analysis.query import filter_runs
from traintop.store.catalog import RunCatalog
from traintop.store.run import Run


def track(
    log_dir: Path, name: str, losses: list[float], *, val_loss: float | None = None, **settings: Any
) -> Path:
    """A finished run with these training losses, and a validation loss at its last iteration."""
    config = ExperimentConfig(name, **settings)
    with ExperimentTracker(config, log_dir=log_dir, quiet=True) as tracker:
        for iteration, loss in enumerate(losses):
            tracker.increment_gradient_step()
            tracker.log_metrics(
                iteration, train_loss=loss, learning_rate=1e-3, tokens_per_sec=1000.0 + iteration
            )
        if val_loss is not None:
            tracker.log_eval(len(losses) - 1, val_loss=val_loss)
    return tracker.path


def loaded(log_dir: Path) -> ExperimentAnalyzer:
    analyzer = ExperimentAnalyzer(log_dir)
    analyzer.load_all()
    return analyzer


FOREIGN: dict[str, Any] = {
    "config": {
        "experiment_name": "foreign",
        "d_model": 64,
        "model_name": "gpt-tiny",
        "optimizer_name": "Muon",
        "betas": [0.9, 0.95],
    },
    "start_time": "2025-02-22T14:05:30.123456",
    "end_time": "2025-02-22T14:15:30.123456",
    "duration_seconds": 600.0,
    "metrics_history": [
        {"iteration": 0, "train_loss": 4.5, "val_loss": None, "batch_size": 64},
        {"iteration": 10, "train_loss": math.nan, "val_loss": math.inf, "context_length": 256},
        {"iteration": 20, "gradient_step": 21, "train_loss": 2.5, "val_loss": 2.75},
    ],
    "best_train_loss": math.inf,
    "best_val_loss": math.inf,
    "notes": "by another program",
}


# ------------------------------------------------------------------------------ loading


def test_logs_hold_the_whole_runs(tmp_path: Path) -> None:
    path = track(tmp_path, "baseline", [3.0, 2.0], val_loss=2.5, optimizer_name="Muon")
    logs = loaded(tmp_path).logs
    assert list(logs) == ["baseline"]
    assert "baseline" in logs
    assert len(logs) == 1
    log = logs["baseline"]
    assert log.config.optimizer_name == "Muon"
    assert log.status is RunStatus.FINISHED
    assert log.path == path
    assert [record.train_loss for record in log.metrics_history] == [3.0, 2.0]
    assert [record.val_loss for record in log.metrics_history] == [None, 2.5]
    assert [record.gradient_step for record in log.metrics_history] == [1, 2]
    assert (log.best_train_loss, log.best_val_loss) == (2.0, 2.5)
    with pytest.raises(KeyError):
        logs["other"]


def test_an_analyzer_holds_nothing_before_it_loads_and_loads_when_asked(tmp_path: Path) -> None:
    track(tmp_path, "baseline", [3.0], val_loss=2.5)
    analyzer = ExperimentAnalyzer(str(tmp_path))
    assert len(analyzer.logs) == 0
    assert analyzer.get_loss_trajectories("baseline")[1] == [3.0]
    assert analyzer.get_best_experiment() == ("baseline", 2.5)


def test_the_log_directory_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINTOP_DIR", raising=False)
    assert ExperimentAnalyzer().log_dir == Path("experiment_logs")
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path / "elsewhere"))
    assert ExperimentAnalyzer().log_dir == tmp_path / "elsewhere"


def test_load_specific_adds_to_what_is_loaded(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        track(tmp_path, name, [1.0])
    analyzer = ExperimentAnalyzer(tmp_path)
    analyzer.load_specific(["a"])
    analyzer.load_specific(["c"])
    assert set(analyzer.logs) == {"a", "c"}
    assert "b " not in analyzer.get_comparison_table(width=120)
    with pytest.raises(ValueError, match="no run named 'd'"):
        analyzer.load_specific(["b", "d"])
    assert set(analyzer.logs) == {"a", "c"}
    analyzer.load_all()
    assert set(analyzer.logs) == {"a", "b", "c"}


def test_loading_again_sees_what_is_new_and_what_is_gone(tmp_path: Path) -> None:
    path = track(tmp_path, "a", [1.0])
    analyzer = loaded(tmp_path)
    path.unlink()
    track(tmp_path, "b", [1.0])
    assert list(analyzer.logs) == ["a"]
    analyzer.load_all()
    assert list(analyzer.logs) == ["b"]


def test_runs_of_one_name_never_hide_each_other(tmp_path: Path) -> None:
    paths = [track(tmp_path, "baseline", [float(loss)]) for loss in (1, 2, 3)]
    analyzer = loaded(tmp_path)
    stamps = [path.stem.removeprefix("experiment_baseline_") for path in paths]
    names = [f"baseline@{stamps[0]}", f"baseline@{stamps[1]}", "baseline"]
    assert set(analyzer.logs) == set(names)
    for number, (name, path) in enumerate(zip(names, paths, strict=True), 1):
        for alias in (name, path.stem, path.name):
            assert analyzer.get_loss_trajectories(alias)[1] == [float(number)]
    table = analyzer.get_comparison_table(width=200)
    assert all(re.search(rf"^{name} ", table, re.MULTILINE) for name in names)


def test_an_unknown_name_lists_the_closest(tmp_path: Path) -> None:
    track(tmp_path, "baseline", [1.0])
    track(tmp_path, "other", [1.0])
    analyzer = loaded(tmp_path)
    for method in (
        analyzer.print_summary,
        analyzer.get_loss_trajectories,
        analyzer.get_throughput_trajectory,
        analyzer.get_learning_rate_trajectory,
        lambda name: analyzer.get_trajectory(name, "val_loss"),
        lambda name: analyzer.export_csv(name, tmp_path / "run.csv"),
    ):
        with pytest.raises(ValueError, match=r"'basline' in .*: did you mean 'baseline'\?"):
            method("basline")
    with pytest.raises(ValueError, match="there are none"):
        ExperimentAnalyzer(tmp_path / "empty").print_summary("baseline")


def test_broken_files_are_told_once_and_stop_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    track(tmp_path, "good", [1.0])
    (tmp_path / "experiment_empty_20250222_140530.json").touch()
    (tmp_path / "experiment_torn_20250222_140530.json").write_text('{"config": {"a')
    (tmp_path / "experiment_binary_20250222_140530.json").write_bytes(b"\x00\xff\x1b[2J")
    (tmp_path / "experiment_folder_20250222_140530.json").mkdir()
    (tmp_path / "other.json").write_text('{"no": "run"}')
    analyzer = ExperimentAnalyzer(tmp_path)
    with caplog.at_level(logging.WARNING, logger="traintop"):
        analyzer.load_all()
        analyzer.load_all()
    assert list(analyzer.logs) == ["good"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 4
    for name, reason in (("empty", "is empty"), ("folder", "is a directory"), ("torn", "not JSON")):
        assert [line for line in told if f"experiment_{name}_" in line and reason in line]


def test_a_missing_directory_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    analyzer = loaded(tmp_path / "nowhere")
    assert "nowhere does not exist" in caplog.text
    assert analyzer.get_comparison_table() == f"No runs in {tmp_path / 'nowhere'}."
    assert analyzer.get_best_experiment() is None
    assert dict(analyzer.logs) == {}


# ------------------------------------------------------------------------------ foreign logs


@pytest.mark.parametrize("indent", [2, None], ids=["indented", "one line"])
def test_logs_of_other_programs_load_unchanged(tmp_path: Path, indent: int | None) -> None:
    with (tmp_path / "experiment_foreign_20250222_140530.json").open("w") as file:
        json.dump(FOREIGN, file, indent=indent)
    analyzer = loaded(tmp_path)
    log = analyzer.logs["foreign"]
    assert log.config.to_dict() == FOREIGN["config"]
    assert log.notes == "by another program"
    assert log.duration_seconds == 600.0
    assert log.metrics_history[0].metrics == {"batch_size": 64.0}
    assert log.metrics_history[2].gradient_step == 21
    iterations, train, val = analyzer.get_loss_trajectories("foreign")
    assert iterations == [0, 10, 20]
    assert (train[0], train[2]) == (4.5, 2.5)
    assert math.isnan(train[1])
    assert math.isnan(val[0])
    assert val[1:] == [math.inf, 2.75]
    assert analyzer.get_best_experiment("val_loss") == ("foreign", 2.75)
    assert analyzer.get_best_experiment("train_loss") == ("foreign", 2.5)
    assert analyzer.get_best_experiment("duration") == ("foreign", 600.0)
    assert analyzer.get_trajectory("foreign", "batch_size")[1][0] == 64


def test_the_newest_record_of_another_program_is_that_of_the_highest_iteration(
    tmp_path: Path,
) -> None:
    rows = [{"iteration": i, "gradient_step": i + 1, "train_loss": float(i)} for i in (2, 1, 0)]
    rows.append({"iteration": 2, "val_loss": 7.0})
    path = tmp_path / "experiment_theirs.json"
    content = {"config": {"experiment_name": "theirs"}, "metrics_history": rows, "last": rows[1]}
    path.write_text(json.dumps(content))
    run = Run(path).summary()
    assert (run.iteration, run.gradient_step, run.count) == (2, 3, 3)
    assert run.last is not None
    assert (run.last.train_loss, run.last.val_loss) == (2.0, 7.0)


def test_every_optional_key_may_be_missing(tmp_path: Path) -> None:
    content = {"config": {}, "metrics_history": [{"iteration": 1, "train_loss": 2.0}, {"x": 1}]}
    path = tmp_path / "experiment_bare_20250222_140530.json"
    path.write_text(json.dumps(content))
    log = load_experiment_log(path)
    assert (log.config.experiment_name, log.start_time, log.notes) == ("", None, "")
    assert [record.train_loss for record in log.metrics_history] == [2.0]
    assert list(loaded(tmp_path).logs) == [path.stem]


# ------------------------------------------------------------------------------ best


def test_settings_come_back_as_they_were_given(tmp_path: Path) -> None:
    given = {"clip": math.inf, "floor": -math.inf, "nested": {"a": [1, math.inf]}, "text": "inf"}
    for name in ("NaN", "b"):
        with ExperimentTracker(ExperimentConfig(name, **given), tmp_path, quiet=True):
            pass
    for name, log in loaded(tmp_path).logs.items():
        assert log.config.experiment_name == name
        assert {key: log.config.to_dict()[key] for key in given} == given
    runs = RunCatalog([tmp_path]).refresh().runs
    assert len(filter_runs(runs, "clip > 5 and floor == -inf", datetime.now())) == 2


def test_best_follows_the_metric_unless_told(tmp_path: Path) -> None:
    for name, accuracy in (("low", 0.25), ("high", 0.75)):
        with ExperimentTracker(ExperimentConfig(name), log_dir=tmp_path, quiet=True) as tracker:
            tracker.log_metrics(0, train_loss=accuracy, metrics={"val/acc": accuracy})
    analyzer = loaded(tmp_path)
    assert analyzer.get_best_experiment("val/acc") == ("high", 0.75)
    assert analyzer.get_best_experiment("val/acc", mode="min") == ("low", 0.25)
    assert analyzer.get_best_experiment("train_loss") == ("low", 0.25)
    assert analyzer.get_best_experiment("train_loss", mode="max") == ("high", 0.75)
    assert analyzer.get_best_experiment("val_loss") is None
    assert analyzer.get_best_experiment("unheard_of") is None
    with pytest.raises(ValueError, match="mode"):
        analyzer.get_best_experiment("val_loss", mode="lowest")  # type: ignore[arg-type]


def test_nan_and_infinite_values_never_win(tmp_path: Path) -> None:
    track(tmp_path, "diverged", [math.nan, -math.inf], val_loss=math.nan)
    track(tmp_path, "sound", [3.0, math.nan], val_loss=5.0)
    analyzer = loaded(tmp_path)
    assert analyzer.get_best_experiment("train_loss") == ("sound", 3.0)
    assert analyzer.get_best_experiment("val_loss") == ("sound", 5.0)


# ------------------------------------------------------------------------------ trajectories


def test_trajectories_are_aligned_sorted_and_have_each_iteration_once(tmp_path: Path) -> None:
    with ExperimentTracker(ExperimentConfig("run"), log_dir=tmp_path, quiet=True) as tracker:
        for iteration, loss in ((0, 5.0), (2, 3.0), (1, 4.0), (2, 2.5), (7, 1.0)):
            tracker.log_metrics(iteration, train_loss=loss)
        tracker.log_metrics(2, learning_rate=0.5)
        tracker.log_eval(7, val_loss=1.5)
        tracker.log_metrics(9, tokens_per_sec=100.0)
    analyzer = loaded(tmp_path)
    iterations, train, val = analyzer.get_loss_trajectories("run")
    assert iterations == [0, 1, 2, 7, 9]
    assert all(type(iteration) is int for iteration in iterations)
    assert train[:4] == [5.0, 4.0, 2.5, 1.0]
    assert math.isnan(train[4])
    assert [math.isnan(loss) for loss in val] == [True, True, True, False, True]
    assert val[3] == 1.5
    assert analyzer.get_learning_rate_trajectory("run")[1][2] == 0.5
    throughput_iterations, throughput = analyzer.get_throughput_trajectory("run")
    assert throughput_iterations == iterations
    assert throughput[-1] == 100.0


def test_any_field_of_a_record_is_a_trajectory(tmp_path: Path) -> None:
    with ExperimentTracker(ExperimentConfig("run"), log_dir=tmp_path, quiet=True) as tracker:
        for iteration in range(3):
            tracker.increment_gradient_step()
            tracker.log_metrics(iteration, metrics={"train/acc": iteration / 4})
    analyzer = loaded(tmp_path)
    assert analyzer.get_trajectory("run", "train/acc") == ([0, 1, 2], [0.0, 0.25, 0.5])
    assert analyzer.get_trajectory("run", "gradient_step") == ([0, 1, 2], [1, 2, 3])
    assert sorted(times := analyzer.get_trajectory("run", "wallclock_time")[1]) == times
    with pytest.raises(ValueError, match="no metric 'train/ac': did you mean 'train/acc'"):
        analyzer.get_trajectory("run", "train/ac")


def test_a_run_without_records_has_empty_trajectories(tmp_path: Path) -> None:
    track(tmp_path, "empty", [])
    analyzer = loaded(tmp_path)
    assert analyzer.get_loss_trajectories("empty") == ([], [], [])
    assert analyzer.logs["empty"].metrics_history == []
    assert "empty" in analyzer.get_comparison_table()


# ------------------------------------------------------------------------------ display, export


def test_the_table_is_sorted_and_is_markdown_on_demand(tmp_path: Path) -> None:
    track(tmp_path, "worse", [3.0], val_loss=3.0, seed=1)
    track(tmp_path, "better", [2.0], val_loss=2.0, seed=2)
    analyzer = loaded(tmp_path)
    lines = analyzer.get_comparison_table(width=120).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["better", "worse"]
    by_setting = analyzer.get_comparison_table(width=120, sort="seed").splitlines()
    assert [line.split()[0] for line in by_setting[2:4]] == ["worse", "better"]
    assert analyzer.get_comparison_table(markdown=True).startswith("| RUN | STATUS |")


def test_the_table_fits_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track(tmp_path, "a" * 100, [3.0], val_loss=3.0)
    monkeypatch.setenv("COLUMNS", "50")
    assert max(map(len, loaded(tmp_path).get_comparison_table().splitlines())) <= 50


def test_summaries_show_results_settings_and_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = ExperimentTracker(ExperimentConfig("baseline", act="ReLU"), tmp_path, quiet=True)
    tracker.log_metrics(41, train_loss=2.5, grad_norm=1.25)
    tracker.finish(val_loss=2.75, notes="first\x1b[2J try")
    path = tracker.save()
    capsys.readouterr()
    loaded(tmp_path).print_summary("baseline")
    by_analyzer = capsys.readouterr().out
    print_experiment_summary(path)
    by_path = capsys.readouterr().out
    print_experiment_summary(load_experiment_log(path))
    assert capsys.readouterr().out == by_path == by_analyzer
    for words in ("Run baseline", "finished", "2.5 at iteration 41", "2.75", "1.25", "ReLU", "try"):
        assert words in by_analyzer
    assert by_analyzer.replace("\n", "").isprintable()


def test_the_best_stands_at_no_iteration_when_the_end_of_the_run_was_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExperimentTracker(ExperimentConfig("run"), tmp_path, quiet=True) as tracker:
        tracker.log_eval(7, train_loss=3.0, val_loss=2.5)
        tracker.finish(val_loss=2.25)
    capsys.readouterr()
    loaded(tmp_path).print_summary("run")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines if line.startswith("  best ")] == [
        "3 at iteration 7",
        "2.25",
    ]


def test_a_run_of_another_program_has_one_summary_whoever_prints_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"iteration": 0, "z": 1.0}, {"iteration": 1, "a": 2.0, "train_loss": 1.0}]
    path = tmp_path / "experiment_theirs.json"
    content = {"config": {"experiment_name": "theirs"}, "metrics_history": rows}
    path.write_text(json.dumps(content, indent=2))
    loaded(tmp_path).print_summary("theirs")
    by_analyzer = capsys.readouterr().out
    print_experiment_summary(path)
    assert capsys.readouterr().out == by_analyzer
    assert f"duration{'':10}–" in by_analyzer
    assert by_analyzer.index("  a  ") < by_analyzer.index("  z  ")


def test_export_writes_every_record(tmp_path: Path) -> None:
    track(tmp_path / "logs", "run", [3.0, 1 / 3], val_loss=2.5)
    path = loaded(tmp_path / "logs").export_csv("run", str(tmp_path / "run.csv"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == [3.0, 1 / 3]
    assert [row["val_loss"] for row in rows] == ["", "2.5"]
    assert [row["iteration"] for row in rows] == ["0", "1"]


def test_dataframe_has_a_row_for_each_record(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="to_dataframe() needs pandas, which is optional")
    track(tmp_path, "a", [3.0, 2.0], val_loss=2.5)
    track(tmp_path, "b", [4.0])
    analyzer = loaded(tmp_path)
    frame = analyzer.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.groupby("run")["train_loss"].min().to_dict() == {"a": 2.0, "b": 4.0}
    assert frame["iteration"].dtype == "int64"
    assert frame["val_loss"].notna().sum() == 1
    assert analyzer.to_dataframe("b")["train_loss"].tolist() == [4.0]
    assert list(loaded(tmp_path / "none").to_dataframe().columns)[:2] == ["run", "iteration"]


def test_without_pandas_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        loaded(tmp_path).to_dataframe()


def test_a_sweep_of_200_runs_with_60_names(tmp_path: Path) -> None:
    for number in range(200):
        loss = 4.0 - number / 100
        track(tmp_path, f"lr_{number % 60}", [5.0, loss], val_loss=loss, seed=number)
    analyzer = loaded(tmp_path)
    assert len(set(analyzer.logs)) == 200
    assert len([name for name in analyzer.logs if "@" not in name]) == 60
    assert analyzer.get_best_experiment() == ("lr_19", 4.0 - 199 / 100)
    for name, log in analyzer.logs.items():
        assert analyzer.get_loss_trajectories(name)[1] == [5.0, 4.0 - log.config.seed / 100]
    lines = analyzer.get_comparison_table(width=120).splitlines()
    assert len(lines) == 203
    assert lines[2].startswith("lr_19 ")
    assert lines[2].count("*") >= 2
    path = analyzer.export_csv("lr_19", tmp_path / "best.csv")
    assert len(path.read_text().splitlines()) == 3
