"""The databases of Trackio, one a project: a row is what was logged at once, as JSON.

Rows are only added, each with a higher number than all others. They do not say that a run ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec
import numpy as np

from traintop.logfile import LONGEST_NAME, UNREADABLE, Head, Tail
from traintop.run_ids import parts_of
from traintop.store.files import Entry, Files
from traintop.store.files.database import Database
from traintop.store.formats.followed import TOOL, About, Records, ReplacedError
from traintop.store.formats.series import Series, SeriesRecords
from traintop.store.formats.sqlite_runs import SqliteFormat, StoredRun
from traintop.store.history import GrowingHistory, History, as_column
from traintop.text import counted
from traintop.times import iso_time, posix_time
from traintop.values import NAME_SETTING, as_number, flat_settings

_ROWS = 5000  # that are read at once
_SCANNED_ROWS = 50_000  # of all runs
_SAMPLED_ROWS = 4  # at each place
_OTHERS_TURN = 0.0002  # seconds of rest between two readings: see traintop_records
_LONGEST_ROW = 256 * 1024
_LONGEST_CONFIG = 1024 * 1024
_OWN_SETTING = "_"

# {run} is what a run is known by: an id, and in versions before 0.24 its name.
_RUNS = """
WITH RECURSIVE known(run) AS (
    SELECT min({run}) FROM metrics
    UNION ALL
    SELECT (SELECT min({run}) FROM metrics WHERE {run} > known.run) FROM known
    WHERE known.run IS NOT NULL LIMIT :most
)
SELECT run, name, first_time, time, last_step, last_time,
    (SELECT max(created_at) FROM configs WHERE {run} = run)
FROM (
    SELECT run,
        (SELECT timestamp FROM metrics WHERE {run} = run ORDER BY timestamp LIMIT 1) AS first_time,
        (SELECT id FROM metrics WHERE {run} = run ORDER BY step DESC, id DESC LIMIT 1)
            AS last_step,
        (SELECT id FROM metrics WHERE {run} = run ORDER BY timestamp DESC, id DESC LIMIT 1)
            AS last_time
    FROM known WHERE run IS NOT NULL
) JOIN (SELECT id, run_name AS name, timestamp AS time FROM metrics) ON id = last_time
ORDER BY first_time DESC
"""
_ROW = "id, step, timestamp, CASE WHEN length(metrics) <= :longest THEN metrics END"
_FIRST_ROWS = f"""
SELECT {_ROW} FROM metrics
WHERE {{run}} = :run AND (step, id) > (:step, :id) ORDER BY step, id LIMIT :most
"""
_NEW_ROWS = f"""
SELECT {_ROW} FROM metrics NOT INDEXED WHERE id > :after AND id <= :end AND {{run}} = :run
"""
_SAMPLES = f"""
SELECT {_ROW.replace("step", "0")} FROM system_metrics
WHERE {{run}} = :run AND id > :after ORDER BY id LIMIT :most
"""
_STEPS = """
SELECT (SELECT min(step) FROM metrics WHERE {run} = :run), (SELECT max(step) FROM metrics
WHERE {run} = :run), (SELECT count(*) FROM (SELECT 1 FROM metrics WHERE {run} = :run LIMIT :most))
"""
_ROW_NOW = "SELECT step, timestamp FROM metrics WHERE id = :id AND {run} = :run"
_CONFIG = "SELECT substr(config, 1, :most) FROM configs WHERE {run} = :run"
_NAME = "SELECT run_name FROM metrics WHERE id = :id"
_HAS_IDS = "SELECT count(*) FROM pragma_table_info('metrics') WHERE name = 'run_id'"
_HAS_SAMPLES = "SELECT count(*) FROM pragma_table_info('system_metrics')"

_Row = tuple[Any, ...]


class TrackioFormat(SqliteFormat):
    """The rows with one id."""

    name = "trackio"
    columns: Mapping[str, frozenset[str]] = {
        "metrics": frozenset({"id", "timestamp", "run_name", "step", "metrics"}),
        "configs": frozenset({"run_name", "config", "created_at"}),
    }

    def stored_runs(self, database: Database, most: int) -> list[StoredRun]:
        """All that have logged something."""
        rows = _Rows(database, None).of(_RUNS, most=most)
        return [
            StoredRun(run, str(run), (name, *ids), posix_time(last))
            for run, name, _, last, *ids in rows
        ]

    def follower(self) -> _Follower:
        """A follower of one run."""
        return _Follower(self)

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The rows at evenly spaced steps."""
        few = points * _SAMPLED_ROWS
        with self.opened(files, entries) as database:
            rows = _Rows(database, entries[0].inode)
            [(first, last, count)] = rows.of(_STEPS, most=few)
            if count < few:
                return None
            found: dict[object, _Row] = {}
            for step in np.linspace(first, last, points).astype(int).tolist():
                at = {"step": step, "id": -1, "most": _SAMPLED_ROWS}
                found |= {row[0]: row for row in rows.of(_FIRST_ROWS, **at)}
        records, growing = SeriesRecords(), GrowingHistory()
        records.add(_Series().take(found.values()), growing)
        records.flush(growing)
        return growing.history()


