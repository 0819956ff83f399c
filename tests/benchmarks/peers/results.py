"""What was measured, as it is kept in ``results.json``. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec
from tests.benchmarks.measuring import Unit
from tests.benchmarks.peers.tools import OURS, Group

_DIGITS = 4


class Question(msgspec.Struct, frozen=True):
    """Something that every tool is asked."""

    name: str
    heading: str
    unit: Unit
    group: Group
    how: str
    more_is_better: bool = False


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The figures of one tool, or the reason why there are none."""

    median: float | None = None
    quartiles: tuple[float, float] | None = None
    """``None`` for a single figure."""
    ratio: float | None = None
    """To the median of the best of the other tools than ours."""
    count: int = 0
    reason: str = ""


class Growth(msgspec.Struct, frozen=True, omit_defaults=True):
    """The median seconds of one tool at each size that it came to."""

    seconds: dict[int, float] = {}
    exponent: float | None = None
    stopped: str = ""
    """Why it came no further."""


class Results(msgspec.Struct, frozen=True):
    """All of it."""

    date: str
    minutes: float
    machine: str
    load_before: tuple[float, float, float]
    """The load averages of the machine at the start."""
    load_after: tuple[float, float, float]
    versions: dict[str, dict[str, str]]
    missing: dict[str, str]
    """Why a tool could not be installed."""
    answers: dict[str, dict[str, Answer]]
    """Of each question, those of each tool."""
    growth: dict[str, dict[str, Growth]]
    remarks: dict[str, tuple[str, ...]] = {}
    """What came to be known of such a table after it was measured."""


def answer(values: Sequence[float]) -> Answer:
    """The median and the quartiles of some figures."""
    low, median, high = _quartiles(values)
    spread = (low, high) if len(values) > 1 else None
    return Answer(median, spread, count=len(values))


def _quartiles(values: Sequence[float]) -> list[float]:
    if len(values) == 1:
        return [_rounded(values[0])] * 3
    return [_rounded(value) for value in statistics.quantiles(values, method="inclusive")]


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def with_ratios(answers: Mapping[str, Answer], more_is_better: bool = False) -> dict[str, Answer]:
    """The same answers, each with its ratio to the best one that is not ours, unless that is 0."""
    medians = [
        each.median for name, each in answers.items() if name != OURS and each.median is not None
    ]
    best = (max if more_is_better else min)(medians, default=0)
    if not best:
        return dict(answers)
    return {
        name: each
        if each.median is None
        else msgspec.structs.replace(each, ratio=_rounded(each.median / best))
        for name, each in answers.items()
    }


def exponent(seconds: Mapping[int, float]) -> float | None:
    """The slope of the cost over the size, both in logarithms: 1 where twice costs twice."""
    if len(seconds) < 2:
        return None
    sizes = [math.log(size) for size in seconds]
    costs = [math.log(cost) for cost in seconds.values()]
    return round(statistics.linear_regression(sizes, costs).slope, 2)


def growth(seconds: Mapping[int, float], stopped: str) -> Growth:
    """The growth of one tool."""
    return Growth(
        {size: _rounded(cost) for size, cost in seconds.items()}, exponent(seconds), stopped
    )


def encode(results: Results) -> bytes:
    """As JSON, one member a line."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def decode(data: bytes) -> Results:
    """Raises ``msgspec.ValidationError``."""
    return msgspec.json.decode(data, type=Results)
