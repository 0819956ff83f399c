"""Databases as other tools make them: as much of their tables as is read."""

from __future__ import annotations

import json
import math
import random
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
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

_TRACKIO = """
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
    run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE INDEX idx_metrics_run_step ON metrics(run_id, step);
CREATE INDEX idx_metrics_run_timestamp ON metrics(run_id, timestamp);
CREATE TABLE configs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL,
    config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id));
CREATE TABLE system_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
    run_name TEXT NOT NULL, metrics TEXT NOT NULL);
"""

_TRACKIO_0_23 = """
CREATE TABLE metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE INDEX idx_metrics_run_step ON metrics(run_name, step);
CREATE TABLE configs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_name TEXT NOT NULL, config TEXT NOT NULL,
    created_at TEXT NOT NULL, UNIQUE(run_name));
"""

_OPTUNA = """
CREATE TABLE studies (study_id INTEGER NOT NULL PRIMARY KEY, study_name VARCHAR(512) NOT NULL);
CREATE TABLE study_directions (
    study_direction_id INTEGER NOT NULL PRIMARY KEY, direction VARCHAR(8) NOT NULL,
    study_id INTEGER NOT NULL, objective INTEGER NOT NULL, UNIQUE (study_id, objective));
CREATE TABLE study_system_attributes (
    study_system_attribute_id INTEGER NOT NULL PRIMARY KEY, study_id INTEGER, "key" VARCHAR(512),
    value_json TEXT, UNIQUE (study_id, "key"));
CREATE TABLE trials (
    trial_id INTEGER NOT NULL PRIMARY KEY, number INTEGER, study_id INTEGER,
    state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME);
CREATE TABLE trial_user_attributes (
    trial_user_attribute_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER, "key" VARCHAR(512),
    value_json TEXT, UNIQUE (trial_id, "key"));
CREATE TABLE trial_params (
    param_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER, param_name VARCHAR(512),
    param_value FLOAT, distribution_json TEXT, UNIQUE (trial_id, param_name));
CREATE TABLE trial_values (
    trial_value_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL,
    objective INTEGER NOT NULL, value FLOAT, value_type VARCHAR(7) NOT NULL,
    UNIQUE (trial_id, objective));
CREATE TABLE trial_intermediate_values (
    trial_intermediate_value_id INTEGER NOT NULL PRIMARY KEY, trial_id INTEGER NOT NULL,
    step INTEGER NOT NULL, intermediate_value FLOAT, intermediate_value_type VARCHAR(7) NOT NULL,
    UNIQUE (trial_id, step));
"""


class _Database:
    """A database that is changed by one statement at a time, with a connection for each."""

    tables: str

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(self.tables)

    def execute(self, statement: str, *rows: Iterable[object]) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executemany(statement, rows or [()])
            connection.commit()

    def insert(self, table: str, *rows: Mapping[str, object]) -> None:
        names = ", ".join(rows[0])
        values = ", ".join("?" * len(rows[0]))
        inserted = (tuple(row.values()) for row in rows)
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", *inserted)


class MlflowDatabase(_Database):
    """What MLflow writes."""

    tables = _MLFLOW

    def start(self, run: str, name: str | None = None, at: float = 0.0) -> None:
        known = {"user_id": "someone", "lifecycle_stage": "active", "experiment_id": 1}
        row = {"run_uuid": run, "name": name, "start_time": _milliseconds(at), "status": "RUNNING"}
        self.insert("runs", {**row, **known})

    def log(self, run: str, metric: str, *values: tuple[float, float], at: float = 0.0) -> None:
        """Log values, given as step and value, a second apart from one another."""
        rows = [
            {
                "run_uuid": run,
                "key": metric,
                "step": step,
                "value": 0 if math.isnan(value) else value,
                "timestamp": _milliseconds(at + place),
                "is_nan": math.isnan(value),
            }
            for place, (step, value) in enumerate(values)
        ]
        self.insert("metrics", *rows)

    def set(self, table: str, run: str, **texts: str) -> None:
        rows = [(run, name.replace("__", "."), text) for name, text in texts.items()]
        statement = f"INSERT OR REPLACE INTO {table} (run_uuid, key, value) VALUES (?, ?, ?)"
        self.execute(statement, *rows)

    def end(self, run: str, status: str, at: float = 60.0) -> None:
        statement = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"
        self.execute(statement, (status, _milliseconds(at), run))


