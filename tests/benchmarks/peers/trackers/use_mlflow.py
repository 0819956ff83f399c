"""MLflow with its default store of today, a SQLite database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, copy_rows, log_run, loss

_PAGE = 10_000
_EXPERIMENT = "0"
_OF_A_RUN = ("runs", "metrics", "latest_metrics", "params", "tags")


def begin(home: Path, name: str) -> OpenRun:
    client = _client(home)
    run = client.create_run(_EXPERIMENT, run_name=name).info.run_id

    def log(step: int, values: Scalars) -> None:
        mlflow.log_metrics(values, step=step, run_id=run)

    return OpenRun(log, lambda: client.set_terminated(run))


def write_runs(home: Path, count: int) -> None:
    log_run(TOOL, home, "run-00000", RECORDS_OF_LISTED_RUN)
    with closing(_database(home)) as database, database:
        for table in _OF_A_RUN:
            copy_rows(database, table, {"run_uuid": "printf('%032x', number)"}, count)


def last_losses(home: Path) -> Iterator[float | None]:
    client = _client(home)
    token = None
    while True:
        page = client.search_runs([_EXPERIMENT], max_results=_PAGE, page_token=token)
        for run in page:
            yield run.data.metrics.get("loss")
        if not (token := page.token):
            return


def write_curve(home: Path, count: int) -> None:
    log_run(TOOL, home, "long-run", 1)
    with closing(_database(home)) as database, database:
        (run,) = database.execute("SELECT run_uuid FROM runs").fetchone()
        database.execute("DELETE FROM metrics WHERE key = 'loss'")
        database.executemany(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)"
            " VALUES ('loss', ?, ?, ?, ?, 0)",
            ((loss(step), 1_700_000_000_000 + step, run, step) for step in range(count)),
        )


def curve(home: Path) -> int:
    client = _client(home)
    (run,) = client.search_runs([_EXPERIMENT])
    return len(client.get_metric_history(run.info.run_id, "loss"))


def _client(home: Path) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    return mlflow.MlflowClient()


def _database(home: Path) -> sqlite3.Connection:
    return sqlite3.connect(home / "mlflow.db")


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
