"""The conditions that a query is made of."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from traintop.analysis.alerts import ALERT_WORDS, AlertKind
from traintop.analysis.field_names import values_of
from traintop.analysis.query_times import Period
from traintop.field import Value
from traintop.fields import FIELDS, STATUS_WORDS
from traintop.model import ENDED, RunSummary
from traintop.run_columns import column
from traintop.values import as_number

Condition = Callable[[RunSummary], bool]
Getter = Callable[[RunSummary], Value]
Alerts = Mapping[str, AlertKind]

ENDED_WORD = "ended"
"""A status word for all the ways in which a run ends."""

CONSTANTS: Mapping[str, Value] = {
    "true": True,
    "false": False,
    "nan": math.nan,
    "inf": math.inf,
    "none": None,
}
"""Words that are values."""

MIRRORED: Mapping[str, str] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Orderings of which the sides are exchanged."""

STATUSES = frozenset(
    word.casefold()
    for words in (STATUS_WORDS, ALERT_WORDS)
    for pair in words.items()
    for word in pair
) | {ENDED_WORD}
"""All words of statuses and alerts."""

ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What the signs of orderings compute."""

MEMBERSHIPS = frozenset({"in", "not in"})
"""What asks whether a value is one of several."""

EQUALITIES = frozenset({"=", "==", "!=", *MEMBERSHIPS})
"""What asks whether values are the same, as those of texts can be."""

_LEAST_COMMIT = 4
"""Characters by which a commit is known, as in git."""


def mentions(
    word: str, runs: Iterable[RunSummary], time: Period | None, alerts: Alerts
) -> Condition:
    """Whether a word is in the names, tags, notes, user or host of a run, one of these.

    It may be a status, the beginning of a commit, or a day on which runs started, too.
    """
    wanted, runs = word.casefold(), tuple(runs)
    texts = column(runs, "texts", _texts)
    commits = values_of(FIELDS["git_commit"], runs)
    found = {
        id(run)
        for run, text, commit in zip(runs, texts, commits, strict=True)
        if wanted in text or is_commit(commit, wanted)
    }

    def matches(run: RunSummary) -> bool:
        if id(run) in found or has_status(run, wanted, alerts):
            return True
        return time is not None and time.compares(run.start_time, "==")

    return matches


def _texts(run: RunSummary) -> str:
    facts = (FIELDS[fact].value(run) for fact in ("user", "host"))
    texts = (run.name, run.stem, run.notes, run.annotations.note, *run.annotations.tags, *facts)
    return "\n".join(text for text in texts if isinstance(text, str)).casefold()


def has_status(run: RunSummary, word: str, alerts: Alerts) -> bool:
    """Whether a run has a status or an alert, named in full or by its word in the list."""
    if word == ENDED_WORD:
        return run.status in ENDED
    alert = alerts.get(run.id)
    words = (run.status.value, STATUS_WORDS[run.status])
    return word in words or (alert is not None and word in (alert, ALERT_WORDS[alert].casefold()))


def is_commit(commit: Value, begin: str) -> bool:
    """Whether a commit begins with this text."""
    return len(begin) >= _LEAST_COMMIT and isinstance(commit, str) and commit.startswith(begin)


def ordered(a: Getter, compare: Callable[[Any, Any], bool], b: Getter) -> Condition:
    """Whether ``compare`` holds of two numbers or two texts; false for anything else."""

    def matches(run: RunSummary) -> bool:
        x, y = a(run), b(run)
        if isinstance(x, (int, float)) and isinstance(y, (int, float)):
            return compare(x, y)
        if isinstance(x, str) and isinstance(y, str):
            return compare(x.casefold(), y.casefold())
        return False

    return matches


def joined(
    a: Getter, holds: Callable[[object, object], bool], b: Getter, *, negated: bool
) -> Condition:
    """Whether ``holds`` is true of two values, or not if ``negated``; false if one is missing."""

    def matches(run: RunSummary) -> bool:
        x, y = a(run), b(run)
        if x is None or y is None:
            return False
        return holds(x, y) is not negated

    return matches


def equal(x: object, y: object) -> bool:
    """Equality as a person means it: a list equals each of its items, and NaN is NaN."""
    if isinstance(x, tuple) and not isinstance(y, tuple):
        return any(equal(item, y) for item in x)
    if isinstance(x, str) and isinstance(y, str):
        return x.casefold() == y.casefold()
    return x == y or (x != x and y != y)


def contained(x: object, y: object) -> bool:
    """Whether a value is one of several, or a part of a text."""
    if isinstance(y, tuple):
        return any(equal(x, item) for item in y)
    return isinstance(y, str) and str(x).casefold() in y.casefold()


def computed(a: Getter, compute: Callable[[float, float], float], b: Getter) -> Getter:
    """The result of an arithmetic operation; ``None`` where a value is no number."""

    def get(run: RunSummary) -> Value:
        x, y = _real(a(run)), _real(b(run))
        try:
            return None if x is None or y is None else compute(x, y)
        except ZeroDivisionError:
            return None

    return get


def _real(value: Value) -> float | None:
    number = as_number(value)
    return None if number is None else float(number)
