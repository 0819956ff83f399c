"""Runs in databases of Trackio: what is read, followed, and survived."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.databases import TrackioDatabase, damage

from traintop.model import RunStatus, RunSummary
from traintop.progress import planned_steps
from traintop.store.catalog import RunCatalog
from traintop.store.formats import trackio as trackio_module
from traintop.store.history import History


@pytest.fixture(params=[True, False], ids=["with ids", "0.23"])
def trackio(request: pytest.FixtureRequest, tmp_path: Path) -> TrackioDatabase:
    """A project with two runs."""
    trackio = TrackioDatabase(tmp_path / "tiny.db", has_ids=request.param)
    trackio.log("a", (0, {"train/loss": 4.0}), (1, {"train/loss": 3.0, "val/loss": "NaN"}))
    trackio.configure("a", lr=0.1, model={"layers": 2}, max_steps=50, _Group="sweep", _Created=None)
    trackio.log("b", (0, {"train/loss": 2.0}), at=100)
    return trackio


def runs_in(directory: Path) -> dict[str, RunSummary]:
    return {run.title: run for run in RunCatalog([directory]).refresh().runs}


def values(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    return dict(zip(history.columns["iteration"][rows], history.columns[metric][rows], strict=True))


def test_what_is_known_of_a_run(trackio: TrackioDatabase) -> None:
    runs = runs_in(trackio.path.parent)
    assert runs.keys() == {"run a", "run b"}
    found = runs["run a"]
    assert found.id == f"{trackio.path}#{'a' if trackio.has_ids else 'run a'}"
    assert found.config == {
        "lr": 0.1,
        "model": {"layers": 2},
        "max_steps": 50,
        "experiment_name": "run a",
    }
    assert found.environment == {"written_by": "Trackio", "project": "tiny", "group": "sweep"}
    assert (planned_steps(found), found.iteration, found.duration_seconds) == (50, 1, 1.0)
    assert (found.stats["train/loss"].min, found.stats["val/loss"].nonfinite) == (3.0, 1)
    assert found.status in (RunStatus.RUNNING, RunStatus.QUIET)  # nobody says that it ended


def test_of_what_was_logged_numbers_are_read(trackio: TrackioDatabase) -> None:
    picture = {"_type": "trackio.image", "width": 5}
    trackio.log(
        "b", (1, {"nested": {"a": {"b": 1}}, "text": "x", "flag": True, "picture": picture})
    )
    assert runs_in(trackio.path.parent)["run b"].stats.keys() == {
        "train/loss",
        "nested.a.b",
        "flag",
    }


def test_a_run_is_followed_from_its_last_row(trackio: TrackioDatabase) -> None:
    catalog = RunCatalog([trackio.path.parent])
    [newest] = catalog.refresh(0.0).runs
    assert newest.name == "run b"
    reader = catalog.reader(newest.id)
    assert values(reader.history(), "train/loss") == {0: 2.0}
    trackio.log("a", (2, {"train/loss": 0.5}), at=101)
    trackio.log("b", (2, {"train/loss": 1.0}), (1, {"train/loss": 1.5}), at=102)
    assert reader.follow()
    assert values(reader.history(), "train/loss") == {0: 2.0, 1: 1.5, 2: 1.0}
    assert not reader.follow()
    runs = {run.name: run for run in catalog.refresh().runs}
    assert (runs["run a"].iteration, runs["run b"].iteration) == (2, 2)


def test_rows_are_read_in_portions_too(
    trackio: TrackioDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [*range(50), *range(20)]
    trackio.log("b", *((step, {"x": place}) for place, step in enumerate(steps)), at=200)
    whole = RunCatalog([trackio.path.parent])
    run_id = f"{trackio.path}#{'b' if trackio.has_ids else 'run b'}"
    whole.refresh()
    wanted = values(whole.reader(run_id).history(), "x")
    assert (len(wanted), wanted[0], wanted[49]) == (50, 50, 49)
    monkeypatch.setattr(trackio_module, "_ROWS", 7)
    monkeypatch.setattr(trackio_module, "_SCANNED_ROWS", 5)
    assert values(whole.reader(run_id).history(), "x") == wanted
    reader = whole.reader(run_id)
    reader.history()
    trackio.log("b", *((100 + step, {"x": step}) for step in range(33)), at=300)
    assert reader.follow()
    assert len(values(reader.history(), "x")) == 83


def test_samples_of_the_machine_stand_where_training_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackio_module, "_ROWS", 3)
    trackio = TrackioDatabase(tmp_path / "tiny.db")
    trackio.log("a", *((10 * step, {"loss": 1.0}) for step in range(10)))
    for at in (-5.0, 2.5, 7.5, 99.0):
        trackio.sample("a", at, gpu=at)
    catalog = RunCatalog([tmp_path])
    [run] = catalog.refresh().runs
    reader = catalog.reader(run.id)
    assert values(reader.history(), "gpu") == {0: -5.0, 20: 2.5, 70: 7.5, 90: 99.0}
    trackio.sample("a", 100.0, gpu=1.0)
    assert reader.follow()
    assert values(reader.history(), "gpu")[90] == 1.0


def test_a_run_whose_rows_are_others_is_read_anew(trackio: TrackioDatabase) -> None:
    catalog = RunCatalog([trackio.path.parent])
    reader = catalog.reader(catalog.refresh().runs[0].id)
    assert values(reader.history(), "train/loss") == {0: 2.0}
    trackio.execute("DELETE FROM metrics")
    trackio.execute("DELETE FROM sqlite_sequence")
    trackio.log("b", *((step, {"train/loss": 9.0 - step}) for step in range(5)), at=300)
    assert reader.follow()
    assert values(reader.history(), "train/loss") == {step: 9.0 - step for step in range(5)}


def test_a_long_run_has_a_sample(trackio: TrackioDatabase) -> None:
    rows = [(step, {"x": step, "y": -step}) for step in range(1, 20_000)]
    trackio.log("b", *rows, at=200)
    catalog = RunCatalog([trackio.path.parent])
    [newest, _] = catalog.refresh().runs
    sample = catalog.reader(newest.id).sample(400)
    assert 400 <= len(sample) <= 2000
    assert sample.columns["iteration"][[0, -1]].tolist() == [0, 19_999]
    rows_of_x = sample.measured("x")
    assert np.array_equal(sample.columns["x"][rows_of_x], sample.columns["iteration"][rows_of_x])


def test_rows_that_are_no_objects_are_counted(trackio: TrackioDatabase) -> None:
    trackio.log("b", (1, {"x": 1.0}), at=101)
    for step, data in enumerate([b"{", b"[1]", b"\xff", "[" * 100_000, None, 7, b"1" * 300_000]):
        row = {"run_name": "run b", "timestamp": "x", "step": 2 + step, "metrics": data or b""}
        trackio.insert("metrics", {"run_id": "b", **row} if trackio.has_ids else row)
    found = runs_in(trackio.path.parent)["run b"]
    assert found.problem == "has 7 damaged rows, left out"
    assert found.stats.keys() == {"train/loss", "x"}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_stands_in_a_database_is_survived(trackio: TrackioDatabase, seed: int) -> None:
    damage(trackio.path, seed)
    catalog = RunCatalog([trackio.path.parent])
    for run in catalog.refresh().runs:
        catalog.reader(run.id).follow()
