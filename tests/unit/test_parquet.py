"""`traintop export --parquet`, and the questions of docs/engines.md to real engines."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

import traintop
from traintop.cli import main
from traintop.store.formats import OutOfOrderError

duckdb = pytest.importorskip("duckdb")
ROOT = Path(__file__).parents[2]


def train(directory: Path, name: str, *losses: float, **settings: object) -> Path:
    with traintop.ExperimentTracker(
        traintop.ExperimentConfig(name, **settings), directory, quiet=True
    ) as tracker:
        for iteration, loss in enumerate(losses):
            extra = {"acc": 1 / loss} if name == "b" else {}
            tracker.log_metrics(iteration, train_loss=loss, metrics=extra)
    assert tracker.path is not None
    return tracker.path


def export(*arguments: object) -> Result:
    done = CliRunner().invoke(main, ["export", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def records(dataset: Path) -> list[tuple[object, ...]]:
    query = f"""SELECT run_id, iteration, train_loss, acc FROM read_parquet(
        '{dataset}/records/*/*.parquet', union_by_name = true, hive_partitioning = true)
        ORDER BY ALL"""
    return [*duckdb.sql(query).fetchall()]


def test_what_was_not_measured_is_null_and_nan_is_nan(tmp_path: Path) -> None:
    a = train(tmp_path / "logs", "a", 3.0, math.nan)
    b = train(tmp_path / "logs", "b", 2.0)
    export("-d", tmp_path / "logs", "--parquet", tmp_path / "set")
    (first, nan, other) = records(tmp_path / "set")
    assert first == (a.stem, 0, 3.0, None)
    assert math.isnan(nan[2])  # type: ignore[arg-type]
    assert other == (b.stem, 0, 2.0, 0.5)
    nans = f"SELECT iteration FROM '{tmp_path}/set/records/*/*.parquet' WHERE isnan(train_loss)"
    assert duckdb.sql(nans).fetchall() == [(1,)]
    runs = pl.read_parquet(tmp_path / "set" / "runs.parquet").sort("run")
    assert runs["run_id"].to_list() == [a.stem, b.stem]
    assert runs["acc.last"].to_list() == [None, 0.5]


def test_only_runs_that_changed_are_written_again(tmp_path: Path) -> None:
    logs, dataset = tmp_path / "logs", tmp_path / "set"
    path = train(logs, "a", 3.0)
    train(logs, "b", 2.0)
    assert "wrote 2 runs" in export("-d", logs, "--parquet", dataset).stderr
    with traintop.ExperimentTracker.resume(path, quiet=True) as tracker:
        tracker.log_metrics(1, train_loss=1.0)
    again = export("-d", logs, "--parquet", dataset)
    assert f"wrote 1 run to {dataset}, 1 had not changed" in again.stderr
    assert [row[1:3] for row in records(dataset)] == [(0, 3.0), (1, 1.0), (0, 2.0)]


def test_runs_that_are_not_chosen_stay_in_the_dataset(tmp_path: Path) -> None:
    logs, dataset = tmp_path / "logs", tmp_path / "set"
    train(logs, "a", 3.0)
    train(logs, "b", 2.0)
    export("-d", logs, "--parquet", dataset)
    export("-d", logs, "a", "--parquet", dataset)
    assert len(records(dataset)) == 2
    assert sorted(pl.read_parquet(dataset / "runs.parquet")["run"]) == ["a", "b"]


def test_runs_of_one_name_stay_apart_however_they_are_chosen(tmp_path: Path) -> None:
    dataset, logs = tmp_path / "set", tmp_path / "logs"
    path = train(logs / "1", "a", 3.0)
    (logs / "2").mkdir()
    shutil.copy(train(tmp_path, "b", 2.0), logs / "2" / path.name)
    for chosen in (logs / "1", logs / "2", logs, path):
        export(chosen, "--parquet", dataset)
        stored = pl.read_parquet(dataset / "runs.parquet").sort("run")
        assert stored["path"].to_list() == [str(path), str(logs / "2" / path.name)][: len(stored)]
        folders = {folder.name for folder in (dataset / "records").iterdir()}
        assert folders == {f"run_id={run_id}" for run_id in stored["run_id"]}
    assert len(stored) == 2


def test_a_file_of_others_is_not_overwritten(tmp_path: Path) -> None:
    train(tmp_path / "logs", "a", 3.0)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "runs.parquet").write_text("mine")
    done = CliRunner().invoke(
        main, ["export", str(tmp_path / "logs"), "--parquet", str(tmp_path / "set")]
    )
    assert done.exit_code == 1
    assert "runs.parquet: not a Parquet file; remove it, or choose another" in done.stderr
    assert (tmp_path / "set" / "runs.parquet").read_text() == "mine"


def test_a_long_run_is_read_in_portions(tmp_path: Path) -> None:
    with traintop.ExperimentTracker(
        traintop.ExperimentConfig("long"), tmp_path, quiet=True
    ) as tracker:
        for iteration in range(20_000):
            tracker.log_metrics(iteration, train_loss=1.0 + iteration)
            if iteration % 1000 == 0:
                tracker.log_eval(iteration, val_loss=2.0)
    run = traintop.open_runs(tmp_path)["long"]
    portions = [*run.portions(5000)]
    assert len(portions) > 1
    whole = run.history()
    for name in ("iteration", "train_loss", "val_loss"):
        joined = b"".join(portion.columns[name].tobytes() for portion in portions)
        assert joined == whole.columns[name].tobytes(), name


def test_a_run_that_went_back_is_written_right(tmp_path: Path) -> None:
    path = train(tmp_path / "logs", "a", *map(float, range(9, 0, -1)))
    with traintop.ExperimentTracker.resume(path, iteration=4, quiet=True) as tracker:
        tracker.log_metrics(5, train_loss=50.0)
    with pytest.raises(OutOfOrderError):
        [*traintop.open_runs(tmp_path / "logs")["a"].portions(5)]
    train(tmp_path / "logs", "b", 1.0)
    export("-d", tmp_path / "logs", "--parquet", tmp_path / "set")
    assert [row[2] for row in records(tmp_path / "set")] == [9, 8, 7, 6, 5, 50, 1]


def test_a_hostile_name_stays_below_the_directory(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    path = train(tmp_path, "a", 3.0)
    shutil.copy(path, tmp_path / "logs" / "experiment_a=..%2f$(id)\n.json")
    export(tmp_path / "logs", "--parquet", tmp_path / "set")
    [folder] = (tmp_path / "set" / "records").iterdir()
    assert re.fullmatch(r"run_id=experiment_a_\.\._2f\$\(id\)_-[0-9a-f]{8}", folder.name)


def test_one_kind_of_output_is_asked_for(tmp_path: Path) -> None:
    for arguments in ([], ["--output", "-", "--parquet", str(tmp_path / "set")]):
        done = CliRunner().invoke(main, ["export", str(tmp_path), *arguments])
        assert done.exit_code == 2
        assert "give one of --output FILE and --parquet DIR" in done.stderr


def test_the_engines_answer_the_questions_of_their_page_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "engines.md").read_text()
    monkeypatch.chdir(tmp_path)
    export("-d", ROOT / "experiment_logs", "--parquet", "dataset")
    *questions, definition = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    exec(definition, names)
    statements = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    assert len(statements) == 5
    for statement, question in zip(statements, questions, strict=True):
        by_duckdb = duckdb.sql(statement).pl()
        by_polars = eval(question, names).collect()
        assert by_duckdb.equals(by_polars.cast(dict(by_duckdb.schema))), question
        assert len(by_duckdb) > 0
