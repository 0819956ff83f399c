"""Every format over files that lie elsewhere: what is read is the same, in few round trips."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.databases import MlflowDatabase, TrackioDatabase
from tests.elsewhere import PLACE, Elsewhere
from tests.unit.catalog_runs import facts_of
from tests.waiting import wait_until

from traintop.run_ids import location_of
from traintop.store.catalog import RunCatalog
from traintop.store.files import AwayError
from traintop.store.place_catalog import PlaceCatalog
from traintop.times import iso_time

FOREIGN = Path(__file__).parents[1] / "foreign"
TOOLS = sorted(path.name for path in FOREIGN.iterdir() if (path / "expected.json").is_file())


def catalog_elsewhere(root: Path) -> tuple[PlaceCatalog, Elsewhere]:
    files = Elsewhere()
    return PlaceCatalog(files, PLACE, [str(root)]), files


@pytest.mark.parametrize("tool", TOOLS)
def test_runs_elsewhere_are_as_they_are_here(tool: str) -> None:
    here, (there, _) = RunCatalog([FOREIGN / tool]), catalog_elsewhere(FOREIGN / tool)
    runs = here.refresh().runs
    found = {location_of(run.id).path: run for run in there.refresh().runs}
    assert found.keys() == {run.id for run in runs} != set()
    for run in runs:
        assert facts_of(found[run.id]) == facts_of(run)
        mine, theirs = there.reader(found[run.id].id).history(), here.reader(run.id).history()
        assert mine.columns.keys() == theirs.columns.keys()
        for name, column in theirs.columns.items():
            np.testing.assert_array_equal(mine.columns[name], column)


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_when_a_file_changed_is_not_when_it_was_read(tmp_path: Path, *, is_elsewhere: bool) -> None:
    path, before_half = tmp_path / "results.csv", 1_700_000_000.4999
    path.write_text("epoch,train_loss\n0,2.0\n1,1.5\n")
    os.utime(path, (before_half, before_half))
    catalog = catalog_elsewhere(tmp_path)[0] if is_elsewhere else RunCatalog([tmp_path])
    [run] = catalog.refresh().runs
    assert run.updated_at == iso_time(int(before_half))


def test_a_database_that_did_not_change_is_not_copied_again(tmp_path: Path) -> None:
    mlflow = MlflowDatabase(tmp_path / "mlflow.db")
    mlflow.start("a" * 32)
    catalog, files = catalog_elsewhere(tmp_path)
    assert len(catalog.refresh().runs) == 1
    before = files.fetched
    for _ in range(30):  # it may be looked at again, for it was just written
        time.sleep(0.01)
        catalog.refresh()
    assert files.fetched == before
    os.utime(mlflow.path, (1, 1))  # and now it has been still for long
    wait_until(lambda: catalog.refresh() and files.fetched > before)

    def trips_of_a_look() -> int:
        files.trips = 0
        catalog.refresh()
        return files.trips

    wait_until(lambda: [trips_of_a_look() for _ in range(3)] == [1, 1, 1])  # once it is at rest
    before = files.fetched
    catalog.refresh()
    assert files.fetched == before


def test_a_database_is_read_while_its_log_grows(tmp_path: Path) -> None:
    trackio = TrackioDatabase(tmp_path / "tiny.db")
    catalog, files = catalog_elsewhere(tmp_path)
    with closing(sqlite3.connect(trackio.path)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.execute("PRAGMA wal_autocheckpoint = 0")

        def log(step: int) -> None:
            row = ("r", "2024-01-01T00:00:00", "name", step, '{"loss": 1.0}')
            statement = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics)"
            writer.execute(f"{statement} VALUES (?, ?, ?, ?, ?)", row)
            writer.commit()

        steps = itertools.count()
        log(next(steps))
        files.before_each = lambda: log(next(steps))
        wait_until(lambda: [run.iteration for run in catalog.refresh().runs] > [20])
        [run] = catalog.refresh().runs
        history = catalog.reader(run.id).history()
        assert history.columns["iteration"].tolist() == [*range(len(history))]
        assert len(history) > 20


def test_of_another_database_only_the_names_are_got(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "places.sqlite")) as database:
        for number in range(200):
            database.execute(f"CREATE TABLE t{number} (a TEXT, b TEXT)")
        database.execute("INSERT INTO t1 VALUES (?, '')", ("x" * 5_000_000,))
        database.commit()
    catalog, files = catalog_elsewhere(tmp_path)
    assert not catalog.refresh().runs
    assert 0 < files.fetched < 200_000


def test_a_large_database_is_known_by_its_tables(tmp_path: Path) -> None:
    path = shutil.copy(FOREIGN / "mlflow" / "mlflow.db", tmp_path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA page_size = 4096")
        database.execute("VACUUM")
        database.execute("INSERT INTO experiment_tags VALUES ('large', ?, 1)", ("x" * 5_000_000,))
        database.commit()
    catalog, _ = catalog_elsewhere(tmp_path)
    ids = [location_of(run.id).path for run in catalog.refresh().runs]
    assert ids == [run.id for run in RunCatalog([tmp_path]).refresh().runs] != []


def lost_after_one_answer() -> Callable[[], None]:
    """What a place does that goes away."""
    questions = itertools.count()

    def ask() -> None:
        if next(questions):
            raise AwayError("no route to host")

    return ask


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv", "log.log"])
def test_a_run_is_read_on_once_its_place_is_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    line = {"log.jsonl": '{{"step": {0}, "loss": 1.0}}\n', "log.csv": "{0},1.0\n"}.get(
        name, "step {0}: train loss 1.0\n"
    )
    first = "step,loss\n" if name == "log.csv" else ""
    path.write_text(first + "".join(line.format(step) for step in range(20_000)))
    catalog, files = catalog_elsewhere(tmp_path)
    assert [run.iteration for run in catalog.refresh().runs] == [19_999]
    with path.open("a") as file:
        file.write(line.format(20_000))
    files.before_each = lost_after_one_answer()
    assert catalog.refresh().places
    files.before_each, files.fetched = int, 0
    assert [run.iteration for run in catalog.refresh().runs] == [20_000]
    assert files.fetched < 100_000 < path.stat().st_size


def test_a_state_is_read_once_its_place_is_back(tmp_path: Path) -> None:
    state = tmp_path / "out" / "trainer_state.json"
    state.parent.mkdir()

    def reach(step: int) -> None:
        logged = [{"step": one, "loss": 1.0} for one in range(1, step + 1)]
        state.write_text(json.dumps({"global_step": step, "log_history": logged}))

    reach(10)
    catalog, files = catalog_elsewhere(tmp_path)
    [run] = catalog.refresh().runs
    reader = catalog.reader(run.id)
    assert len(reader.history()) == 10
    reach(20)

    catalog.refresh()
    files.forget()
    files.before_each = lost_after_one_answer()
    assert not reader.follow()
    files.before_each = int
    assert reader.follow()
    assert len(reader.history()) == 20


_LISTS = """
import sys
import time
from tests.elsewhere import PLACE, Elsewhere
from traintop.store.place_catalog import PlaceCatalog
print(len(PlaceCatalog(Elsewhere(), PLACE, sys.argv[1:]).refresh().runs))
"""


def test_no_copy_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    repository, there = FOREIGN.parents[1], str(FOREIGN / "optuna")
    env = {**os.environ, "TMPDIR": str(tmp_path / "copies")}
    command = [sys.executable, "-c", _LISTS, there]
    done = subprocess.run(command, env=env, cwd=repository, capture_output=True, check=True)
    assert int(done.stdout) > 1
    assert not os.listdir(tmp_path / "copies")
