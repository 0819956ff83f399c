"""What callers of the quick reference's own modules rely on, beyond what traintop has."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import pytest
from tests.unit.test_import_hygiene import HEAVY, loaded_by

import traintop
from cs336_basics.experiment_analysis import ExperimentAnalyzer, print_experiment_summary
from cs336_basics.experiment_log import (
    ExperimentConfig,
    ExperimentLog,
    ExperimentTracker,
    compare_experiments,
    load_experiment_log,
)


def track(directory: Path, name: str, val_losses: list[float], *, steps: int = 3) -> Path:
    with ExperimentTracker(ExperimentConfig(name), directory, quiet=True) as tracker:
        for i in range(steps):
            tracker.log_metrics(i, train_loss=4.0 - i, grad_norm=0.5)
            tracker.increment_gradient_step()
        for i, loss in enumerate(val_losses):
            tracker.log_eval(i, val_loss=loss)
    return tracker.path


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINTOP_DIR", raising=False)
    return tmp_path


def test_files_are_compared_as_a_dictionary(tmp_path: Path) -> None:
    paths = [track(tmp_path, "a", [3.5, 3.25]), track(tmp_path, "b", [])]
    compared = compare_experiments(paths)
    assert compared["a"] | {"duration_seconds": 0} == {
        "best_train_loss": 2.0,
        "best_val_loss": 3.25,
        "final_train_loss": None,
        "final_val_loss": None,
        "duration_seconds": 0,
        "num_metrics": 3,
        "num_val_evals": 2,
    }
    assert compared["a"]["duration_seconds"] > 0
    assert compared["b"]["best_val_loss"] == math.inf


def test_runs_of_one_name_are_both_compared(tmp_path: Path) -> None:
    paths = [track(tmp_path, "a", []), track(tmp_path, "a", [], steps=5)]
    compared = compare_experiments(paths)
    assert compared.pop("a")["num_metrics"] == 5
    assert [one["num_metrics"] for one in compared.values()] == [3]


def test_a_log_becomes_a_dictionary_and_a_log_again(tmp_path: Path) -> None:
    path = track(tmp_path, "a", [])
    log = load_experiment_log(path)
    assert log.best_val_loss == math.inf
    document = log.to_dict()
    assert document["config"]["experiment_name"] == "a"
    assert document["metrics_history"][0]["grad_norm"] == 0.5
    again = ExperimentLog.from_dict(json.loads(json.dumps(document)))
    assert again.to_dict() == document
    assert again.metrics_history == log.metrics_history
    from_file = ExperimentLog.from_dict(json.loads(path.read_text()))
    assert from_file.metrics_history == log.metrics_history
    with pytest.raises(ValueError, match="config"):
        ExperimentLog.from_dict({})


def test_a_tracker_reads_its_log_back(tmp_path: Path) -> None:
    tracker = ExperimentTracker(ExperimentConfig("a"), tmp_path, quiet=True)
    assert tracker.log.metrics_history == []
    assert tracker.log.best_val_loss == math.inf
    tracker.start()
    tracker.log_metrics(0, train_loss=4.0)
    tracker.increment_gradient_step()
    assert tracker.gradient_step_count == 1
    assert [record.train_loss for record in tracker.log.metrics_history] == [4.0]
    tracker.gradient_step_count = 500
    tracker.log_eval(1, val_loss=3.5)
    tracker.finish(notes="ended")
    assert tracker.log.notes == "ended"
    assert tracker.log.metrics_history[-1].gradient_step == 500
    assert tracker.log.best_val_loss == 3.5
    assert tracker.save() == tracker.log.path


def test_a_summary_of_all_names_the_best_and_the_fastest(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track(in_folder / "experiment_logs", "good", [3.25])
    track(in_folder / "experiment_logs", "bad", [3.5])
    print_experiment_summary()
    printed = capsys.readouterr().out
    assert "Best: good (val_loss 3.250000)" in printed
    assert "Fastest: " in printed
    assert printed.splitlines()[0].startswith("RUN")
    print_experiment_summary(experiments=["bad"])
    assert "good" not in capsys.readouterr().out


def test_a_summary_of_no_runs_says_so(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_experiment_summary()
    assert capsys.readouterr().out == "No runs in experiment_logs.\n"


def test_an_unknown_name_is_no_error(in_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    track(in_folder / "experiment_logs", "known", [3.5])
    analyzer = ExperimentAnalyzer()
    with caplog.at_level(logging.WARNING, "traintop"):
        analyzer.load_specific(experiments=["unknown"])
        assert not analyzer.logs
        analyzer.load_specific(["known", "unknown"])
    assert "no run named 'unknown'" in caplog.text
    assert analyzer.logs["known"].to_dict()["best_val_loss"] == 3.5


def test_arguments_have_the_names_of_the_reference(in_folder: Path) -> None:
    track(in_folder / "experiment_logs", "a", [3.5])
    analyzer = ExperimentAnalyzer(log_dir="experiment_logs")
    assert analyzer.get_loss_trajectories(experiment_name="a")[0] == [0, 1, 2]
    assert analyzer.get_throughput_trajectory(experiment_name="a")[0] == [0, 1, 2]
    assert analyzer.get_learning_rate_trajectory(experiment_name="a")[0] == [0, 1, 2]
    assert analyzer.export_csv(experiment_name="a", output_path="a.csv") == Path("a.csv")
    analyzer.print_summary(experiment_name="a")


def test_the_tracker_of_the_reference_needs_no_numpy() -> None:
    loaded = loaded_by(
        "from cs336_basics.experiment_log import ExperimentTracker, ExperimentConfig"
    )
    assert "traintop.tracking.tracker" in loaded
    assert loaded.isdisjoint({*HEAVY, "argparse", "subprocess"})


def test_traintop_keeps_its_own_names(tmp_path: Path) -> None:
    path = track(tmp_path, "a", [])
    assert traintop.load_experiment_log(path).best_val_loss is None
    assert traintop.compare_experiments([path]).startswith("RUN")
