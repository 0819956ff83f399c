"""What a kind of line in the log of a training loop is: its place, and its metrics.

The regular expressions take time that grows with the length of a line only: a part of them that
may be long begins at few places, and does not overlap what follows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

Found = re.Match[bytes]

STEP_TIME = "iter_time_ms"
RUN_TIME = "wallclock_time"
PLACE = "iteration"
NO_METRIC = ""
"""What a metric may be called here: the time of a step, the time since the start, the place."""

FACTORS: Mapping[str, Mapping[bytes, float]] = {
    STEP_TIME: {b"us": 1e-3, b"us/step": 1e-3, b"s": 1e3, b"s/step": 1e3, b"K": 1e3},
    RUN_TIME: {b"ms": 1e-3, b"m": 60.0},
}
"""What values with a unit are multiplied with, where the metric has another unit here."""

SCALES = {b"K": 1e3, b"M": 1e6, b"B": 1e9, b"T": 1e12, b"P": 1e15, b"E": 1e18}
"""The same for any other metric."""


class LogLine(NamedTuple):
    """A kind of line with metrics.

    ``head`` stands before these. Of its groups, ``step``, ``epoch``, ``batch`` and ``batches`` are
    its place, ``of`` and ``epochs`` what is planned; ``part`` is what its metrics are named after.
    With both ``epoch`` and ``step``, the steps may be counted anew in each epoch.
    """

    example: str
    head: re.Pattern[bytes]
    pairs: re.Pattern[bytes]
    """Name, value and unit of a metric."""
    place: Callable[[Found], float] | None
    """The place of a line, given its head; ``None``: the place of the one before."""
    names: Mapping[str, str] = MappingProxyType({})
    """What some metrics are called here."""
    needs: tuple[bytes, ...] = ()
    """What such a line has beside its head."""
    prefix: str = ""
    """Stands before the names of its metrics."""
    bare: re.Pattern[bytes] | None = None
    """Value and unit of a metric that is known by its unit."""
    may_be_first: bool = False
    """Whether it may be printed before any place is known, which is 0 then."""
    is_of_next: bool = False
    """Whether it is printed before the line with its place."""
    counts_once: bool = False
    """Whether nothing more is read of a place after a line with ``batch`` of as many batches."""


class LogPattern(NamedTuple):
    """What a training loop prints. Its first kind of line marks it."""

    name: str
    lines: tuple[LogLine, ...]
    begins_with_program: bool = False
    """Whether its logs begin with its own program, which may be longer than what is looked at."""
    ends: bytes = b""
    """Stands in a line at the end of a training."""
    counts_epochs: bool = False
    is_general: bool = False
    """Whether its lines may be of another kind of text: more is asked of these."""


def step(found: Found) -> float:
    """The place of a line that says its step."""
    return _integer(found["step"])


def epoch(found: Found) -> float:
    """The place of a line that says its epoch only."""
    return _integer(found["epoch"])


def step_of_epoch_from_0(found: Found) -> float:
    """The step of a line that says its epoch, from 0 on, and its step in that."""
    return epoch(found) * _integer(found["batches"]) + _integer(found["batch"])


def step_of_epoch_from_1(found: Found) -> float:
    """The same where epochs begin with 1."""
    return step_of_epoch_from_0(found) - _integer(found["batches"])


def epochs_from_0(found: Found) -> float:
    """The epochs that were done at a line that says its epoch, from 0 on, and its part of that."""
    return epoch(found) + _integer(found["batch"]) / max(_integer(found["batches"]), 1)


def epochs_from_1(found: Found) -> float:
    """The same where epochs begin with 1."""
    return epochs_from_0(found) - 1


def _integer(digits: bytes) -> int:
    return int(digits[:15])


def regex(pattern: str) -> re.Pattern[bytes]:
    """A regular expression in which ``{NUMBER}`` is a group with a number."""
    return re.compile(pattern.replace("{NUMBER}", _NUMBER).encode("ascii"))


_NUMBER = (
    r"([-+]?(?:(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d*+)?(?:[eE][-+]?\d++)?|\.\d++"
    r"|(?:nan|NaN|inf|Infinity)(?:\b|(?=ms))))"
)
NUMBER = _NUMBER.encode("ascii")
"""A group with a number, as a regular expression."""

_NAME = r"(?<![\w./@-])([A-Za-z_][\w./@-]*+)"

COLONS = regex(_NAME + ": *{NUMBER}()")
EQUALS = regex(_NAME + "={NUMBER}()")
BLANKS = regex(r"(?<![\w./@-])([A-Za-z_][\w./@ -]{0,60}?):? {NUMBER}(ms|s)?")
NOTHING = regex(r"(?!)()()()")
