"""One field: what can be asked of a run by a name, and how its values sort and are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from traintop.direction import Direction
from traintop.metrics import direction_of
from traintop.model import RunStatus, RunSummary
from traintop.system_metrics import throttle_text
from traintop.text import (
    MISSING,
    age,
    aligned,
    count,
    duration,
    file_size,
    measured,
    number,
    percentage,
    safe_text,
    setting_text,
    si,
)
from traintop.times import posix_time, time_text
from traintop.values import as_number

Value = float | int | str | bool | tuple[object, ...] | None
"""The value of a field; ``None`` where a run does not have it."""

Getter = Callable[[RunSummary, datetime], Value]
"""What a run has at a moment."""

Kind = (
    Literal["measure", "setting", "si", "count", "seconds", "milliseconds"]
    | Literal["share", "age", "bytes", "time", "text", "number", "throttling"]
)
"""How the numbers of a field are written."""

STATUS_ORDER = (
    *(RunStatus.RUNNING, RunStatus.STALLED, RunStatus.CRASHED, RunStatus.FAILED),
    *(RunStatus.INTERRUPTED, RunStatus.FINISHED, RunStatus.QUIET, RunStatus.UNREADABLE),
)
"""What is alive first, then what needs a look."""

FIGURE_WIDTH = 8
"""The cells of a measured value."""

_LONGEST_TEXT = 40
_UNBOUNDED = 1000


class Field(msgspec.Struct, frozen=True, eq=False):
    """Something that can be asked of a run by its ``name``, or by one of its ``synonyms``.

    ``label`` is its heading and ``words`` what a person says. ``metric`` is the metric of which it
    is a ``statistic``. ``width`` is in cells.
    """

    name: str
    label: str
    words: str
    explanation: str
    get: Getter
    kind: Kind = "measure"
    width: int = FIGURE_WIDTH
    synonyms: tuple[str, ...] = ()
    unit: str = ""
    metric: str | None = None
    statistic: str = ""
    better: Direction | None = None
    highest_first: bool = False

    @property
    def direction(self) -> Direction | None:
        """Whether lower or higher values are better; ``None`` where that is unknown."""
        if self.metric is not None and self.statistic != "std":
            return direction_of(self.metric)
        return self.better

    @property
    def descending(self) -> bool:
        """Whether a list that is sorted by it begins with the highest, unless reversed."""
        return self.highest_first or self.direction == "higher"

    @property
    def align(self) -> Literal["left", "right"]:
        """The side of its column on which a value is written."""
        return "left" if self.kind in ("text", "time") else "right"

    def value(self, run: RunSummary, now: datetime | None = None) -> Value:
        """What a run has; ``now`` is the moment from which ages count, the present by default."""
        return self.get(run, now or datetime.now())

    def number(self, run: RunSummary) -> float | None:
        """What a run has, where that is a number."""
        value = self.value(run)
        return None if isinstance(value, (bool, str)) else as_number(value)

    def sort_key(self, value: Value) -> tuple[int, float | str] | None:
        """By what values sort, numbers before text; ``None`` for nothing, NaN and ±inf."""
        if self.name == "status":
            return (0, STATUS_ORDER.index(RunStatus(str(value))))
        if self.kind == "time":
            value = posix_time(str(value))
        if isinstance(value, (int, float)):
            return (0, value) if math.isfinite(value) else None
        if isinstance(value, tuple):
            value = setting_text([*value]) if value else None
        return None if value is None else (1, value.casefold())

    def text(self, value: Value, width: int = _UNBOUNDED) -> str:
        """A value as it is written where ``width`` cells are free; it may take more."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _WRITERS.get(self.kind, _setting_number)(value, width)
        if is_nothing(value):
            return MISSING
        if isinstance(value, tuple):
            return setting_text([*value], _LONGEST_TEXT)
        if self.kind == "time":
            return safe_text(time_text(str(value)))
        return setting_text(value, max(min(width, _LONGEST_TEXT), 1))


def _measure(value: float, width: int) -> str:
    if not isinstance(value, float):
        return _setting_number(value, width)
    return measured(value, width) if width <= FIGURE_WIDTH + 1 else aligned(value)


def _setting_number(value: float, width: int) -> str:
    return number(value) if isinstance(value, float) else setting_text(value, _LONGEST_TEXT)


_WRITERS: Mapping[Kind, Callable[[float, int], str]] = {
    "measure": _measure,
    "si": lambda value, _: si(value),
    "count": lambda value, width: text if len(text := count(value)) <= width else si(value),
    "seconds": lambda value, _: duration(value),
    "milliseconds": lambda value, _: number(value, 3),
    "share": lambda value, _: percentage(value),
    "age": lambda value, _: age(value),
    "bytes": lambda value, _: file_size(int(value)),
    "number": _setting_number,
    "throttling": lambda value, _: throttle_text(value),
}


def is_nothing(value: Value) -> bool:
    """Whether a run does not have something: no tags are none."""
    return value is None or value == ()


def plain_value(value: object) -> Value:
    """A value of a log file as one that can be compared; ``None`` for a group of settings."""
    if isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return as_number(value)
    if isinstance(value, (list, tuple)):
        plain = (bool, int, float, str)
        return tuple(item if isinstance(item, plain) else setting_text(item) for item in value)
    return None
