"""ExperimentAnalyzer over logs of the real tracker and of other programs."""

from __future__ import annotations

import json
import logging
import math
import re
from datetime import datetime
from pathlib import Path

import pytest
from analyzer_runs import FOREIGN, loaded
from tests.runs import OpenedRun, track_run

from traintop import (
    ExperimentAnalyzer,
    ExperimentConfig,
    ExperimentTracker,
    RunStatus,
    load_experiment_log,
)
from traintop.analysis.naming import find_run
from traintop.analysis.query import filter_runs
from traintop.store.catalog import RunCatalog

# ------------------------------------------------------------------------------ loading


def test_logs_hold_the_whole_runs(tmp_path: Path) -> None:
    path = track_run(tmp_path, "baseline", [3.0, 2.0], val_loss=2.5, optimizer_name="Muon")
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


def test_an_analyzer_is_empty_until_it_is_asked_to_load(tmp_path: Path) -> None:
    track_run(tmp_path, "baseline", [3.0], val_loss=2.5)
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
        track_run(tmp_path, name, [1.0])
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
    path = track_run(tmp_path, "a", [1.0])
    analyzer = loaded(tmp_path)
    path.unlink()
    track_run(tmp_path, "b", [1.0])
    assert list(analyzer.logs) == ["a"]
    analyzer.load_all()
    assert list(analyzer.logs) == ["b"]


def test_runs_of_one_name_never_hide_each_other(tmp_path: Path) -> None:
    paths = [track_run(tmp_path, "baseline", [float(loss)]) for loss in (1, 2, 3)]
    analyzer = loaded(tmp_path)
    stamps = [path.stem.removeprefix("experiment_baseline_") for path in paths]
    names = [f"baseline@{stamps[0]}", f"baseline@{stamps[1]}", "baseline"]
    assert set(analyzer.logs) == set(names)
    for number, (name, path) in enumerate(zip(names, paths, strict=True), 1):
        for alias in (name, path.stem, path.name):
            assert analyzer.get_loss_trajectories(alias)[1] == [float(number)]
    table = analyzer.get_comparison_table(width=200)
    assert all(re.search(rf"^{name} ", table, re.MULTILINE) for name in names)


def test_a_name_that_a_table_shortened_is_understood() -> None:
    names = {"1": "gpt2_lr1e-3_x_seed1", "2": "gpt2_lr1e-3_x_seed2", "3": "a@20250222_140530"}
    assert find_run("…lr1e-3…seed2", names) == "2"
    assert find_run("a@140530", names) == "3"
    assert find_run("…lr1e-3…", names) is None
    assert find_run("seed2", names) is None
    assert find_run("…(", names) is None


def test_an_unknown_name_lists_the_closest(tmp_path: Path) -> None:
    track_run(tmp_path, "baseline", [1.0])
    track_run(tmp_path, "other", [1.0])
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


def test_broken_files_are_reported_once_and_stop_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    track_run(tmp_path, "good", [1.0])
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
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 4
    for name, reason in (("empty", "is empty"), ("folder", "is a directory"), ("torn", "not JSON")):
        assert [line for line in warnings if f"experiment_{name}_" in line and reason in line]


def test_a_missing_directory_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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


def test_the_newest_foreign_record_has_the_highest_iteration(
    tmp_path: Path,
) -> None:
    rows = [{"iteration": i, "gradient_step": i + 1, "train_loss": float(i)} for i in (2, 1, 0)]
    rows.append({"iteration": 2, "val_loss": 7.0})
    path = tmp_path / "experiment_theirs.json"
    content = {"config": {"experiment_name": "theirs"}, "metrics_history": rows, "last": rows[1]}
    path.write_text(json.dumps(content))
    run = OpenedRun(path).summary()
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


def test_best_follows_the_metrics_direction_unless_given(tmp_path: Path) -> None:
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
    track_run(tmp_path, "diverged", [math.nan, -math.inf], val_loss=math.nan)
    track_run(tmp_path, "sound", [3.0, math.nan], val_loss=5.0)
    analyzer = loaded(tmp_path)
    assert analyzer.get_best_experiment("train_loss") == ("sound", 3.0)
    assert analyzer.get_best_experiment("val_loss") == ("sound", 5.0)


# ------------------------------------------------------------------------------ trajectories


def test_trajectories_are_aligned_sorted_and_without_duplicates(tmp_path: Path) -> None:
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
    track_run(tmp_path, "empty", [])
    analyzer = loaded(tmp_path)
    assert analyzer.get_loss_trajectories("empty") == ([], [], [])
    assert analyzer.logs["empty"].metrics_history == []
    assert "empty" in analyzer.get_comparison_table()


def test_a_sweep_of_200_runs_with_60_names(tmp_path: Path) -> None:
    for number in range(200):
        loss = 4.0 - number / 100
        track_run(tmp_path, f"lr_{number % 60}", [5.0, loss], val_loss=loss, seed=number)
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
