"""The databases of Optuna: a trial of a study is a run, and what it reports are its records.

The value for which a trial is judged stands at its last step. Trials do not say when they reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from traintop.direction import Direction
from traintop.logfile import UNREADABLE, Head, Tail, WrittenStatus
from traintop.model import DIRECTIONS
from traintop.store.files import Entry, Files
from traintop.store.files.database import Database
from traintop.store.formats.followed import TOOL, About, Records, ReplacedError
from traintop.store.formats.sqlite_runs import SqliteFormat, StoredRun
from traintop.times import posix_time
from traintop.values import NAME_SETTING, as_number

INTERMEDIATE = "intermediate_value"
"""What a trial reports on its way, as Optuna calls it."""

_ROWS = 10_000  # that are read at once
_OTHERS_TURN = 0.0002  # seconds of rest between two readings: see traintop_records
_MOST = 1000  # settings and attributes of a trial
_LONGEST_JSON = 64 * 1024
_UNNAMED = "no-name-"
_METRIC_NAMES = "study:metric_names"

_STATUSES: Mapping[object, tuple[WrittenStatus, str]] = {
    "COMPLETE": ("finished", ""),
    "PRUNED": ("interrupted", "pruned"),
    "FAIL": ("failed", ""),
}
_NAMES: Mapping[object, float] = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_DIRECTIONS: Mapping[object, Direction] = {"MINIMIZE": "lower", "MAXIMIZE": "higher"}

_TRIALS = """
SELECT trial_id, coalesce(number, 'id' || trial_id), study_name,
    state, datetime_start, datetime_complete,
    CASE state WHEN 'RUNNING' THEN (
        SELECT max(trial_intermediate_value_id) FROM trial_intermediate_values v
        WHERE v.trial_id = t.trial_id) END,
    (SELECT max(param_id) FROM trial_params p WHERE p.trial_id = t.trial_id),
    (SELECT max(trial_user_attribute_id) FROM trial_user_attributes a
        WHERE a.trial_id = t.trial_id)
FROM trials t JOIN studies USING (study_id)
WHERE datetime_start IS NOT NULL ORDER BY datetime_start DESC LIMIT :most
"""
_TRIAL = """
SELECT coalesce(number, 'id' || trial_id), study_id, study_name,
    state, datetime_start, datetime_complete
