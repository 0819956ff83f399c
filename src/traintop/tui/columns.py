"""The columns that the run list can have: a field of ``traintop.fields`` each, and how it looks.

A column is known by its field's name: ``status``, ``train_loss``, ``config.d_model``. Only the
sparkline of a run's loss is a field of the list alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from traintop.analysis.alerts import ALERT_WORDS, AlertKind
from traintop.field import Field
from traintop.fields import FIELDS, STATUS_WORDS, field_of, is_default
from traintop.lines import Role
from traintop.metrics import direction_of, diverged, metrics_of, system_metrics_of
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.progress import steps_text
from traintop.run_columns import MANY_RUNS, names_of_run
from traintop.store.snapshot import PlaceState, state_of
from traintop.text import MISSING, safe_text
from traintop.tui.kit.runs import (
    ALERT_MARKS,
    LAST_KNOWN_MARK,
    LAST_KNOWN_WORD,
    STATUS_MARKS,
    StatusMark,
    short_run_name,
)
from traintop.values import flat_settings


class RowContext(msgspec.Struct, frozen=True):
    """What a row shows beside the run's summary: the time, the course of its loss, what is wrong.

    ``short_name`` is the name of a run in so many cells that stays different from the others'.
    Runs in ``places`` are shown as they were when these answered last.
    """

    now: datetime
    trends: Mapping[str, str] = msgspec.field(default_factory=dict)
    short_name: Callable[[RunSummary, int], str] = short_run_name
    alerts: Mapping[str, AlertKind] = msgspec.field(default_factory=dict)
    places: Sequence[PlaceState] = ()

    def is_known(self, run: RunSummary) -> bool:
        """Whether a run is as it is now, for its place answers."""
        return state_of(run.id, self.places) is None

    def _may_go_on(self, run: RunSummary) -> bool:
        return run.status in ALIVE and not self.is_known(run)

    def mark(self, run: RunSummary) -> StatusMark:
        """How a run is marked: by what is wrong with it, else by its status."""
        if self._may_go_on(run):
            return LAST_KNOWN_MARK
        alert = self.alerts.get(run.id)
        return STATUS_MARKS[run.status] if alert is None else ALERT_MARKS[alert]

    def word(self, run: RunSummary) -> str:
        """The word behind that mark."""
        if self._may_go_on(run):
            return LAST_KNOWN_WORD
        alert = self.alerts.get(run.id)
        return STATUS_WORDS[run.status] if alert is None else ALERT_WORDS[alert]


class Column(msgspec.Struct, frozen=True):
    """A field as the list shows it.

    ``importance`` decides which columns stay when the width is short (0 goes last).
    """

    field: Field
    importance: int
    width: int
    text: Callable[[RunSummary, RowContext, int], str]
    role: Callable[[RunSummary, RowContext], Role]
    narrow_width: int | None = None

    @property
    def key(self) -> str:
        """The name of its field."""
        return self.field.name


GPU_COLUMN = "gpu/mean/utilization"
"""It is there at first where some run has it."""

TREND_COLUMN = "trend"
TREND_WIDTH = 8
"""Cells of a sparkline in the list."""

_MADE_IMPORTANCE = 1
"""Somebody asked for it, so it stays where others go."""

_STATISTICS = ("", "best_", "recent_", "mean_")
"""What is offered of each metric."""

_SYSTEM_STATISTICS = ("", "mean_", "max_")
"""What is offered of each system metric."""


def _status_text(summary: RunSummary, context: RowContext, width: int) -> str:
    mark = context.mark(summary)
    return f"{mark.glyph} {context.word(summary)}" if width > 2 else f"{mark.glyph}{mark.letter}"


def _muted(summary: RunSummary, context: RowContext) -> Role:
    return "muted"


def _column(field: Field, importance: int, **changes: Any) -> Column:
    """The column of a field; ``changes`` are what the list shows in another way."""

    def text(run: RunSummary, context: RowContext, width: int) -> str:
        return field.text(field.get(run, context.now), width)

    def role(run: RunSummary, context: RowContext) -> Role:
        value = field.value(run)
        if value is None or is_default(run, field):
            return "muted"
        return "bad" if isinstance(value, float) and not math.isfinite(value) else "text"

    return Column(
        **{
            "field": field,
            "importance": importance,
            "width": field.width,
            "text": text,
            "role": role,
            **changes,
        }
    )


def _name_role(summary: RunSummary, context: RowContext) -> Role:
    if summary.status is RunStatus.UNREADABLE or summary.id in context.alerts:
        return context.mark(summary).role
    return "strong"


_TREND = Field(
    TREND_COLUMN,
    "TREND",
    "trend",
    "the course of the train loss",
    lambda run, now: None,
    "text",
    TREND_WIDTH,
)
_BUILT_IN = (
    _column(
        FIELDS["status"],
        0,
        width=7,
        text=_status_text,
        role=lambda run, context: context.mark(run).role,
        narrow_width=2,
    ),
    _column(
        FIELDS["name"],
        0,
        text=lambda run, context, width: context.short_name(run, width),
        role=_name_role,
        narrow_width=6,
    ),
    _column(FIELDS["step"], 4, text=lambda run, context, width: steps_text(run)),
    _column(FIELDS["progress"], 8, role=_muted),
    _column(FIELDS["train_loss"], 2),
    _column(FIELDS["best_val_loss"], 3, width=8),
    _column(FIELDS["tokens_per_sec"], 6),
    _column(FIELDS[GPU_COLUMN], 10, width=6, role=_muted),
    _column(FIELDS["eta"], 5),
    _column(FIELDS["age"], 7, role=_muted),
    _column(
        _TREND,
        9,
        text=lambda run, context, width: context.trends.get(run.id, ""),
        role=lambda run, _: "bad" if diverged(run) else "accent",
    ),
)
_CHOSEN: Mapping[str, Column] = {
    column.key: column
    for column in (
        _column(
            FIELDS["git_commit"],
            _MADE_IMPORTANCE,
            text=lambda run, context, width: safe_text(FIELDS["git_commit"].value(run) or MISSING)[
                :width
            ],
        ),
        _column(
            FIELDS["tags"],
            _MADE_IMPORTANCE,
            text=lambda run, context, width: " ".join(map(safe_text, run.tags)) or MISSING,
            role=lambda run, _: "accent" if run.tags else "muted",
        ),
    )
}
"""Columns that are not there at first, and do not look like their fields."""

BUILT_IN: Mapping[str, Column] = {column.key: column for column in _BUILT_IN}
"""The columns that the list has at first, by key, in their order."""

DEFAULT_COLUMNS: tuple[str, ...] = tuple(BUILT_IN)


def column_key(name: str) -> str:
    """The key of the column that a view remembered, maybe by an older version, names."""
    return "tokens_per_sec" if name == "throughput" else field_of(name).name


@functools.lru_cache(maxsize=1024)
def column_of(key: str) -> Column:
    """The column with this key; no run need have anything in it."""
    key = column_key(key)
    return BUILT_IN.get(key) or _CHOSEN.get(key) or _column(field_of(key), _MADE_IMPORTANCE)


def can_group(key: str) -> bool:
    """Whether runs can be grouped by a column: by a text or a setting, which do not move on."""
    return key != TREND_COLUMN and column_of(key).field.kind in ("text", "setting")


def _typical(runs: Iterable[RunSummary]) -> Sequence[RunSummary]:
    """Of very many runs some: one with each set of names, and others from all over the list."""
    listed = [*runs]
    if len(listed) < MANY_RUNS:
        return listed
    one_of_each = {id(names_of_run(run)): run for run in listed}
    return [*one_of_each.values(), *listed[:: len(listed) // MANY_RUNS + 1]]


def offered_columns(runs: Iterable[RunSummary]) -> tuple[str, ...]:
    """The keys of all columns that these runs have something to show in.

    First the built-in ones, then metrics, the other fields, settings, and system metrics; those
    settings first that differ.
    """
    listed = _typical(runs)
    settings: dict[str, Any] = {}
    differing: dict[str, None] = {}
    for run in listed:
        for name, value in flat_settings(run.config).items():
            if name in settings and settings[name] != value:
                differing[name] = None
            settings.setdefault(name, value)
    metrics = (
        f"{statistic}{metric}"
        for metric in metrics_of(listed)
        for statistic in _STATISTICS
        if statistic != "best_" or direction_of(metric)
    )
    others = (name for name, field in FIELDS.items() if field.metric is None)
    alike = (name for name in settings if name not in differing)
    chosen = (f"config.{name}" for name in (*differing, *alike))
    system = (
        f"{statistic}{metric}"
        for metric in system_metrics_of(listed)
        for statistic in _SYSTEM_STATISTICS
    )
    return tuple(dict.fromkeys((*BUILT_IN, *metrics, *others, *chosen, *system)))


class ColumnChoice(msgspec.Struct, frozen=True):
    """A column that the list is to have; ``wider`` cells more than it has by itself."""

    key: str
    wider: int = 0


DEFAULT_CHOICES: tuple[ColumnChoice, ...] = tuple(map(ColumnChoice, DEFAULT_COLUMNS))
