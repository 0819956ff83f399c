"""The records of a history as plain Python numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from traintop.model import RECORD_FIELDS, STANDARD_METRICS, MetricsSnapshot

if TYPE_CHECKING:
    from traintop.store.history import History

Number = int | float

_COUNTS = frozenset({"iteration", "gradient_step"})
_LARGEST_EXACT = 2.0**53
_PORTION = 8192


def column_values(history: History, name: str) -> list[Number]:
    """A column as Python numbers, counts as integers; ``nan`` where nothing was measured.

    An unknown name yields ``nan`` for every record.
    """
    column = history.columns.get(name)
    if column is None:
        return [float("nan")] * len(history)
    values: list[Number] = column.tolist()
    return [_as_count(value) for value in values] if name in _COUNTS else values


def measured_values(history: History, name: str) -> list[Number | None]:
    """As :func:`column_values`, but ``None`` where nothing was measured."""
    values: list[Number | None] = [*column_values(history, name)]
    for row in (~history.measured(name)).nonzero()[0].tolist():
        values[row] = None
    return values


def portions(history: History) -> Iterator[History]:
    """A history in parts of so few records that each costs hardly any memory as Python objects."""
    for start in range(0, len(history), _PORTION):
        yield history[start : start + _PORTION]


def snapshots(history: History) -> list[MetricsSnapshot]:
    """The records of a history, one object for each iteration."""
    standard = {name: measured_values(history, name) for name in STANDARD_METRICS}
    steps = [step or 0 for step in measured_values(history, "gradient_step")]
    seconds = [time or 0.0 for time in measured_values(history, "wallclock_time")]
    rows = zip(
        column_values(history, "iteration"),
        map(int, steps),
        seconds,
        *standard.values(),
        _further_metrics(history),
        strict=True,
    )
    return [MetricsSnapshot(*row) for row in rows]


def _further_metrics(history: History) -> Iterator[dict[str, Any]]:
    """For each record the further metrics that were measured."""
    names = [name for name in history.metrics if name not in RECORD_FIELDS]
    columns = [measured_values(history, name) for name in names]
    if not columns:
        return ({} for _ in range(len(history)))
    return (
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    )


def _as_count(value: Number) -> Number:
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT
    return int(value) if whole else value