class TrackioDatabase(_Database):
    """What Trackio writes; before version 0.24, runs had no ids."""

    def __init__(self, path: Path, *, has_ids: bool = True) -> None:
        self.tables = _TRACKIO if has_ids else _TRACKIO_0_23
        self.has_ids = has_ids
        super().__init__(path)

    def log(self, run: str, *rows: tuple[float, dict[str, object]], at: float = 0.0) -> None:
        """Log rows, given as step and values, a second apart from one another."""
        self.insert(
            "metrics",
            *(
                {
                    **self._run(run),
                    "timestamp": _iso(at + place),
                    "step": step,
                    "metrics": json.dumps(values).encode(),
                }
                for place, (step, values) in enumerate(rows)
            ),
        )

    def sample(self, run: str, at: float, **values: float) -> None:
        row = {**self._run(run), "timestamp": _iso(at), "metrics": json.dumps(values).encode()}
        self.insert("system_metrics", row)

    def configure(self, run: str, **settings: object) -> None:
        config = json.dumps(settings).encode()
        self.insert("configs", {**self._run(run), "config": config, "created_at": _iso(0)})

    def _run(self, run: str) -> dict[str, object]:
        name = {"run_name": f"run {run}"}
        return {"run_id": run, **name} if self.has_ids else name


class OptunaDatabase(_Database):
    """What Optuna writes."""

    tables = _OPTUNA

    def study(self, study: int, name: str, *directions: str) -> None:
        self.insert("studies", {"study_id": study, "study_name": name})
        rows = [
            {"study_id": study, "objective": place, "direction": direction}
            for place, direction in enumerate(directions)
        ]
        self.insert("study_directions", *rows)

    def trial(self, trial: int, study: int, number: int, *, state: str = "RUNNING") -> None:
        start = None if state == "WAITING" else f"2025-02-22 14:05:{trial:02}.000000"
        known = {"trial_id": trial, "study_id": study, "number": number}
        self.insert("trials", {**known, "state": state, "datetime_start": start})

    def suggest(self, trial: int, name: str, value: float, kind: str, **attributes: object) -> None:
        distribution = json.dumps({"name": f"{kind}Distribution", "attributes": attributes})
        row = {"trial_id": trial, "param_name": name, "param_value": value}
        self.insert("trial_params", {**row, "distribution_json": distribution})

    def report(self, trial: int, step: int, value: float | None, kind: str = "FINITE") -> None:
        row = {"trial_id": trial, "step": step, "intermediate_value": value}
        self.insert("trial_intermediate_values", {**row, "intermediate_value_type": kind})

    def tell(self, trial: int, state: str, *values: float) -> None:
        for place, value in enumerate(values):
            row = {"trial_id": trial, "objective": place, "value": value, "value_type": "FINITE"}
            self.insert("trial_values", row)
        statement = "UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?"
        self.execute(statement, (state, "2025-02-22 14:06:30.500000", trial))


def damage(path: Path, seed: int) -> None:
    """Flip some bits behind the header of a file, and cut off its end half of the times."""
    noise, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(30):
        data[noise.randrange(100, len(data))] ^= 1 << noise.randrange(8)
    path.write_bytes(data if seed % 2 else data[: noise.randrange(len(data))])


def _iso(at: float) -> str:
    return datetime.fromtimestamp(START + at, UTC).isoformat()


def _milliseconds(at: float) -> int:
    return int((START + at) * 1000)