class _Rows:
    """Asks for the rows of one run."""

    def __init__(self, database: Database, run: object) -> None:
        self._database = database
        self._run = run
        [(has_ids,)] = database.rows(_HAS_IDS)
        self._column = "run_id" if has_ids else "run_name"
        [(columns,)] = database.rows(_HAS_SAMPLES)
        self.has_samples = columns > 0

    def of(self, query: str, **values: object) -> list[_Row]:
        values = {"run": self._run, "longest": _LONGEST_ROW, **values}
        return self._database.rows(query.format(run=self._column), values)


class _Follower:
    """Reads the rows of one run, those that are there by their steps, then those behind them."""

    def __init__(self, run_format: TrackioFormat) -> None:
        self._format = run_format
        self._records = SeriesRecords()
        self._series = _Series()
        self._end: int | None = None  # the number up to which all rows are known
        self._last: tuple[int, _Row] | None = None  # the last row of the run, and its number
        self._last_sample = 0
        self._about = About()

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        with self._format.opened(files, entries) as database:
            rows = _Rows(database, entries[0].inode)
            [(end,)] = database.rows("SELECT coalesce(max(id), 0) FROM metrics")
            if self._last is not None and rows.of(_ROW_NOW, id=self._last[0]) != [self._last[1]]:
                raise ReplacedError
            if rows.has_samples:
                samples = rows.of(_SAMPLES, after=self._last_sample, most=_SCANNED_ROWS)
                self._records.add(self._series.take(samples, are_sampled=True), records)
                self._last_sample = max((row[0] for row in samples), default=self._last_sample)
            parts = self._first_rows(rows) if self._end is None else self._new_rows(rows, end)
            for part in parts:
                self._records.add(self._series.take(part), records)
                time.sleep(_OTHERS_TURN)
            self._end = end
            self._records.flush(records)
            self._about = self._described(rows, entries[0])

    def _first_rows(self, rows: _Rows) -> Iterator[list[_Row]]:
        place = {"step": -(2**63), "id": -1}
        while part := rows.of(_FIRST_ROWS, **place, most=_ROWS):
            place = {"id": part[-1][0], "step": part[-1][1]}
            self._know(part)
            yield part

    def _new_rows(self, rows: _Rows, end: int) -> Iterator[list[_Row]]:
        assert self._end is not None
        if end < self._end:
            raise ReplacedError
        for after in range(self._end, end, _SCANNED_ROWS):
            part = rows.of(_NEW_ROWS, after=after, end=min(after + _SCANNED_ROWS, end))
            self._know(part)
            yield part

    def _know(self, part: Sequence[_Row]) -> None:
        for row in part:
            if self._last is None or row[0] > self._last[0]:
                self._last = (row[0], row[1:3])

    def _described(self, rows: _Rows, entry: Entry) -> About:
        settings: dict[str, Any] = {}
        for (config,) in rows.of(_CONFIG, most=_LONGEST_CONFIG):
            settings = _decoded(config) or {}
        own = {name: settings.pop(name) for name in [*settings] if name.startswith(_OWN_SETTING)}
        for (name,) in rows.of(_NAME, id=self._last[0] if self._last else None):
            settings[NAME_SETTING] = name
        facts = {
            TOOL: "Trackio",
            "project": PurePath(parts_of(entry.id)[0]).stem,
            "group": own.get("_Group"),
            "user": own.get("_Username"),
        }
        created = own.get("_Created")
        started = posix_time(created) if isinstance(created, str) else self._records.start
        damaged = self._series.damaged
        return About(
            Head(
                config=settings,
                start_time=iso_time(started or 0.0),
                run={name: fact for name, fact in facts.items() if isinstance(fact, str)},
            ),
            Tail(updated_at=iso_time(self._records.last_time)),
            f"has {counted(damaged, 'damaged row')}, left out" if damaged else "",
        )

    def about(self) -> About:
        return self._about


class _Series:
    """Takes rows apart."""

    def __init__(self) -> None:
        self.damaged = 0

    def take(self, rows: Iterable[_Row], *, are_sampled: bool = False) -> list[Series]:
        """The numbers of some rows by their metrics."""
        found: dict[str, list[tuple[object, object, object]]] = {}
        for _, step, timestamp, data in rows:
            logged = _decoded(data)
            self.damaged += logged is None
            at = posix_time(timestamp) if isinstance(timestamp, str) else None
            for name, value in _numbers(logged or {}):
                found.setdefault(name, []).append((step, at, value))
        series = []
        for name, points in found.items():
            steps, times, values = map(as_column, zip(*points, strict=True))
            series.append(Series(name, steps, times, values, are_sampled))
        return series


def _decoded(data: object) -> dict[str, Any] | None:
    """What was logged at once, or the settings; ``None`` if it is no object."""
    try:
        found = msgspec.json.decode(data) if isinstance(data, (bytes, str)) else None
    except UNREADABLE:
        return None
    return found if isinstance(found, dict) else None


def _numbers(logged: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """The numbers in what was logged at once, nested ones by their paths, without pictures."""
    plain = {
        name: value
        for name, value in logged.items()
        if not (isinstance(value, dict) and "_type" in value)
    }
    for name, value in flat_settings(plain).items():
        number = as_number(value)
        if number is not None and len(name) <= LONGEST_NAME:
            yield name, number
