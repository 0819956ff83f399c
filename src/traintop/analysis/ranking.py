"""Runs in an order: sorted by a field, grouped by one, and ranked by the best they reached."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from traintop.analysis.field_names import (
    field_among,
    hint_of_unknown,
    is_known,
    sort_keys,
    values_of,
)
from traintop.direction import Direction
from traintop.field import Field, Value, is_nothing
from traintop.fields import is_default
from traintop.metrics import (
    best_iteration,
    best_value,
    metrics_of,
    most_work,
    primary_metric,
)
from traintop.model import RunSummary
from traintop.run_columns import column
from traintop.text import counted, safe_text, suggestions

_LONGEST_TITLE = 400
"""A root may be as long as a path."""

_DIRECTIONS: dict[str, Direction] = {"min": "lower", "max": "higher"}


def sorted_runs(
    runs: Sequence[RunSummary], name: str = "best_val_loss", *, reverse: bool = False
) -> list[RunSummary]:
    """The runs in the order of a field, the best or the newest first.

    Where neither is known, the lowest come first. Raises ``ValueError`` for a name no run has.
    """
    field = _known_field(name, runs, "sort")
    return sorted_by(runs, field, datetime.now(), descending=field.descending is not reverse)


def _known_field(name: str, runs: Sequence[RunSummary], action: str) -> Field:
    field = field_among(name, runs)
    if runs and not is_known(field, runs):
        raise ValueError(f"cannot {action} by {name!r}: {hint_of_unknown(name, runs)}")
    return field


def sorted_by(
    runs: Sequence[RunSummary], field: Field, now: datetime, *, descending: bool
) -> list[RunSummary]:
    """The runs in the order of a field at a moment; equal ones keep their order.

    Those whose value is NaN, infinite, missing or a default come last in either direction.
    """
    known: list[tuple[tuple[int, float | str], RunSummary]] = []
    others: list[RunSummary] = []
    for run, key in zip(runs, sort_keys(field, runs, now), strict=True):
        if key is None:
            others.append(run)
        else:
            known.append((key, run))
    known.sort(key=operator.itemgetter(0), reverse=descending)
    values = zip(map(is_nothing, values_of(field, others, now)), others, strict=True)
    last = sorted(values, key=operator.itemgetter(0))  # what diverged before what is missing
    return [run for _, run in (*known, *last)]


class RunGroup(NamedTuple):
    """The runs that have the same value of a field."""

    field: Field
    value: Value
    runs: Sequence[RunSummary]

    @property
    def title(self) -> str:
        """What they share: ``gpu07``, ``d_model 512``, ``no host``."""
        if is_nothing(self.value):
            return f"no {self.field.words}"
        if self.field.kind == "text" and isinstance(self.value, str):
            return safe_text(self.value, _LONGEST_TITLE)
        return f"{self.field.words} {self.field.text(self.value)}"

    @property
    def run_count(self) -> str:
        """How many they are: ``12 runs``."""
        return counted(len(self.runs), "run")


def grouped_runs(
    runs: Sequence[RunSummary], name: str, among: Sequence[RunSummary]
) -> list[RunGroup]:
    """The runs with each value of a field; ``among`` are all from which these were chosen.

    Raises ``ValueError`` for a name that none of those has.
    """
    return grouped_by(runs, _known_field(name, among, "group"), datetime.now())


def grouped_by(runs: Sequence[RunSummary], field: Field, now: datetime) -> list[RunGroup]:
    """The runs with each value of a field, in the order of the values; runs keep their order.

    Those without a value, or with NaN, come last.
    """
    groups: dict[Value, list[RunSummary]] = {}
    for run, value in zip(runs, values_of(field, runs, now), strict=True):
        groups.setdefault(value, []).append(run)
    keys = {value: key for value in groups if (key := field.sort_key(value)) is not None}
    found = [RunGroup(field, value, groups[value]) for value in sorted(keys, key=keys.__getitem__)]
    others = [run for value in groups if value not in keys for run in groups[value]]
    return [*found, RunGroup(field, None, others)] if others else found


class Leader(NamedTuple):
    """A run with the best value that it reached, of a metric if it is one of that."""

    run: RunSummary
    value: float
    metric: str | None

    @property
    def iteration(self) -> float | None:
        """Where that was, if known."""
        return None if self.metric is None else best_iteration(self.run, self.metric, self.value)


class UnknownDirectionError(ValueError):
    """It is unknown which values of a metric are better, and nobody said so."""

    def __init__(self, metric: str) -> None:
        self.what = f"it is unknown whether lower or higher values of {metric!r} are better"
        super().__init__(f"{self.what}: pass mode='min' or mode='max'")


class Ranking(NamedTuple):
    """The runs with the best finite value that each reached of a field, the best first."""

    field: Field
    direction: Direction
    leaders: list[Leader]


def ranking_of(
    runs: Sequence[RunSummary],
    metric: str | None = None,
    mode: Literal["min", "max"] | None = None,
    *,
    among: Sequence[RunSummary] | None = None,
) -> Ranking:
    """The runs that have a finite value of a metric, or of that by which runs are judged.

    ``mode`` says whether the lowest or the highest is best; without it, the metric's direction
    does. Raises ``UnknownDirectionError`` where that is unknown, and ``ValueError`` for a metric
    that no run has, ``among`` all from which these were chosen.
    """
    known = runs if among is None else among
    metric = metric or primary_metric(runs)
    field = field_among(metric, known)
    if known and not is_known(field, known):
        names = (*metrics_of(known), "duration")
        raise ValueError(f"no run has the metric {metric!r}: {suggestions(metric, names)}")
    direction = _DIRECTIONS[mode] if mode else field.direction
    if direction is None:
        raise UnknownDirectionError(metric)
    return Ranking(field, direction, leaders(runs, metric, direction))


def leaders(runs: Sequence[RunSummary], name: str, direction: Direction) -> list[Leader]:
    """The runs that have a finite value of a field, the best first; equal ones as they came.

    Of a metric the best value counts that a run reached at any iteration, and of durations only
    those of the runs that finished, did not diverge, and went furthest.
    """
    field = field_among(name, runs)
    if field.name == "duration":
        runs = most_work(runs)
    asked = ("reached", field, direction)
    reached = column(runs, asked, lambda run: _reached(run, field, direction))
    ranked = [
        Leader(run, value, field.metric)
        for run, value in zip(runs, reached, strict=True)
        if value is not None
    ]
    ranked.sort(key=lambda leader: leader.value, reverse=direction == "higher")
    return ranked


def _reached(run: RunSummary, field: Field, direction: Direction) -> float | None:
    value = None
    if field.metric is not None and field.statistic in ("last", "best"):
        value = best_value(run, field.metric, direction)
    if value is None and not is_default(run, field):
        value = field.number(run)
    return value if value is not None and math.isfinite(value) else None
