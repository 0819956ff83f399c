"""Runs in a container of Azure, by the emulator that Microsoft ships."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.azurite import PROGRAM, azurite, environment, make_container
from tests.runs import new_tracker, track_run
from tests.unit.catalog_runs import facts_of, only

from traintop.model import RunStatus
from traintop.run_ids import location_of
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.copies import files_of_runs
from traintop.store.pull import pull
from traintop.store.push import Pusher

FOREIGN = Path(__file__).parents[1] / "foreign"

pytestmark = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason="needs Azure's emulator: npm install -g azurite"
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with azurite() as running:
        yield running


_NUMBERS = itertools.count()


@pytest.fixture
def container(port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty container, with credentials for it in the environment."""
    for name, value in environment(port).items():
        monkeypatch.setenv(name, value)
    return make_container(port, f"lab{next(_NUMBERS)}")


def push(directory: Path, address: str) -> None:
    catalog = RunCatalog([directory])
    catalog.refresh()
    found = files_of_runs(catalog.places[0], str(directory))
    files = {name: Path(entry.id) for name, entry in found.items()}
    assert not Pusher(address).push(files).problems


def test_runs_of_all_tools_there_and_back(tmp_path: Path, container: str) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    shutil.copytree(FOREIGN, here, ignore=shutil.ignore_patterns("*.py"))
    track_run(here, "ours, 100 % = ü#?", losses=[1 / (1 + step) for step in range(2000)])
    push(here, f"{container}/runs")
    local, remote = RunCatalog([here]), RunCatalog([f"{container}/runs"])
    ours = {run.id.removeprefix(f"{here}/"): run for run in local.refresh().runs}
    theirs = {location_of(run.id).path.removeprefix("/runs/"): run for run in remote.refresh().runs}
    assert ours.keys() == theirs.keys()
    for name, run in ours.items():
        if run.status is RunStatus.FINISHED:  # what runs is judged by when its files changed
            assert facts_of(theirs[name]) == facts_of(run)
        mine, other = local.reader(run.id).history(), remote.reader(theirs[name].id).history()
        assert len(mine) == len(other)
    assert not pull(f"{container}/runs", back).problems
    for path in back.rglob("*.json"):
        assert path.read_bytes() == (here / path.relative_to(back)).read_bytes()
    assert len(RunCatalog([back]).refresh().runs) == len(ours)


def test_a_live_run_is_followed(tmp_path: Path, container: str) -> None:
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    catalog, end = RunCatalog([f"{container}/runs"]), 0
    for added in (10, 3, 1000, 3):
        for step in range(end, end + added):
            tracker.log_metrics(step, train_loss=1.0)
            if step % 10 == 0:
                tracker.save()
        end += added
        tracker.save()
        push(tmp_path, f"{container}/runs")
        before = catalog.places[0].files.bucket.requests  # type: ignore[attr-defined]
        run = only(catalog.refresh())
        assert (run.count, run.status) == (end, RunStatus.RUNNING)
        assert catalog.places[0].files.bucket.requests - before <= 3  # type: ignore[attr-defined]
    tracker.finish()
    push(tmp_path, f"{container}/runs")
    assert only(catalog.refresh()).status is RunStatus.FINISHED
    catalog.annotate(only(catalog.snapshot()).id, AnnotationChange(note="good"))
    assert only(RunCatalog([f"{container}/runs"]).refresh()).annotations.note == "good"


def test_what_is_wrong_is_said(container: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def reason(address: str) -> str:
        [place] = RunCatalog([address]).refresh().places
        return place.reason

    assert reason("az://nothere") == "there is no such container"
    for name, value in environment(port, key="AAAA").items():
        monkeypatch.setenv(name, value)
    assert reason(container) == "cannot be listed: access is denied to these credentials"
