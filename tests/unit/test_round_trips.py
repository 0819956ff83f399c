"""How often another machine is asked: as seldom for many runs as for one, whatever wrote them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.piping import counting, exchanges
from tests.runs import new_tracker, record, write_run

from traintop.run_ids import location_of, parts_of
from traintop.store.catalog import RunCatalog

FOREIGN = Path(__file__).parents[1] / "foreign"
COPIES = 10

# What grows while a run goes on, of each tool.
GROWING = {
    "json_lines": "metrics.jsonl",
    "keras": "training.csv",
    "lightning": "lightning_logs/version_0/metrics.csv",
    "mlflow/mlruns": "*/*/metrics/loss",
    "mlflow": "mlflow.db",
    "optuna": "study.db",
    "tensorboard": "tensorboardx/*tfevents*",
    "text_logs": "fairseq.log",
    "trackio": "trackio/line.db",
    "transformers": "with_tensorboard/runs/*/*tfevents*",
    "ultralytics": "runs/detect/padded/results.csv",
    "wandb": "wandb/offline-run-*/*.wandb",
    "wandb_0_16": "wandb/offline-run-*/*.wandb",
}


class Place:
    """Copies of a directory of runs, by way of a pipe that counts what goes through it."""

    def __init__(self, folder: Path) -> None:
        self._count = folder / "count"
        self._count.touch()
        self.root = folder / "runs"
        self.address = counting(self._count)
        self.catalog = RunCatalog([f"{self.address}{self.root}"])

    def trips(self, do: Callable[[], object]) -> int:
        """How many round trips something takes."""
        before = len(exchanges(self._count))
        do()
        return len(exchanges(self._count)) - before


def copies_of(tool: str, root: Path) -> None:
    other = "mlruns" if tool == "mlflow" else "expected.json"
    for number in range(COPIES):
        ignored = shutil.ignore_patterns("expected.json", other)
        shutil.copytree(FOREIGN / tool, root / f"copy_{number}", ignore=ignored)
    for path in root.rglob("*"):
        os.utime(path, (1.7e9, 1.7e9))


def go_on(path: Path) -> None:
    """Add to a file, whatever it is."""
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 7")
    else:
        data = path.read_bytes()
        path.write_bytes(data + data.splitlines(keepends=True)[-1])


@pytest.mark.parametrize("tool", GROWING)
def test_runs_of_each_tool_take_few_round_trips(tool: str, tmp_path: Path) -> None:
    copies_of(tool, tmp_path / "runs")
    place = Place(tmp_path)
    assert place.trips(place.catalog.refresh) <= 5
    assert len(place.catalog.snapshot().runs) >= COPIES
    assert place.trips(place.catalog.refresh) == 1
    path = next((tmp_path / "runs" / "copy_3").glob(GROWING[tool]))
    go_on(path)
    assert place.trips(place.catalog.refresh) <= 3
    ids = (run.id for run in place.catalog.snapshot().runs)
    run_id = next(one for one in ids if str(path).startswith(parts_of(location_of(one).path)[0]))
    assert place.trips(place.catalog.reader(run_id).history) <= 4


def test_runs_with_many_settings_take_few_round_trips(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for number in range(100):
        config = {"experiment_name": f"run {number}", "words": "x" * 20_000}
        rows = [record(0, train_loss=1.0)]
        name = f"experiment_{number}.json"
        write_run(tmp_path / "runs" / name, rows, config=config, status="finished")
    place = Place(tmp_path)
    assert place.trips(place.catalog.refresh) <= 5
    assert len(place.catalog.snapshot().runs) == 100


def test_long_files_take_few_round_trips(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    rows = "".join(f'{{"step": {step}, "loss": 1.0}}\n' for step in range(8000))
    for number in range(30):
        (tmp_path / "runs" / f"log_{number}.jsonl").write_text(rows)
    place = Place(tmp_path)
    assert len(rows) * 30 < 8 << 20
    assert place.trips(place.catalog.refresh) <= 5
    assert {run.iteration for run in place.catalog.snapshot().runs} == {7999}


def test_a_live_run_with_long_ends_takes_two_round_trips(tmp_path: Path) -> None:
    place = Place(tmp_path)
    tracker = new_tracker(place.root, "live", words="x" * 20_000)
    tracker.start()
    metrics = {f"metric_{number}": 0.5 for number in range(40)}
    trips = []
    for iteration in range(4):
        for step in range(10):
            tracker.log_metrics(10 * iteration + step, train_loss=1.0, **metrics)
        tracker.save()
        trips.append(place.trips(place.catalog.refresh))
    assert trips[0] <= 5
    assert trips[2:] == [2, 2]
    tracker.finish()


def test_a_chart_that_is_behind_takes_few_round_trips(tmp_path: Path) -> None:
    place = Place(tmp_path)
    run = place.root / "0" / ("a" * 32)
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 1\nstart_time: 1000\n")

    def grow(start: int, end: int) -> None:
        for number in range(20):
            with (run / "metrics" / f"metric_{number}").open("a") as file:
                file.writelines(f"{step} 0.5 {step}\n" for step in range(start, end))
        place.catalog.refresh()

    grow(0, 10)
    reader = place.catalog.reader(place.catalog.snapshot().runs[0].id)
    assert len(reader.history()) == 10
    grow(10, 500)
    grow(500, 1000)
    assert place.trips(reader.follow) <= 3
    assert len(reader.history()) == 1000
