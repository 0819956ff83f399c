"""Runs and records as data frames of the library that one uses: pandas, Polars or Arrow.

None of these libraries is a dependency. A value that was not measured is missing (``NaN`` in
pandas); where NaN was measured, Polars and Arrow have NaN.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from traintop.analysis.differences import ABSENT, setting_cell
from traintop.analysis.export import column_names
from traintop.analysis.run_tables import ROW_FIELDS
from traintop.field import Field
from traintop.fields import field_of
from traintop.metrics import direction_of, metrics_of, system_metrics_of
from traintop.model import RunSummary
from traintop.system_metrics import TOGETHER
from traintop.times import parse_time
from traintop.values import flat_settings

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from numpy.typing import NDArray

    from traintop.store.history import FloatColumn, History, RowMask

Values: TypeAlias = "list[Any] | NDArray[Any]"
Columns: TypeAlias = Mapping[str, Values]
"""Columns by name: values of one type with ``None`` for no value, times, or a history's columns."""

_COUNTS = ("iteration", "gradient_step")
_LARGEST_EXACT = 2.0**53
_INTEGERS = range(-(2**63), 2**63)


class Tabular(ABC):
    """What becomes a data frame. The library of the frame must be installed."""

    @abstractmethod
    def _columns(self) -> Columns:
        """The columns of the frame."""

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas DataFrame. Raises ``ImportError`` where pandas is not installed."""
        pd = _library("pandas")
        frame: pandas.DataFrame = pd.DataFrame(dict(self._columns()))
        return frame

    def to_polars(self) -> polars.DataFrame:
        """A Polars DataFrame. Raises ``ImportError`` where Polars is not installed."""
        pl = _library("polars")
        series = [_polars_series(pl, *one) for one in self._columns().items()]
        frame: polars.DataFrame = pl.DataFrame(series)
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table. Raises ``ImportError`` where pyarrow is not installed."""
        pa = _library("pyarrow")
        arrays = {name: _arrow_array(pa, one) for name, one in self._columns().items()}
        table: pyarrow.Table = pa.table(arrays)
        return table


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        kind = name.removeprefix("py")
        raise ImportError(f"to_{kind}() needs {name}: pip install {name}") from None


def _polars_series(pl: Any, name: str, values: Values) -> Any:
    series = pl.Series(name, values, pl.String if _has_no_type(values) else None)
    missing = _missing_rows(values)
    return series if missing is None else series.set(pl.Series(missing), None)


def _arrow_array(pa: Any, values: Values) -> Any:
    kind = pa.string() if _has_no_type(values) else None
    return pa.array(values, kind, mask=_missing_rows(values))


def _has_no_type(values: Values) -> bool:
    return isinstance(values, list) and all(value is None for value in values)


def _missing_rows(values: Values) -> RowMask | None:
    """Where a column of a history has no value, though it has a number there."""
    if isinstance(values, list) or values.dtype.kind != "f":
        return None
    from traintop.store.history import measured_rows

    return ~measured_rows(values)


# Runs, a row for each


def run_columns(runs: Sequence[RunSummary], names: Mapping[str, str]) -> Columns:
    """What is known of each run at once: the fields of CSV, its metrics, and its settings.

    Of further metrics these are the last value, and the best one where it is known what is better.
    Settings are ``config.optimizer.lr``; times are local ``datetime``, durations are in seconds.
    """
    now = datetime.now()
    fields = {name: field_of(name) for name in (*ROW_FIELDS[1:], *_metric_fields(runs))}
    columns: dict[str, Values] = {"run": [_text(names[run.id]) for run in runs]}
    columns |= {name: _field_column(field, runs, now) for name, field in fields.items()}
    settings = [flat_settings(run.config) for run in runs]
    for name in dict.fromkeys(name for one in settings for name in one):
        cells = (setting_cell(one.get(name, ABSENT)) for one in settings)
        columns[f"config.{_text(name)}"] = _of_one_type(cells)
    return columns


def _metric_fields(runs: Sequence[RunSummary]) -> list[str]:
    names: dict[str, None] = {}
    for metric in metrics_of(runs):
        names[metric] = None
        if direction_of(metric) is not None:
            names[f"best_{metric}"] = None
    return [*names, *(name for name in system_metrics_of(runs) if name in TOGETHER)]


def _field_column(field: Field, runs: Sequence[RunSummary], now: datetime) -> Values:
    import numpy as np

    from traintop.store.history import unmeasured

    values = [field.get(run, now) for run in runs]
    if field.kind == "time":
        times = [parse_time(str(value or "")) for value in values]
        return np.array(times, "datetime64[us]")
    if field.kind not in ("text", "setting") and _has_no_type(values):
        return unmeasured(len(runs))
    return _of_one_type(values)


def _of_one_type(values: Iterable[object]) -> list[Any]:
    """The values as numbers if all of them are, as truth values if all are, else as text."""
    column = [*values]
    kinds = {type(value) for value in column if value is not None}
    if len(kinds) == 1 and kinds <= {bool, float}:
        return column
    if kinds and kinds <= {int, float}:
        if kinds == {int} and all(value is None or value in _INTEGERS for value in column):
            return column
        return [value if value is None else _as_float(value) for value in column]
    return [value if value is None else _text(value) for value in column]


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: object) -> str:
    """As text that UTF-8 can hold, which lone surrogates are not."""
    return str(value).encode("utf-8", "replace").decode()


# Records, a row for each iteration of a run


def record_columns(histories: Sequence[History]) -> Columns:
    """The records of runs below one another: the fields of a record, then further metrics."""
    import numpy as np

    from traintop.store.history import unmeasured

    names = column_names(name for one in histories for name in one.metrics)
    columns: dict[str, Values] = {}
    for name in names:
        parts = [one.columns.get(name, unmeasured(len(one))) for one in histories]
        column = np.concatenate([unmeasured(0), *parts])
        columns[_text(name)] = _as_counts(column) if name in _COUNTS else column
    return columns


def named_record_columns(histories: Mapping[str, History]) -> Columns:
    """As :func:`record_columns`, with the name of its run in front of each record."""
    runs = [_text(name) for name, one in histories.items() for _ in range(len(one))]
    return {"run": runs, **record_columns([*histories.values()])}


def _as_counts(column: FloatColumn) -> Any:
    """The column in integers, where it has no others."""
    import numpy as np

    # NaN compares as not.
    whole = (np.abs(column) <= _LARGEST_EXACT) & (column == np.floor(column))
    return column.astype(np.int64) if whole.all() else column
