"""What a script that imports traintop sees; mypy checks the types of this file too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from click.testing import CliRunner

import cs336_basics.experiment_analysis
import cs336_basics.experiment_log
import traintop
import traintop.wandb as wandb
from traintop import (
    ExperimentAnalyzer,
    ExperimentConfig,
    ExperimentLog,
    ExperimentTracker,
    MetricsSnapshot,
    RunStatus,
)
from traintop.analysis.run import Curve
from traintop.analysis.run_groups import Mean, MeanCurve, MeanValue
from traintop.cli import main
from traintop.integrations.run import Run
from traintop.integrations.run_values import Values
from traintop.notebook.plots import Svg


def tracked_run(directory: Path) -> Path:
    config = ExperimentConfig(experiment_name="typed", d_model=64, optimizer_name="Muon")
    with ExperimentTracker(config, log_dir=directory, quiet=True) as tracker:
        assert_type(tracker, ExperimentTracker)
        tracker.increment_gradient_step()
        tracker.log_metrics(0, train_loss=3.0, metrics={"grad_norm": 0.5})
        tracker.log_eval(0, val_loss=3.5)
    assert_type(tracker.get_elapsed_time(), float)
    assert_type(tracker.get_summary_stats(), dict[str, Any])
    return assert_type(tracker.path, Path)


def test_a_resumed_run_is_typed(tmp_path: Path) -> None:
    settings = {"experiment_name": "typed"}
    for kind in (ExperimentTracker, cs336_basics.experiment_log.ExperimentTracker):
        tracker = kind.resume_or_start(settings, tmp_path, gradient_step=0, quiet=True)
        assert isinstance(assert_type(tracker, ExperimentTracker), kind)
        tracker.log_metrics(0, 1.0)
        tracker.rewind(0, gradient_step=1)
        assert isinstance(assert_type(tracker.save(), Path), Path)
        tracker.finish()
        resumed = kind.resume("typed", tmp_path, iteration=3, again=True, quiet=True)
        assert isinstance(assert_type(resumed, ExperimentTracker), kind)


def test_the_calls_of_other_trackers_are_typed(tmp_path: Path) -> None:
    run = assert_type(traintop.init("p", config={"lr": 0.1}, log_dir=tmp_path, quiet=True), Run)
    traintop.log({"loss": 1.0}, step=3, commit=True)
    traintop.config.update({"seed": 1})
    traintop.summary["best"] = 1.0
    assert assert_type(traintop.config, Values)["seed"] == 1
    assert assert_type(run.path, Path | None) == next(tmp_path.glob("*.json"))
    traintop.finish(exit_code=0)
    assert isinstance(assert_type(wandb.init(mode="disabled"), wandb.Run), Run)
    wandb.finish()


def test_settings_are_typed_where_they_are_standard() -> None:
    config = ExperimentConfig("typed", d_model=64, optimizer_name="Muon")
    assert assert_type(config.d_model, int) == 64
    assert assert_type(config.max_learning_rate, float) == 6e-4
    assert assert_type(config.optimizer_name, Any) == "Muon"
    assert assert_type(config._replace(seed=1), ExperimentConfig).seed == 1
    assert assert_type(config.to_dict(), dict[str, Any])["d_model"] == 64


def test_a_loaded_log_is_typed(tmp_path: Path) -> None:
    log = assert_type(traintop.load_experiment_log(tracked_run(tmp_path)), ExperimentLog)
    assert assert_type(log.config, ExperimentConfig).experiment_name == "typed"
    [record] = assert_type(log.metrics_history, list[MetricsSnapshot])
    assert assert_type(record.train_loss, float | None) == 3.0
    assert assert_type(record.value("grad_norm"), float | None) == 0.5
    assert assert_type(log.status, RunStatus) is RunStatus.FINISHED


def test_what_an_analyzer_answers_is_typed(tmp_path: Path) -> None:
    tracked_run(tmp_path)
    analyzer = ExperimentAnalyzer(tmp_path)
    analyzer.load_all()
    logs = assert_type(analyzer.logs, Mapping[str, ExperimentLog])
    assert list(logs) == ["typed"]
    table = analyzer.get_comparison_table()
    assert "typed" in assert_type(table, str)
    best = analyzer.get_best_experiment("val_loss")
    assert assert_type(best, tuple[str, float] | Any) == ("typed", 3.5)


def test_opened_runs_are_typed(tmp_path: Path) -> None:
    tracked_run(tmp_path)
    runs = assert_type(traintop.open_runs(tmp_path, str(tmp_path)), traintop.Runs)
    assert_type(runs.filter("val_loss < 9").sort("val_loss")[:1], traintop.Runs)
    assert_type(runs.best("val_loss"), traintop.Run | None)
    run = assert_type(runs["typed"], traintop.Run)
    assert assert_type(run.config, dict[str, Any])["d_model"] == 64
    iterations, _ = assert_type(run["train_loss"], Curve)
    assert assert_type(iterations.tolist(), Any) == [0.0]
    assert "typed" in assert_type(runs.compare("typed").markdown(), str)
    picture = assert_type(traintop.plot(run, "train_loss", smooth=0.5), Svg)
    assert assert_type(picture.save(tmp_path / "loss.svg"), Path).read_text() == str(picture)
    means = assert_type(runs.group("seed").mean(), dict[str, Mean])
    assert assert_type(means["typed"]["train_loss"], MeanCurve).n.tolist() == [1.0]
    assert assert_type(means["typed"].value("best_val_loss"), MeanValue | None) == (3.5, None, 1)


def test_the_names_of_the_quick_reference_are_of_the_same_kind() -> None:
    log, analysis = cs336_basics.experiment_log, cs336_basics.experiment_analysis
    assert issubclass(log.ExperimentTracker, ExperimentTracker)
    assert issubclass(analysis.ExperimentAnalyzer, ExperimentAnalyzer)
    assert log.ExperimentAnalyzer is analysis.ExperimentAnalyzer
    assert assert_type(
        analysis.ExperimentLog(config=ExperimentConfig("a")).to_dict(), dict[str, Any]
    )


def test_the_version_is_that_of_the_command_line() -> None:
    version = assert_type(traintop.__version__, str)
    assert CliRunner().invoke(main, ["--version"]).output == f"traintop, version {version}\n"
