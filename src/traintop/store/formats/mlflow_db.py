"""The databases of MLflow, ``mlflow.db``: a run is a row, and each value of a metric is one too.

Rows of metrics are only added, so what is new of a run stands behind its last known row.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from traintop.store.files import Entry, Files
from traintop.store.files.database import Database
from traintop.store.formats.followed import About, Records, ReplacedError
from traintop.store.formats.mlflow import MlflowRecords, about_run, is_sampled, seconds
from traintop.store.formats.series import Series, SeriesRecords
from traintop.store.formats.sqlite_runs import SqliteFormat, StoredRun
from traintop.store.history import GrowingHistory, History, as_column

_ROWS = 10_000  # that are read at once
_SAMPLED_ROWS = 20  # at each place
_MOST_TEXTS = 2000  # settings, and tags, of a run
_FIRST = -(2**63)
_OTHERS_TURN = 0.0002  # seconds of rest between two readings: see traintop_records
_LARGEST = sys.float_info.max  # what MLflow stores for an infinity

_RUNS = """
SELECT *, (SELECT timestamp FROM metrics WHERE rowid = last_record) FROM (
    SELECT run_uuid, status, name, start_time, end_time,
        (SELECT rowid FROM metrics m WHERE m.run_uuid = r.run_uuid ORDER BY rowid DESC LIMIT 1)
            AS last_record,
        (SELECT max(rowid) FROM params p WHERE p.run_uuid = r.run_uuid),
        (SELECT max(rowid) FROM tags t WHERE t.run_uuid = r.run_uuid),
        (SELECT value FROM tags t WHERE t.run_uuid = r.run_uuid AND key = 'mlflow.note.content')
    FROM runs r WHERE lifecycle_stage = 'active' ORDER BY start_time DESC LIMIT :most
)
"""
_RUN = """
SELECT r.name, r.status, r.start_time, r.end_time, r.user_id, e.name
FROM runs r LEFT JOIN experiments e USING (experiment_id) WHERE run_uuid = :run
"""
_ROWS_FROM = """
SELECT rowid, key, timestamp, step, value, is_nan FROM metrics
WHERE run_uuid = :run AND rowid >= :first ORDER BY rowid LIMIT :most
"""
_LAST_ROWS = """
SELECT rowid, key, timestamp, step, value, is_nan FROM metrics
WHERE run_uuid = :run ORDER BY rowid DESC LIMIT :most
"""
_STEP = """
SELECT 1 FROM metrics
WHERE run_uuid = :run AND rowid >= :first AND step <> 0 AND key NOT LIKE 'system/%' LIMIT 1
"""
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM metrics WHERE run_uuid = :run LIMIT :most)"
_PARAMS = "SELECT key, substr(value, 1, 8192) FROM params WHERE run_uuid = :run LIMIT :most"
_TAGS = "SELECT key, substr(value, 1, 8192) FROM tags WHERE run_uuid = :run LIMIT :most"

_Row = tuple[Any, ...]


class MlflowDbFormat(SqliteFormat):
    """A run is a row of the table ``runs``."""

    name = "mlflow"
    columns: Mapping[str, frozenset[str]] = {
        "runs": frozenset({"run_uuid", "status", "lifecycle_stage", "experiment_id"}),
        "metrics": frozenset({"run_uuid", "key", "timestamp", "step", "value", "is_nan"}),
        "experiments": frozenset({"experiment_id", "name"}),
        "params": frozenset({"run_uuid", "key", "value"}),
        "tags": frozenset({"run_uuid", "key", "value"}),
    }

    def stored_runs(self, database: Database, most: int) -> list[StoredRun]:
        """The runs that were not deleted."""
        found = []
        for run, status, name, start, end, *rows, note, last in database.rows(
            _RUNS, {"most": most}
        ):
            version = (status, name, end, *rows, zlib.crc32(repr(note).encode()))
            times = [time for one in (start, end, last) if (time := seconds(one)) is not None]
            found.append(StoredRun(run, str(run), version, max(times, default=None)))
        return found

    def follower(self) -> _Follower:
        """A follower of one run."""
        return _Follower(self)

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The rows at some places, and the last ones."""
        run, few = {"run": entries[0].inode}, points * _SAMPLED_ROWS
        with self.opened(files, entries) as database:
            is_short = database.rows(_COUNT, {**run, "most": few}) < [(few,)]
            if is_short or not database.rows(_STEP, {**run, "first": _FIRST}):
                return None
            last = database.rows(_LAST_ROWS, {**run, "most": _SAMPLED_ROWS})
            [first] = database.rows(_ROWS_FROM, {**run, "first": _FIRST, "most": 1})
            found = {row[0]: row for row in last}
            for place in np.linspace(first[0], last[-1][0], points).astype(int).tolist():
                at = {"first": place, "most": _SAMPLED_ROWS}
                found |= {row[0]: row for row in database.rows(_ROWS_FROM, run | at)}
            [(*_, start, _, _, _)] = database.rows(_RUN, run)
        records, growing = SeriesRecords(), GrowingHistory()
        records.start = seconds(start)
        records.add(_series_of([found[place] for place in sorted(found)]), growing)
        records.flush(growing)
        return growing.history()


