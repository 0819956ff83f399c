"""Trials of Optuna as runs: what is read, followed, and survived."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.databases import OptunaDatabase, damage
from tests.sidecars import annotate

from traintop.metrics import best_value, direction_of
from traintop.model import RunStatus, RunSummary
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.history import History


@pytest.fixture
def optuna(tmp_path: Path) -> OptunaDatabase:
    """A study whose first trial has ended, and whose second one goes on."""
    optuna = OptunaDatabase(tmp_path / "study.db")
    optuna.study(1, "tune", "MAXIMIZE")
    optuna.trial(1, 1, 0)
    optuna.report(1, 0, 0.5)
    optuna.report(1, 10, 0.75)
    optuna.tell(1, "COMPLETE", 0.8)
    optuna.trial(2, 1, 1)
    optuna.report(2, 0, 0.25)
    return optuna


def runs_in(directory: Path) -> dict[str, RunSummary]:
    return {run.title: run for run in RunCatalog([directory]).refresh().runs}


def values(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    return dict(zip(history.columns["iteration"][rows], history.columns[metric][rows], strict=True))


def test_what_is_known_of_a_trial(optuna: OptunaDatabase) -> None:
    optuna.suggest(1, "lr", 0.001, "Float", low=1e-5, high=1.0)
    optuna.suggest(1, "layers", 4.0, "Int", low=1, high=8)
    optuna.suggest(1, "optimizer", 1.0, "Categorical", choices=["sgd", "adam"])
    attribute = {"trial_id": 1, "key": "dataset", "value_json": '"line"'}
    optuna.insert("trial_user_attributes", attribute)
    found = runs_in(optuna.path.parent)["tune-0"]
    assert found.id == f"{optuna.path}#tune-0"
    settings = {"lr": 0.001, "layers": 4, "optimizer": "adam", "user_attrs": {"dataset": "line"}}
    assert found.config == {**settings, "experiment_name": "tune-0"}
    assert isinstance(found.config["layers"], int)
    assert (found.status, found.duration_seconds) == (RunStatus.FINISHED, 89.5)
    assert found.start_time == "2025-02-22T14:05:01.000000"
    assert (found.iteration, found.stats["value"].last) == (10, 0.8)
    assert found.environment["study"] == "tune"


def test_the_study_says_which_values_are_better(optuna: OptunaDatabase) -> None:
    found = runs_in(optuna.path.parent)["tune-0"]
    assert direction_of("value") == direction_of("intermediate_value") == "higher"
    assert best_value(found, "intermediate_value") == 0.75
    optuna.study(2, "other", "MINIMIZE")
    optuna.trial(3, 2, 0)
    runs_in(optuna.path.parent)
    assert direction_of("value") is None  # they disagree


def test_several_objectives_have_their_names(optuna: OptunaDatabase) -> None:
    optuna.study(2, "both", "MINIMIZE", "MAXIMIZE")
    optuna.trial(3, 2, 0)
    optuna.tell(3, "COMPLETE", 1.0, 2.0)
    optuna.study(3, "named", "MINIMIZE", "MAXIMIZE")
    names = {"study_id": 3, "key": "study:metric_names", "value_json": '["cost", "gain"]'}
    optuna.insert("study_system_attributes", names)
    optuna.trial(4, 3, 0)
    optuna.tell(4, "COMPLETE", 1.0, 2.0)
    runs = runs_in(optuna.path.parent)
    assert runs["both-0"].stats.keys() == {"value_0", "value_1"}
    found = runs["named-0"]
    assert found.stats.keys() == {"cost", "gain"}
    assert found.environment["directions"] == {"cost": "lower", "gain": "higher"}


@pytest.mark.parametrize(
    ("state", "status", "error"),
    [("FAIL", "failed", ""), ("PRUNED", "interrupted", "pruned"), ("COMPLETE", "finished", "")],
)
def test_the_status_is_what_the_trial_says(
    optuna: OptunaDatabase, state: str, status: str, error: str
) -> None:
    optuna.tell(2, state)
    found = runs_in(optuna.path.parent)["tune-1"]
    assert (found.status, found.error) == (status, error)


def test_trials_that_wait_are_no_runs_yet(optuna: OptunaDatabase) -> None:
    optuna.trial(3, 1, 2, state="WAITING")
    assert runs_in(optuna.path.parent).keys() == {"tune-0", "tune-1"}


def test_a_study_without_a_name_has_numbers(optuna: OptunaDatabase) -> None:
    optuna.execute("UPDATE studies SET study_name = 'no-name-6b1e'")
    assert runs_in(optuna.path.parent).keys() == {"trial 0", "trial 1"}


def test_a_trial_is_followed_from_its_last_report(optuna: OptunaDatabase) -> None:
    catalog = RunCatalog([optuna.path.parent])
    [second, first] = catalog.refresh().runs
    reader = catalog.reader(second.id)
    assert values(reader.history(), "intermediate_value") == {0: 0.25}
    optuna.report(2, 10, None, "INF_NEG")
    optuna.report(2, 20, None, "NAN")
    assert reader.follow()
    reported = values(reader.history(), "intermediate_value")
    assert (reported[10], math.isnan(reported[20])) == (-math.inf, True)
    assert not reader.follow()
    optuna.tell(2, "COMPLETE", 0.9)
    assert reader.follow()
    assert values(reader.history(), "value") == {20: 0.9}
    optuna.trial(3, 1, 2)
    assert not reader.follow()
    after = {run.id: run for run in catalog.refresh().runs}
    assert (after[second.id].status, after[second.id].stats["value"].last) == ("finished", 0.9)
    assert after[first.id].stats == first.stats


def test_reports_whose_numbers_are_used_again(optuna: OptunaDatabase) -> None:
    catalog = RunCatalog([optuna.path.parent])
    reader = catalog.reader(catalog.refresh().runs[0].id)
    assert values(reader.history(), "intermediate_value") == {0: 0.25}
    optuna.execute("DELETE FROM trial_intermediate_values WHERE trial_id = 2")
    optuna.report(2, 0, 5.0)
    optuna.report(2, 1, 6.0)
    assert reader.follow()
    assert values(reader.history(), "intermediate_value") == {0: 5.0, 1: 6.0}


def test_the_newest_trials_are_read_first(optuna: OptunaDatabase) -> None:
    [newest] = RunCatalog([optuna.path.parent]).refresh(0.0).runs
    assert newest.name == "tune-1"


def test_what_is_suggested_later_is_seen(optuna: OptunaDatabase) -> None:
    catalog = RunCatalog([optuna.path.parent])
    catalog.refresh()
    optuna.suggest(2, "lr", 0.5, "Float")
    runs = {run.name: run for run in catalog.places[0].refresh_files([str(optuna.path)]).runs}
    assert runs["tune-1"].config["lr"] == 0.5


def test_names_of_studies_may_be_anything(optuna: OptunaDatabase) -> None:
    name = "../x#y/" + "z" * 400
    optuna.execute("UPDATE studies SET study_name = ?", (name,))
    runs = runs_in(optuna.path.parent)
    assert runs.keys() == {f"{name}-0", f"{name}-1"}
    assert all(run.path == optuna.path and "/" not in run.stem for run in runs.values())
    assert len({run.stem for run in runs.values()}) == 2
    for run in runs.values():
        annotate(Path(run.id), AnnotationChange(note="mine"))
    noted = runs_in(optuna.path.parent).values()
    assert [run.annotations.note for run in noted] == ["mine", "mine"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_stands_in_a_database_is_survived(optuna: OptunaDatabase, seed: int) -> None:
    damage(optuna.path, seed)
    catalog = RunCatalog([optuna.path.parent])
    for run in catalog.refresh().runs:
        catalog.reader(run.id).follow()


def test_values_of_other_types_are_no_measurements(optuna: OptunaDatabase) -> None:
    optuna.execute("UPDATE trial_intermediate_values SET intermediate_value = X'00'")
    optuna.execute("UPDATE trial_intermediate_values SET step = 'x' WHERE step > 0")
    optuna.execute("UPDATE trial_values SET objective = 'y', value = 'z'")
    optuna.execute("UPDATE trials SET number = NULL, datetime_start = 7")
    optuna.suggest(1, "lr", math.inf, "Int")
    optuna.suggest(1, "choice", 7.0, "Categorical", choices=[])
    assert runs_in(optuna.path.parent).keys() == {"tune-id1", "tune-id2"}
