"""The columns that the run list can have: what each shows, how wide it is, how it sorts.

A column is known by its key. Some are always there, such as ``status`` or ``loss``. All others are
made from what runs have: ``config:d_model`` for a setting, and for a metric ``last:grad_norm``,
``best:grad_norm``, ``recent:grad_norm`` (the mean of the last values) or ``mean:grad_norm``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from traintop.analysis.ranking import best_value, mode_of
from traintop.lines import Role
from traintop.model import RECENT_VALUES, STANDARD_METRICS, RunStatus, RunSummary
from traintop.text import (
    MISSING,
    age,
    cell_width,
    duration,
    measured,
    number,
    percentage,
    safe_text,
    setting_text,
    si,
)
from traintop.times import age_seconds, parse_time
from traintop.tui.kit.runs import STATUS_MARKS, STATUS_RANK, fit_name, run_name
from traintop.values import flat_settings, setting_of

SortValue = float | str | None


class RowContext(msgspec.Struct, frozen=True):
    """What a row shows beside the run's summary: the time, and the course of its loss.

    ``alike`` is what the names of all rows begin with.
    """

    now: datetime
    trends: Mapping[str, str] = msgspec.field(default_factory=dict)
    alike: str = ""


class Column(msgspec.Struct, frozen=True):
    """One column. ``importance`` decides which stay when the width is short (0 goes last)."""

    key: str
    heading: str
    width: int
    importance: int
    text: Callable[[RunSummary, RowContext, int], str]
    sort_value: Callable[[RunSummary], SortValue] | None
    align: Literal["left", "right"] = "right"
    role: Callable[[RunSummary], Role] = lambda _: "text"
    descending: bool = False
    narrow_width: int | None = None
    meaning: str = ""


TREND_COLUMN = "trend"
TREND_WIDTH = 8
"""Cells of a sparkline in the list."""

_NAME_WIDTH = 12
_NARROW_NAME_WIDTH = 6
_MADE_IMPORTANCE = 1
"""Somebody asked for it, so it stays where others go."""
_FIGURE_WIDTH = 8
_LONGEST_HEADING = 16
_LONGEST_SETTING = 40


def steps_done(summary: RunSummary) -> float | None:
    """The iterations done: one more than the last index, which is 0-based."""
    if summary.iteration is None:
        return None
    whole = isinstance(summary.iteration, int)
    return summary.iteration + 1 if whole else summary.iteration


def _status_text(summary: RunSummary, context: RowContext, width: int) -> str:
    mark = STATUS_MARKS[summary.status]
    return f"{mark.glyph} {mark.word}" if width > 2 else f"{mark.glyph}{mark.letter}"


def _step_text(summary: RunSummary, context: RowContext, width: int) -> str:
    done = steps_done(summary)
    if done is None and summary.max_iters is None:
        return MISSING
    planned = "" if summary.max_iters is None else f"/{si(summary.max_iters)}"
    return f"{si(done if done is not None else 0)}{planned}"


def _eta_text(summary: RunSummary, context: RowContext, width: int) -> str:
    return "?" if summary.status is RunStatus.STALLED else duration(summary.eta_seconds)


def _age_text(summary: RunSummary, context: RowContext, width: int) -> str:
    return age(age_seconds(summary.start_time, context.now))


def _start_order(summary: RunSummary) -> SortValue:
    """Younger runs are smaller; the same order at any time, so that no clock is needed."""
    started = parse_time(summary.start_time)
    return None if started is None else (datetime.min - started).total_seconds()  # noqa: DTZ901


def _value_role(value: float | None) -> Role:
    if value is None:
        return "muted"
    return "text" if math.isfinite(value) else "bad"


def _muted(summary: RunSummary) -> Role:
    return "muted"


_BUILT_IN = (
    Column(
        "status",
        "STATUS",
        7,
        0,
        _status_text,
        lambda run: STATUS_RANK[run.status],
        align="left",
        role=lambda run: STATUS_MARKS[run.status].role,
        narrow_width=2,
        meaning="running, finished, crashed, …",
    ),
    Column(
        "name",
        "NAME",
        _NAME_WIDTH,
        0,
        lambda run, context, width: fit_name(run_name(run), width, context.alike),
        lambda run: run_name(run).casefold(),
        align="left",
        role=lambda run: "bad" if run.status is RunStatus.UNREADABLE else "strong",
        narrow_width=_NARROW_NAME_WIDTH,
        meaning="the experiment's name",
    ),
    Column(
        "step",
        "STEP",
        10,
        4,
        _step_text,
        steps_done,
        descending=True,
        meaning="iterations done, of those planned",
    ),
    Column(
        "progress",
        "%",
        4,
        8,
        lambda run, context, width: percentage(run.progress),
        lambda run: run.progress,
        role=_muted,
        descending=True,
        meaning="share of the planned iterations",
    ),
    Column(
        "loss",
        "LOSS",
        8,
        2,
        lambda run, context, width: measured(run.last_value("train_loss"), width),
        lambda run: run.last_value("train_loss"),
        role=lambda run: _value_role(run.last_value("train_loss")),
        meaning="train loss, the last",
    ),
    Column(
        "val",
        "BEST VAL",
        8,
        3,
        lambda run, context, width: measured(run.best_val_loss, width),
        lambda run: run.best_val_loss,
        role=lambda run: _value_role(run.best_val_loss),
        meaning="validation loss, the best",
    ),
    Column(
        "throughput",
        "TOK/S",
        6,
        6,
        lambda run, context, width: si(run.last_value("tokens_per_sec")),
        lambda run: run.last_value("tokens_per_sec"),
        descending=True,
        meaning="tokens per second, the last",
    ),
    Column("eta", "ETA", 6, 5, _eta_text, lambda run: run.eta_seconds, meaning="time left"),
    Column("age", "AGE", 4, 7, _age_text, _start_order, role=_muted, meaning="since the start"),
    Column(
        TREND_COLUMN,
        "TREND",
        TREND_WIDTH,
        9,
        lambda run, context, width: context.trends.get(run.id, ""),
        None,
        align="left",
        role=lambda run: "bad" if run.diverged else "accent",
        meaning="the course of the train loss",
    ),
)
BUILT_IN: Mapping[str, Column] = MappingProxyType({column.key: column for column in _BUILT_IN})
"""The columns that are always there, by key, in the order in which they stand at first."""

DEFAULT_COLUMNS: tuple[str, ...] = tuple(BUILT_IN)


def column_of(key: str) -> Column | None:
    """The column with this key; ``None`` when no run could have such a one."""
    return BUILT_IN.get(key) or _made_column(key)


@functools.lru_cache(maxsize=1024)
def _made_column(key: str) -> Column | None:
    kind, _, name = key.partition(":")
    if not name:
        return None
    if kind == "config":
        return _setting_column(key, name)
    value = _METRIC_VALUES.get(kind)
    return None if value is None else _metric_column(key, kind, name, value)


def _setting_column(key: str, name: str) -> Column:
    def text(run: RunSummary, context: RowContext, width: int) -> str:
        value = setting_of(run.config, name)
        if value is None:
            return MISSING
        if isinstance(value, float):
            return number(value)
        return setting_text(value)[:_LONGEST_SETTING]

    def sort_value(run: RunSummary) -> SortValue:
        value = setting_of(run.config, name)
        if isinstance(value, (int, float)):
            return float(value) if abs(value) <= _LARGEST_SORTED else math.inf
        return None if value is None else setting_text(value).casefold()

    heading = _heading(name)
    return Column(
        key,
        heading,
        max(_FIGURE_WIDTH, min(cell_width(heading) + 1, _LONGEST_HEADING)),
        _MADE_IMPORTANCE,
        text,
        sort_value,
        meaning=f"setting {safe_text(name)}",
    )


_LARGEST_SORTED = 1 << 1000
"""Larger integers are beyond the range of floats."""


MetricValue = Callable[[RunSummary, str], float | None]


def _recent(run: RunSummary, metric: str) -> float | None:
    stats = run.stats.get(metric)
    return None if stats is None else stats.recent_mean


_METRIC_VALUES: Mapping[str, MetricValue] = MappingProxyType(
    {
        "last": RunSummary.last_value,
        "best": best_value,
        "recent": _recent,
        "mean": RunSummary.mean_value,
    }
)
_METRIC_HEADINGS: Mapping[str, str] = MappingProxyType(
    {"last": "", "best": "BEST ", "recent": f"⌀{RECENT_VALUES} ", "mean": "MEAN "}
)
_METRIC_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "last": "the last",
        "best": "the best",
        "recent": f"mean of the last {RECENT_VALUES}",
        "mean": "mean of all",
    }
)


def _metric_column(key: str, kind: str, metric: str, value: MetricValue) -> Column:
    heading = f"{_METRIC_HEADINGS[kind]}{_heading(metric)}"
    return Column(
        key,
        heading,
        max(_FIGURE_WIDTH, min(cell_width(heading) + 1, _LONGEST_HEADING)),
        _MADE_IMPORTANCE,
        lambda run, context, width: measured(value(run, metric), width),
        lambda run: value(run, metric),
        role=lambda run: _value_role(value(run, metric)),
        descending=mode_of(metric) == "max",
        meaning=f"{safe_text(metric)}, {_METRIC_MEANINGS[kind]}",
    )


def _heading(name: str) -> str:
    """A name as a heading: in capitals, and not too long."""
    return safe_text(safe_text(name).upper().replace("_", " "), limit=_LONGEST_HEADING - 1)


def offered_columns(runs: Iterable[RunSummary]) -> tuple[str, ...]:
    """The keys of all columns that these runs have something to show in.

    First the built-in ones, then metrics, then settings; those settings first that differ.
    """
    metrics: dict[str, None] = {}
    settings: dict[str, Any] = {}
    differing: dict[str, None] = {}
    for run in runs:
        metrics.update(dict.fromkeys(run.stats))
        for name, value in flat_settings(run.config).items():
            if name in settings and settings[name] != value:
                differing[name] = None
            settings.setdefault(name, value)
    ordered = [m for m in STANDARD_METRICS if m in metrics]
    ordered += sorted(m for m in metrics if m not in STANDARD_METRICS)
    alike = [name for name in settings if name not in differing]
    return (
        *BUILT_IN,
        *(f"{kind}:{metric}" for metric in ordered for kind in _METRIC_VALUES),
        *(f"config:{name}" for name in (*differing, *alike)),
    )


class ColumnChoice(msgspec.Struct, frozen=True):
    """A column that the list is to have; ``wider`` cells more than it has by itself."""

    key: str
    wider: int = 0


DEFAULT_CHOICES: tuple[ColumnChoice, ...] = tuple(map(ColumnChoice, DEFAULT_COLUMNS))
