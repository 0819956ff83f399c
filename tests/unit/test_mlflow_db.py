"""Runs in databases of MLflow, and what is so of all runs of which many are in one file."""

from __future__ import annotations

import math
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.databases import MlflowDatabase, damage
from tests.sidecars import annotate

from traintop import load_experiment_log
from traintop.analysis.naming import find_run, unique_names
from traintop.cli import main
from traintop.model import RunStatus, RunSummary
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.files import database_copies, local
from traintop.store.formats import mlflow_db
from traintop.store.history import History

A, B = "a" * 32, "b" * 32


@pytest.fixture
def mlflow(tmp_path: Path) -> MlflowDatabase:
    """A database with two runs, of which one goes on."""
    mlflow = MlflowDatabase(tmp_path / "mlflow.db")
    mlflow.start(A, "first")
    mlflow.log(A, "loss", (0, 4.0), (1, 3.0))
    mlflow.end(A, "FINISHED")
    mlflow.start(B, "second", at=100)
    mlflow.log(B, "loss", (0, 2.0), at=101)
    return mlflow


def runs_in(directory: Path) -> dict[str, RunSummary]:
    return {run.title: run for run in RunCatalog([directory]).refresh().runs}


def values(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    return dict(zip(history.columns["iteration"][rows], history.columns[metric][rows], strict=True))


def test_what_is_known_of_a_run(mlflow: MlflowDatabase) -> None:
    mlflow.set("params", A, lr="0.001", max_steps="50", amp="True")
    mlflow.set("tags", A, mlflow__note__content="a note", mlflow__source__git__commit="c0ffee")
    mlflow.set("tags", A, team="nlp")
    mlflow.log(A, "val_loss", (1, math.nan), (2, sys.float_info.max), at=2)
    found = runs_in(mlflow.path.parent)["first"]
    assert found.id == f"{mlflow.path}#{A}"
    assert (found.status, found.notes, found.duration_seconds) == ("finished", "a note", 60.0)
    settings = {"lr": 0.001, "max_steps": 50, "amp": True, "tags": {"team": "nlp"}}
    assert found.config == {**settings, "experiment_name": "first"}
    assert found.environment == {
        "written_by": "MLflow",
        "experiment": "sweep",
        "user": "someone",
        "git_commit": "c0ffee",
    }
    assert (found.count, found.iteration, found.stats["loss"].last) == (3, 2, 3.0)
    assert (found.stats["val_loss"].nonfinite, found.stats["val_loss"].last) == (2, math.inf)


def test_a_database_may_be_named_itself(mlflow: MlflowDatabase) -> None:
    assert runs_in(mlflow.path).keys() == {"first", "second"}
    moved = mlflow.path.rename(mlflow.path.with_name("other.sqlite3"))
    assert runs_in(moved).keys() == runs_in(moved.parent).keys() == {"first", "second"}


def test_other_databases_are_no_runs(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
    (tmp_path / "b.db").write_bytes(b"something else" * 1000)
    (tmp_path / "c.db").write_bytes(b"")
    assert not runs_in(tmp_path)


def test_a_run_is_followed_from_its_last_row(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    [second, first] = catalog.refresh().runs
    reader = catalog.reader(second.id)
    assert values(reader.history(), "loss") == {0: 2.0}
    assert not reader.follow()
    mlflow.log(B, "loss", (1, 1.5), at=102)
    mlflow.log(A, "loss", (7, 1.0), at=103)
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 2.0, 1: 1.5}
    after = {run.id: run for run in catalog.refresh().runs}
    assert (after[second.id].iteration, after[first.id].iteration) == (1, 7)


def test_only_runs_that_changed_are_read(mlflow: MlflowDatabase) -> None:
    now = [0.0]
    catalog = RunCatalog([mlflow.path.parent], clock=lambda: now[0])
    catalog.refresh()
    now[0] = 10.0
    before = {run.id: run for run in catalog.refresh().runs}
    mlflow.log(B, "loss", (1, 1.5), at=102)
    after = {run.id: run for run in catalog.places[0].refresh_files([str(mlflow.path)]).runs}
    assert after[f"{mlflow.path}#{A}"] is before[f"{mlflow.path}#{A}"]
    assert after[f"{mlflow.path}#{B}"].iteration == 1


def test_runs_come_and_go_without_a_scan(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    catalog.refresh()
    mlflow.start("c" * 32, "third", at=200)
    mlflow.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'first'")
    snapshot = catalog.places[0].refresh_files([str(mlflow.path)])
    assert [run.name for run in snapshot.runs] == ["third", "second"]
    mlflow.path.unlink()
    assert not catalog.places[0].refresh_files([str(mlflow.path)]).runs


def test_the_newest_runs_are_read_first(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    portions = [catalog.refresh(0.0) for _ in range(2)]
    assert [(run.name, portions[0].unread) for run in portions[0].runs] == [("second", 1)]
    assert [run.name for run in portions[1].runs] == ["second", "first"]


def test_a_run_that_fell_silent_long_before_others(mlflow: MlflowDatabase) -> None:
    mlflow.start("c" * 32, "third", at=4000)
    mlflow.log("c" * 32, "loss", (0, 1.0), at=4000)
    runs = runs_in(mlflow.path.parent)
    assert (runs["second"].status, runs["third"].status) == ("stalled", "running")


def test_a_note_that_is_changed_later_is_seen(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    for note in ("one", "two"):
        mlflow.set("tags", A, mlflow__note__content=note)
        runs = {run.name: run for run in catalog.refresh().runs}
        assert runs["first"].notes == note


def test_rows_whose_numbers_are_used_again(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    reader = catalog.reader(catalog.refresh().runs[0].id)
    assert values(reader.history(), "loss") == {0: 2.0}
    mlflow.execute("DELETE FROM metrics WHERE run_uuid = ?", (B,))
    mlflow.log(B, "loss", (0, 9.0), (1, 8.0), at=101)
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 9.0, 1: 8.0}
    assert catalog.refresh().runs[0].stats["loss"].max == 9.0


def test_values_without_steps_are_counted(
    mlflow: MlflowDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_db, "_ROWS", 4)
    mlflow.log(B, "loss", *((0, step) for step in range(10)), at=200)
    catalog = RunCatalog([mlflow.path.parent])
    reader = catalog.reader(catalog.refresh().runs[0].id)
    assert values(reader.history(), "loss") == {0: 2.0, **{step + 1: step for step in range(10)}}
    mlflow.log(B, "loss", (7, 0.25), at=300)
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 9, 7: 0.25}
    assert catalog.refresh().runs[0].count == 2


def test_a_database_that_is_linked_to_has_its_log(mlflow: MlflowDatabase, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(mlflow.path)
    with closing(sqlite3.connect(mlflow.path)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        catalog = RunCatalog([link.parent])
        reader = catalog.reader(catalog.refresh().runs[0].id)
        for step in range(1, 4):
            insert = "INSERT INTO metrics VALUES ('loss', 1.0, ?, ?, ?, 0)"
            writer.execute(insert, (1_700_000_200_000 + step, B, step))
            writer.commit()
            assert catalog.refresh().runs[0].iteration == step
            assert reader.follow() or step == 1
    assert values(reader.history(), "loss") == {0: 2.0, 1: 1.0, 2: 1.0, 3: 1.0}


def test_a_writer_with_a_log_is_followed_by_hints(mlflow: MlflowDatabase) -> None:
    with closing(sqlite3.connect(mlflow.path)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        catalog = RunCatalog([mlflow.path.parent])
        log = f"{mlflow.path}-wal"
        for step in range(1, 5):
            insert = "INSERT INTO metrics VALUES ('loss', 1.0, ?, ?, ?, 0)"
            writer.execute(insert, (1_700_000_200_000 + step, B, step))
            writer.commit()
            assert catalog.places[0].may_be_a_run(log)
            assert catalog.places[0].refresh_files([log]).runs[0].iteration == step
    assert catalog.places[0].refresh_files([log]).runs[0].iteration == 4
    assert not Path(log).exists()


def test_of_a_database_on_a_network_filesystem_a_copy_is_read(
    mlflow: MlflowDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "network_filesystem", lambda _: "nfs4")
    catalog = RunCatalog([mlflow.path.parent])
    [second, _] = catalog.refresh().runs
    reader = catalog.reader(second.id)
    assert values(reader.history(), "loss") == {0: 2.0}
    mlflow.log(B, "loss", (1, 1.5), at=102)
    assert reader.follow()
    assert catalog.refresh().runs[0].iteration == 1
    monkeypatch.setattr(database_copies, "_LARGEST_COPY", 1)
    mlflow.log(B, "loss", (2, 1.25), at=103)
    [found] = catalog.refresh().runs
    assert "would have to be copied" in found.problem


def test_a_database_that_is_locked_keeps_its_runs(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    before = catalog.refresh().runs
    with closing(sqlite3.connect(mlflow.path, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 5")
        writer.execute("BEGIN EXCLUSIVE")
        insert = "INSERT INTO params VALUES (?, ?, ?)"
        writer.executemany(insert, [(str(n), "x" * 1000, A) for n in range(1000)])
        assert [run.id for run in catalog.refresh().runs] == [run.id for run in before]
        writer.execute("ROLLBACK")


def test_a_database_that_cannot_be_read_is_one_row(mlflow: MlflowDatabase) -> None:
    whole = mlflow.path.read_bytes()
    catalog = RunCatalog([mlflow.path.parent])
    catalog.refresh()
    mlflow.path.write_bytes(b"SQLite format 3\0" + bytes(len(whole)))
    [found] = catalog.refresh().runs
    assert (found.id, found.status) == (str(mlflow.path), RunStatus.UNREADABLE)
    assert found.problem.startswith("cannot be read: ")
    revision = catalog.refresh().revision
    assert catalog.refresh().revision == revision
    mlflow.path.write_bytes(whole)
    assert len(catalog.refresh().runs) == 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_stands_in_a_database_is_survived(mlflow: MlflowDatabase, seed: int) -> None:
    damage(mlflow.path, seed)
    catalog = RunCatalog([mlflow.path.parent])
    for run in catalog.refresh().runs:
        catalog.reader(run.id).follow()


def test_values_of_other_types_are_no_measurements(mlflow: MlflowDatabase) -> None:
    columns = "run_uuid, key, step, value, timestamp, is_nan"
    rows = [(B, "loss", "x", 1.0, 1, 0), (B, "loss", 5, "y", 2, 0), (B, b"\xff", 6, 1.0, "z", 0)]
    mlflow.execute(f"INSERT INTO metrics ({columns}) VALUES (?, ?, ?, ?, ?, ?)", *rows)
    mlflow.execute("UPDATE runs SET start_time = 'x', end_time = X'00', name = 7, status = NULL")
    assert runs_in(mlflow.path.parent)


# What is so of all runs of which many are in one file.


def test_such_a_run_is_called_by_what_the_database_calls_it(mlflow: MlflowDatabase) -> None:
    first = runs_in(mlflow.path.parent)["first"]
    assert (first.stem, first.path) == (A, mlflow.path)
    names = unique_names([first])
    assert find_run(A, names) == find_run(f"mlflow.db#{A}", names) == first.id


def test_such_a_run_may_be_named_alone(mlflow: MlflowDatabase, tmp_path: Path) -> None:
    first = Path(f"{mlflow.path}#{A}")
    assert runs_in(first).keys() == {"first"}
    assert load_experiment_log(first).config.experiment_name == "first"
    arguments = ["import", str(first), "--to", str(tmp_path / "ours")]
    assert "first: 2 records" in CliRunner().invoke(main, arguments).output
    annotate(first, AnnotationChange(note="mine"))
    assert runs_in(first)["first"].annotations.note == "mine"
    assert runs_in(mlflow.path)["first"].annotations.note == "mine"
    with pytest.raises(ValueError, match="is not the log of a run"):
        load_experiment_log(f"{mlflow.path}#{'c' * 32}")
    with pytest.raises(FileNotFoundError):
        load_experiment_log(f"{tmp_path}/none.db#{A}")


def test_such_a_run_is_annotated_beside_its_database(mlflow: MlflowDatabase) -> None:
    catalog = RunCatalog([mlflow.path.parent])
    first = {run.name: run for run in catalog.refresh().runs}["first"]
    annotate(Path(first.id), AnnotationChange(note="mine"))
    after = {run.name: run for run in catalog.refresh().runs}
    assert after["first"].annotations.note == "mine"
    assert after["second"].annotations.note == ""


def test_commands_take_such_runs(mlflow: MlflowDatabase) -> None:
    folder = mlflow.path.parent
    exported = CliRunner().invoke(main, ["export", str(folder), "first", "--out", "-"])
    assert "first,0,,0.0,,,,,,4.0\n" in exported.output
    diagnosed = CliRunner().invoke(main, ["doctor", str(folder)])
    assert "2 runs" in diagnosed.output
    compared = CliRunner().invoke(main, ["compare", str(folder), "first", B, "--csv"])
    assert "second" in compared.output
