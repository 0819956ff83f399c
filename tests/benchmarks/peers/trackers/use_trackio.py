"""Trackio: a SQLite database for each project."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

os.environ["TRACKIO_DIR"] = sys.argv[2]

import trackio
from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, copy_rows, log_run, loss
from trackio.sqlite_storage import SQLiteStorage

_PROJECT = "project"
_CHUNK = 100_000


def begin(home: Path, name: str) -> OpenRun:
    run = trackio.init(project=_PROJECT, name=name, embed=False, auto_log_gpu=False)

    def log(step: int, values: Scalars) -> None:
        run.log(values, step=step)

    return OpenRun(log, trackio.finish)


def write_runs(home: Path, count: int) -> None:
    log_run(TOOL, home, "run-00000", RECORDS_OF_LISTED_RUN)
    name = "printf('run-%05d', number)"
    with closing(sqlite3.connect(SQLiteStorage.get_project_db_path(_PROJECT))) as database:
        for table, others in (
            ("metrics", {"id": "NULL", "log_id": "NULL"}),
            ("configs", {"id": "NULL"}),
        ):
            copy_rows(database, table, {"run_id": name, "run_name": name, **others}, count)
        database.commit()


def last_losses(home: Path) -> Iterator[float | None]:
    for run in trackio.Api().runs(_PROJECT):
        last = SQLiteStorage.get_last_step(_PROJECT, run.name, run_id=run.id)
        (row,) = SQLiteStorage.get_metric_values(
            _PROJECT, run.name, "loss", step=last, run_id=run.id
        )
        yield row["value"]


def write_curve(home: Path, count: int) -> None:
    for first in range(0, count, _CHUNK):
        steps = list(range(first, min(first + _CHUNK, count)))
        values = [{"loss": loss(step)} for step in steps]
        SQLiteStorage.bulk_log(_PROJECT, "long-run", values, steps, run_id="long-run")


def curve(home: Path) -> int:
    (run,) = trackio.Api().runs(_PROJECT)
    return len(SQLiteStorage.get_metric_values(_PROJECT, run.name, "loss", run_id=run.id))


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