class _Follower:
    """Reads the rows of one run behind the last one that it knows."""

    def __init__(self, run_format: MlflowDbFormat) -> None:
        self._format = run_format
        self._records = MlflowRecords()
        self._has_steps = False
        self._last: _Row | None = None
        self._about = About()

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        run = {"run": entries[0].inode}
        with self._format.opened(files, entries) as database:
            found = database.rows(_RUN, run)
            if not found:
                raise ValueError("is no longer in its database")
            name, status, start, end, user, experiment = found[0]
            self._records.start = seconds(start)
            self._read_rows(database, run, records, reached)
            texts = [
                database.rows(query, run | {"most": _MOST_TEXTS}) for query in (_PARAMS, _TAGS)
            ]
        params, tags = ({str(key): str(value) for key, value in rows} for rows in texts)
        info = {"run_name": name, "status": status, "start_time": start, "end_time": end}
        info["user_id"] = user
        self._about = about_run(info, experiment, params, tags, self._records)

    def _read_rows(
        self,
        database: Database,
        run: Mapping[str, object],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        last = database.rows(_LAST_ROWS, {**run, "most": 1})
        end = last[0][0] if last else 0
        while True:
            first = _FIRST if self._last is None else self._last[0]
            if not self._has_steps:
                self._has_steps = bool(database.rows(_STEP, {**run, "first": first}))
            rows = database.rows(_ROWS_FROM, {**run, "first": first, "most": _ROWS})
            is_end = len(rows) < _ROWS
            if self._last is not None and (not rows or rows.pop(0) != self._last):
                raise ReplacedError  # rows were deleted, and their numbers are used again
            if rows:
                series = _series_of(rows)
                self._records.add_logged(series, records, has_steps=self._has_steps)
                self._last = rows[-1]
                reached(min(rows[-1][0] / max(end, 1), 1.0))
            if is_end:
                self._records.flush(records)
                return
            time.sleep(_OTHERS_TURN)

    def about(self) -> About:
        return self._about


def _series_of(rows: Sequence[_Row]) -> list[Series]:
    """Rows by their metrics."""
    metrics: dict[object, list[_Row]] = {}
    for row in rows:
        metrics.setdefault(row[1], []).append(row)
    found = []
    for metric, of_metric in metrics.items():
        times, steps, values, are_nan = map(as_column, [*zip(*of_metric, strict=True)][2:])
        values = np.where(are_nan == 1, np.nan, values)
        values = np.where(np.abs(values) >= _LARGEST, np.copysign(np.inf, values), values)
        name = str(metric)
        found.append(Series(name, steps, times / 1000, values, is_sampled(name)))
    return found
