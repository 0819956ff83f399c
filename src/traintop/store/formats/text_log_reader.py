"""Takes the lines of a training loop apart, given what kinds of lines it prints.

Most lines of a log are as the last one of their kind, save for the numbers. So that one is made a
regular expression, and where the next line matches it, its numbers are read at once.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from traintop.logfile import Row
from traintop.store.formats.logged_rows import EpochSteps
from traintop.store.formats.text_log_lines import (
    FACTORS,
    NO_METRIC,
    NUMBER,
    PLACE,
    RUN_TIME,
    SCALES,
    Found,
    LogLine,
    LogPattern,
)

_LONGEST_LINE = 8192
_MOST_TEMPLATES = 64  # of a kind of line, one after another
_MOST_METRICS, _LONGEST_TEMPLATE = 64, 2048  # of a line that is made one
_PLANNED = {"of": "total_steps", "epochs": "epochs"}

_TIME = re.compile(rb"\b(\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d):(\d\d(?:[.,]\d{1,6})?)")
_TIME_WITHIN = 160  # bytes of the start of a line
_VARYING = re.compile(rb"(?:\\[-+])?(\d+)|(?:\\ )+")  # in what is escaped


class _Metric(NamedTuple):
    """A metric in a line, and where its name and its value stand."""

    name: str
    factor: float
    value: bytes
    name_at: tuple[int, int]
    value_at: tuple[int, int]


class _Kind:
    """A kind of line, and how its last one looked."""

    def __init__(self, line: LogLine) -> None:
        self.line = line
        groups = line.head.groupindex
        self.planned = [(group, _PLANNED[group]) for group in _PLANNED if group in groups]
        self.counts_in_epochs = "epoch" in groups and "step" in groups
        self._template: _Template | None = None
        self._templates = 0

    def find(self, text: bytes) -> tuple[Found, Row] | None:
        """The head of a line, and the metrics behind it; ``None`` for another kind of line."""
        template = self._template
        if template is not None and (found := template.regex.fullmatch(text)):
            return found, template.row(found)
        head = self.line.head.search(text)
        if head is None or not all(part in text for part in self.line.needs):
            return None
        metrics = [*self._metrics(head)]
        is_usual = 0 < len(metrics) <= _MOST_METRICS and len(text) <= _LONGEST_TEMPLATE
        if is_usual and self._templates < _MOST_TEMPLATES:
            self._templates += 1
            self._template = _Template(head, metrics)
        return head, {one.name: _number(one.value) * one.factor for one in metrics if one.name}

    def _metrics(self, head: Found) -> Iterator[_Metric]:
        part = head["part"] if "part" in self.line.head.groupindex else b""
        for pair in self.line.pairs.finditer(head.string, head.end()):
            name, factor = self._known_as(pair[1], part, pair[3])
            yield _Metric(name, factor, pair[2], pair.span(1), pair.span(2))
        if self.line.bare is not None:
            for pair in self.line.bare.finditer(head.string, head.end()):
                name, factor = self._known_as(pair[2], part, pair[2])
                yield _Metric(name, factor, pair[1], pair.span(2), pair.span(1))

    def _known_as(self, written: bytes, part: bytes, unit: bytes | None) -> tuple[str, float]:
        """What a metric is called here, and the factor of its values."""
        plain = written.decode("utf-8", "replace")
        name = self.line.names.get(plain, plain)
        factor = FACTORS.get(name, SCALES).get(unit or b"", 1.0)
        if name not in (NO_METRIC, PLACE, *FACTORS):
            name = (f"{part.decode()}/" if part else self.line.prefix) + name
        return name, factor


class _Template:
    """A line as another one, save for the numbers in it. Its groups are those of its head."""

    def __init__(self, head: Found, metrics: Sequence[_Metric]) -> None:
        text, groups = head.string, head.re.groupindex
        absent = [group for group in groups if head[group] is None]
        parts = [(head.span(group), group) for group in groups if group not in absent]
        parts += [(one.value_at, "") for one in metrics]
        names = [one.name_at for one in metrics]
        pattern = b"".join(b"(?P<%b>(?!))?" % group.encode() for group in absent)
        end = 0
        for (start, stop), group in sorted(parts):
            pattern += _loosened(text, end, start, names)
            if group == "part":
                pattern += b"(?P<part>%b)" % re.escape(text[start:stop])
            else:
                pattern += b"(?P<%b>\\d++)" % group.encode() if group else NUMBER
            end = stop
        self.regex = re.compile(pattern + _loosened(text, end, len(text), names))
        in_order = sorted(metrics, key=lambda one: one.value_at)
        self._heads = len(groups)
        self._names = [one.name for one in in_order]
        self._numbers = [_number if b"," in one.value else float for one in in_order]
        self._scaled = [(one.name, one.factor) for one in metrics if one.factor != 1]
        self._has_others = NO_METRIC in self._names

    def row(self, found: Found) -> Row:
        """The metrics in a line that matches."""
        values = found.groups()[self._heads :]
        try:
            row = dict(zip(self._names, map(operator.call, self._numbers, values), strict=True))
        except ValueError:  # the first one with a comma
            self._numbers = [_number] * len(values)
            row = dict(zip(self._names, map(_number, values), strict=True))
        for name, factor in self._scaled:
            row[name] *= factor
        if self._has_others:
            del row[NO_METRIC]
        return row


def _loosened(text: bytes, start: int, end: int, names: Sequence[tuple[int, int]]) -> bytes:
    """A regular expression for a part of a line, in which other numbers and more blanks may stand
    where they are in none of the names.
    """
    pattern = b""
    for name_start, name_end in sorted(names):
        if start <= name_start < end:
            pattern += _VARYING.sub(_varied, re.escape(text[start:name_start]))
            pattern += re.escape(text[name_start:name_end])
            start = name_end
    return pattern + _VARYING.sub(_varied, re.escape(text[start:end]))


def _varied(found: Found) -> bytes:
    return rb"[-+]?\d++" if found[1] else b" ++"


class LineReader:
    """Takes the lines of one pattern apart, and remembers what it needs of those before."""

    def __init__(self, pattern: LogPattern) -> None:
        self.planned: dict[str, bytes] = {}
        """The steps and epochs that are planned, as settings."""
        self.has_times = True
        """Whether lines may begin with the time of the day."""
        self.has_ended = False
        """Whether the last lines say so."""
        self.kinds = [_Kind(line) for line in pattern.lines]
        self.kind: _Kind | None = None
        """That of the last line."""
        self._ends = pattern.ends
        self._place: float | None = None
        self._steps = EpochSteps()
        self._next: Row = {}  # what is of the next place
        self._is_over: float | None = None  # the place of which nothing more is read
        self._has_begun = False

    def jump(self) -> None:
        """The next lines are not those behind the last ones."""
        self._place, self._next, self._has_begun = None, {}, True

    def row(self, text: bytes, is_line: bool) -> Row | None:
        """The metrics in a line, and their place; ``None`` where there are none."""
        if len(text) > _LONGEST_LINE:
            return None
        if self._ends and self._ends in text:
            self.has_ended = True
            return None
        for kind in self.kinds:
            found = kind.find(text)
            if found is not None:
                self.kind = kind
                return self._row(kind, *found, is_line)
        return None

    def _row(self, kind: _Kind, found: Found, row: Row, is_line: bool) -> Row | None:
        line = kind.line
        if line.is_of_next:
            self._next = self._next | row
            return None
        place = row.pop(PLACE, None) if line.place is None else line.place(found)
        if place is not None and kind.counts_in_epochs and found["epoch"]:
            place = self._steps.place(place, {**row, "epoch": int(found["epoch"][:15])})
        if place is not None:
            self._place, self._has_begun = place, True
            row, self._next = self._next | row, {}
        for group, setting in kind.planned:
            self.planned[setting] = found[group] or self.planned.get(setting, b"")
        if line.counts_once:
            if self._is_over == self._place:
                return None
            if is_line and found["batch"] == found["batches"]:
                self._is_over = self._place
        elif place is not None:
            self._is_over = None
        if self._place is None and line.may_be_first and not self._has_begun:
            self._place = 0.0
        if not row or self._place is None:
            return None
        self.has_ended = False
        row[PLACE] = self._place
        if self.has_times and (time := _time_in(found.string)) is not None:
            row[RUN_TIME] = time
        return row


def _number(value: bytes) -> float:
    return float(value.replace(b",", b""))


def _time_in(line: bytes) -> float | None:
    """The time at the start of a line in seconds since 1970: a local one, for it says no zone."""
    found = _TIME.search(line, 0, _TIME_WITHIN)
    minute = None if found is None else _minute(found[1])
    if found is None or minute is None:
        return None
    return minute + float(found[2].replace(b",", b"."))


@functools.lru_cache(maxsize=64)
def _minute(text: bytes) -> float | None:
    try:
        return datetime.fromisoformat(text.decode().replace("/", "-")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