FROM trials JOIN studies USING (study_id) WHERE trial_id = :trial
"""
_REPORTS = """
SELECT trial_intermediate_value_id, step, intermediate_value, intermediate_value_type
FROM trial_intermediate_values
WHERE trial_id = :trial AND trial_intermediate_value_id >= :first
ORDER BY trial_intermediate_value_id LIMIT :most
"""
_VALUES = """
SELECT objective, value, value_type FROM trial_values WHERE trial_id = :trial ORDER BY objective
"""
_PARAMS = """
SELECT param_name, param_value, substr(distribution_json, 1, :longest)
FROM trial_params WHERE trial_id = :trial LIMIT :most
"""
_ATTRIBUTES = """
SELECT key, substr(value_json, 1, :longest) FROM trial_user_attributes
WHERE trial_id = :trial LIMIT :most
"""
_OBJECTIVES = "SELECT direction FROM study_directions WHERE study_id = :study ORDER BY objective"
_OBJECTIVE_NAMES = f"""
SELECT substr(value_json, 1, :longest) FROM study_system_attributes
WHERE study_id = :study AND key = '{_METRIC_NAMES}'
"""

_Row = tuple[Any, ...]


class OptunaFormat(SqliteFormat):
    """A row of the table ``trials``, once it has begun."""

    name = "optuna"
    columns: Mapping[str, frozenset[str]] = {
        "studies": frozenset({"study_id", "study_name"}),
        "study_directions": frozenset({"study_id", "direction", "objective"}),
        "trials": frozenset({"trial_id", "number", "study_id", "state", "datetime_start"}),
        "trial_params": frozenset({"trial_id", "param_name", "param_value", "distribution_json"}),
        "trial_values": frozenset({"trial_id", "objective", "value", "value_type"}),
        "trial_intermediate_values": frozenset({"trial_id", "step", "intermediate_value_type"}),
    }

    def stored_runs(self, database: Database, most: int) -> list[StoredRun]:
        """The trials that have begun."""
        found = []
        for trial, number, study, *version in database.rows(_TRIALS, {"most": most}):
            times = [at for one in version[1:3] if (at := _seconds(one)) is not None]
            name = f"{study}-{number}"
            found.append(StoredRun(trial, name, (*version,), max(times, default=None)))
        return found

    def follower(self) -> _Follower:
        """A follower of one trial."""
        return _Follower(self)


class _Follower:
    """Reads the reports of one trial behind the last one that it knows."""

    def __init__(self, run_format: OptunaFormat) -> None:
        self._format = run_format
        self._last: _Row | None = None  # of the reports
        self._last_step: object = 0
        self._values: dict[str, object] = {}  # those for which the trial is judged
        self._about = About()

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        with self._format.opened(files, entries) as database:
            trial = {"trial": entries[0].inode, "most": _MOST, "longest": _LONGEST_JSON}
            found = database.rows(_TRIAL, trial)
            if not found:
                raise ValueError("is no longer in its database")
            self._read_reports(database, trial, records)
            objectives = _objectives(database, found[0][1])
            values: dict[str, object] = {
                objectives[place].name: _number(value, kind)
                for place, value, kind in database.rows(_VALUES, trial)
                if place in range(len(objectives))
            }
            if values != self._values:
                columns = {name: [value] for name, value in values.items()}
                records.extend({"iteration": [self._last_step], **columns})
                self._values = values
            self._about = _described(database, trial, found[0], objectives)

    def _read_reports(
        self, database: Database, trial: Mapping[str, object], records: Records
    ) -> None:
        while True:
            first = 0 if self._last is None else self._last[0]
            rows = database.rows(_REPORTS, {**trial, "first": first, "most": _ROWS})
            is_end = len(rows) < _ROWS
            if self._last is not None and (not rows or rows.pop(0) != self._last):
                raise ReplacedError
            if rows:
                self._last, self._last_step = rows[-1], rows[-1][1]
                steps = [step for _, step, _, _ in rows]
                values = [_number(value, kind) for _, _, value, kind in rows]
                records.extend({"iteration": steps, INTERMEDIATE: values})
            if is_end:
                return
            time.sleep(_OTHERS_TURN)

    def about(self) -> About:
        return self._about


class _Objective(NamedTuple):
    """What a study is for."""

    name: str
    better: Direction | None


def _objectives(database: Database, study: object) -> list[_Objective]:
    of_study = {"study": study, "longest": _LONGEST_JSON}
    directions = [_DIRECTIONS.get(one) for (one,) in database.rows(_OBJECTIVES, of_study)]
    given = [_json(text) for (text,) in database.rows(_OBJECTIVE_NAMES, of_study)]
    names = given[0] if given and isinstance(given[0], list) else []
    if len(names) != len(directions):
        several = [f"value_{place}" for place in range(len(directions))]
        names = several if len(directions) > 1 else ["value"]
    return [_Objective(str(name), one) for name, one in zip(names, directions, strict=False)]


def _described(
    database: Database,
    trial: Mapping[str, object],
    row: _Row,
    objectives: Sequence[_Objective],
) -> About:
    """What is known of a trial beside its records, given its row."""
    number, _, study, state, start, end = row
    settings: dict[str, Any] = {
        str(name): _parameter(value, distribution)
        for name, value, distribution in database.rows(_PARAMS, trial)
    }
    attributes = {str(name): _json(text) for name, text in database.rows(_ATTRIBUTES, trial)}
    if attributes:
        settings["user_attrs"] = attributes
    is_named = not str(study).startswith(_UNNAMED)
    settings[NAME_SETTING] = f"{study}-{number}" if is_named else f"trial {number}"
    better = {one.name: one.better for one in objectives if one.better is not None}
    if len(objectives) == 1 and objectives[0].better is not None:
        better[INTERMEDIATE] = objectives[0].better
    status, error = _STATUSES.get(state, ("running", ""))
    started, ended = _seconds(start), _seconds(end)
    return About(
        Head(
            config=settings,
            start_time=_local_time(start),
            run={TOOL: "Optuna", "study": str(study), DIRECTIONS: better},
        ),
        Tail(
            status=status,
            error=error,
            end_time=_local_time(end),
            updated_at=_local_time(end or start),
            duration_seconds=None if started is None or ended is None else ended - started,
        ),
    )


def _parameter(value: object, distribution: object) -> object:
    """What was suggested; of a choice, the database has its place among the choices."""
    known = _json(distribution)
    kind = known.get("name") if isinstance(known, dict) else None
    if not isinstance(value, (int, float)) or not isinstance(kind, str):
        return as_number(value)
    attributes = known.get("attributes")
    choices = attributes.get("choices") if isinstance(attributes, dict) else None
    if isinstance(choices, list) and value in range(len(choices)):
        return choices[int(value)]
    return int(value) if kind.startswith("Int") and math.isfinite(value) else value


def _json(text: object) -> Any:
    try:
        return msgspec.json.decode(text) if isinstance(text, (str, bytes)) else None
    except UNREADABLE:
        return text if isinstance(text, str) else None


def _number(value: object, kind: object) -> float | None:
    return _NAMES[kind] if kind in _NAMES else as_number(value)


def _local_time(text: object) -> str | None:
    """A time as Optuna stores it, which is local where the trial ran, as ISO 8601 has it."""
    return text.replace(" ", "T") if isinstance(text, str) else None


def _seconds(text: object) -> float | None:
    return posix_time(_local_time(text))
