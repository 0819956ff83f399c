"""Databases as other tools make them: as much of their tables as is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

START = 1_700_000_000.0
"""When runs begin, in seconds since 1970."""

_MLFLOW = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256) NOT NULL);
CREATE TABLE runs (
    run_uuid VARCHAR(32) NOT NULL PRIMARY KEY, name VARCHAR(250), user_id VARCHAR(256),
    status VARCHAR(9), start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20),
    experiment_id INTEGER);
CREATE TABLE metrics (
    "key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL,
    is_nan BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan));
CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid);
CREATE TABLE params (
    "key" VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid));
CREATE INDEX index_params_run_uuid ON params (run_uuid);
CREATE TABLE tags (
    "key" VARCHAR(250) NOT NULL, value VARCHAR(8000), run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid));
CREATE INDEX index_tags_run_uuid ON tags (run_uuid);
INSERT INTO experiments VALUES (1, 'sweep');
"""


class MlflowDatabase:
    """What MLflow writes into a database, each change at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_MLFLOW)

    def execute(self, statement: str, *rows: Iterable[object]) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executemany(statement, rows or [()])
            connection.commit()

    def start(self, run: str, name: str | None = None, at: float = 0.0) -> None:
        row = (run, name, _milliseconds(at))
        columns = "run_uuid, name, start_time, user_id, status, lifecycle_stage, experiment_id"
        values = "?, ?, ?, 'someone', 'RUNNING', 'active', 1"
        self.execute(f"INSERT INTO runs ({columns}) VALUES ({values})", row)

    def log(self, run: str, metric: str, *values: tuple[float, float], at: float = 0.0) -> None:
        """Log values, given as step and value, a second apart from one another."""
        columns = "run_uuid, key, step, value, timestamp, is_nan"
        rows = [
            (
                run,
                metric,
                step,
                0 if value != value else value,
                _milliseconds(at + n),
                value != value,
            )
            for n, (step, value) in enumerate(values)
        ]
        self.execute(f"INSERT INTO metrics ({columns}) VALUES (?, ?, ?, ?, ?, ?)", *rows)

    def set(self, table: str, run: str, **texts: str) -> None:
        rows = [(run, name.replace("__", "."), text) for name, text in texts.items()]
        statement = f"INSERT OR REPLACE INTO {table} (run_uuid, key, value) VALUES (?, ?, ?)"
        self.execute(statement, *rows)

    def end(self, run: str, status: str, at: float = 60.0) -> None:
        statement = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"
        self.execute(statement, (status, _milliseconds(at), run))


def _milliseconds(at: float) -> int:
    return int((START + at) * 1000)
