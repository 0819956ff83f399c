"""Runs of other tools become files of ours."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.event_files import write_events
from tests.runs import track_run

from traintop import ExperimentTracker
from traintop.cli import main
from traintop.model import RunStatus, RunSummary
from traintop.store.catalog import RunCatalog

LOSSES = [(step, 4.0 / (step + 1)) for step in range(50)]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A run of TensorBoard."""
    directory = tmp_path / "runs" / "first"
    write_events(directory, {"train/loss": LOSSES, "acc": [(7, 0.5), (9, math.nan)]})
    return directory


def run_import(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["import", *map(str, arguments)])


def runs_in(directory: Path) -> tuple[RunSummary, ...]:
    return RunCatalog([directory]).refresh().runs


def test_an_imported_run_has_what_the_original_has(tmp_path: Path, theirs: Path) -> None:
    result = run_import(theirs, "--to", tmp_path / "ours")
    assert result.exit_code == 0
    [path] = (tmp_path / "ours").iterdir()
    assert str(path) in result.stdout
    [run], [original] = runs_in(tmp_path / "ours"), runs_in(theirs)
    assert (run.name, run.count, run.iteration) == ("first", 50, 49)
    assert run.start_time == original.start_time
    assert run.stats["train_loss"] == original.stats["train/loss"]
    assert repr(run.stats["acc"]) == repr(original.stats["acc"])
    assert run.status is RunStatus.INTERRUPTED
    assert run.environment["imported_from"] == str(theirs)
    document = json.loads(path.read_text())
    assert [record["train_loss"] for record in document["metrics_history"]] == pytest.approx(
        [loss for _, loss in LOSSES], rel=1e-6
    )


def test_what_was_imported_is_imported_again_when_it_grew(tmp_path: Path, theirs: Path) -> None:
    run_import(theirs, "--to", tmp_path / "ours")
    assert "is in " in run_import(tmp_path / "runs", "--to", tmp_path / "ours").stdout
    assert len(runs_in(tmp_path / "ours")) == 1
    write_events(theirs, {"train/loss": [(50, 0.05)]})
    run_import(theirs, "--to", tmp_path / "ours")
    assert sorted(run.count or 0 for run in runs_in(tmp_path / "ours")) == [50, 51]


def test_a_tracker_resumes_an_imported_run(tmp_path: Path, theirs: Path) -> None:
    run_import(theirs, "--to", tmp_path / "ours")
    with ExperimentTracker.resume("first", tmp_path / "ours") as tracker:
        tracker.log_metrics(50, train_loss=0.01)
    [run] = runs_in(tmp_path / "ours")
    assert (run.status, run.count, run.best_train_loss) == (RunStatus.FINISHED, 51, 0.01)


def test_our_own_runs_are_not_imported(tmp_path: Path) -> None:
    track_run(tmp_path / "logs", "ours")
    result = run_import(tmp_path / "logs", "--to", tmp_path / "to")
    assert result.exit_code == 1
    assert "no runs of other tools in" in result.stderr
