"""JSON Lines: a JSON object for each record, as training loops write them of their own accord.

What they call the place, the time and the planned steps is found out from the start of the file.
Numbers may be nested, or written as texts; bare NaN and Infinity are numbers too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from traintop.logfile import UNREADABLE, Head, Row, Tail
from traintop.metrics import EVALUATIONS, SPLITS
from traintop.progress import COUNTED_BY, PLANNED_EPOCHS, PLANNED_STEPS, POSITIONS
from traintop.store.files import Entry, Files
from traintop.store.formats import NotThisFormatError
from traintop.store.formats.followed import TOOL, About, FollowedFormat
from traintop.store.formats.json_document import (
    BARE_NAMES,
    decode_tolerantly,
    number_in,
    position_of,
)
from traintop.store.formats.line_files import (
    SNIFFED,
    LineFollower,
    run_of_file,
    sample_of_lines,
)
from traintop.store.formats.logged_rows import EpochSteps, LoggedRows, place_of
from traintop.text import counted
from traintop.values import Number

if TYPE_CHECKING:
    from traintop.store.history import History

_ALWAYS_LINES = (".jsonl", ".ndjson")
_FEWEST_ROWS = 2  # of a file with another name
_MOST_DESCENTS = 0.1  # of its rows that stand below the one before

_GROUPS = frozenset({"data", "metrics", "stats", "scalars", "values", "logs"})
"""Objects whose numbers are called as they are called there; of others the name stands before."""

_DEEPEST = 4

_TIMES = (
    *("_timestamp", "timestamp", "time", "datetime", "date", "wall_time", "ts", "created_at"),
    *("created", "asctime", "logged_at", "_time", "@timestamp"),
)
_RUN_TIMES = ("wallclock_time", "_runtime", "wall_clock_time", "elapsed_seconds", "elapsed_s")
_UNITS = (1.0, 1e3, 1e6, 1e9)  # of times since 1970: seconds, milliseconds …
_EARLIEST, _LATEST = 1.2e9, 2.4e9  # 2008 to 2046

_SETTINGS = (
    *("config", "args", "hparams", "hyperparameters", "hyper_parameters", "params", "cfg"),
    *("settings", "arguments", "hyperparams"),
)
_MESSAGES = frozenset({"message", "msg", "level", "levelname"})
_MOST_BEFORE = 20  # objects before the records
_MOST_SETTINGS = 1000

_NO_METRICS = frozenset({*POSITIONS, *PLANNED_STEPS, *PLANNED_EPOCHS, *_TIMES, *_RUN_TIMES})
_BLANKS = b" \t\r\0\xef\xbb\xbf"  # and a byte order mark
_DECODER = msgspec.json.Decoder(dict[str, Any])
_PLAIN = frozenset({int, float, type(None)})


class JsonLinesFormat(FollowedFormat):
    """A file of JSON objects a run."""

    name = "jsonl"

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files most of whose lines are objects with growing places, and numbers beside these."""
        data = start()
        if 2 * data.count(b"\n{") < data.count(b"\n") - 1 or b"{" not in data:
            return None
        fewest = 1 if entry.id.endswith(_ALWAYS_LINES) else _FEWEST_ROWS
        return run_of_file(entry.id) if _Start(data).is_of_run(fewest) else None

    def follower(self) -> LineFollower:
        """A follower of the file."""
        return LineFollower(_Lines)

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The objects at some places of the file."""
        return sample_of_lines(files, entries, points, _Lines)


class Found(NamedTuple):
    """What some lines are."""

    objects: list[Row]
    damaged: int = 0
    others: int = 0


class _Start:
    """What a file is by its first 64 KiB."""

    def __init__(self, data: bytes) -> None:
        whole = data[: whole_lines(data)]
        self.found = objects_in(whole)
        rows = [_numbers_in(found) for found in self.found.objects]
        self.position = position_of(rows)
        self.rows = [row for row in rows if place_of(row.get(self.position)) is not None]
        self.times = (*self._times(),)
        planned = (*PLANNED_STEPS, *PLANNED_EPOCHS)
        self.planned = tuple(name for name in planned if len({*self._values(name)}) == 1)

    def _times(self) -> Iterator[tuple[str, float]]:
        """The fields that are times in all rows, and their units."""
        for name in _TIMES:
            for unit in _UNITS:
                if self._grows(name, _EARLIEST * unit, _LATEST * unit):
                    yield name, unit
        for name in _RUN_TIMES:
            if self._grows(name, 0.0, _EARLIEST):
                yield name, 1.0

    def _grows(self, name: str, lowest: float, highest: float) -> bool:
        values = self._values(name)
        in_range = all(lowest <= value <= highest for value in values)
        return bool(values) and in_range and _descents(values) <= 1 + _MOST_DESCENTS * len(values)

    def _values(self, name: str) -> list[Number]:
        return [row[name] for row in self.rows if row.get(name) is not None]

    def is_of_run(self, fewest: int) -> bool:
        """Whether these are the records of a run, given how many there must be at least."""
        aside = {self.position, "epoch", *dict(self.times), *self.planned}
        metrics = [[row[name] for name in row.keys() - aside] for row in self.rows]
        measured = sum(any(value is not None for value in values) for values in metrics)
        places = self._places_by_names().values()
        return (
            len({place for of_names in places for place in of_names}) >= fewest
            and 2 * len(self.rows) >= len(self.found.objects) >= sum(self.found[1:])
            and 2 * measured >= len(self.rows)
            and sum(map(_descents, places)) <= 1 + _MOST_DESCENTS * len(self.rows)
        )

    def _places_by_names(self) -> dict[frozenset[str], list[Number]]:
        """The places of the rows with each set of names: an evaluation may count by itself."""
        epochs = EpochSteps()
        places: dict[frozenset[str], list[Number]] = {}
        for row in self.rows:
            place = row[self.position]
            place = epochs.place(place, row) if "epoch" in row else place
            places.setdefault(frozenset(row), []).append(place)
        return places


class _Lines:
    """Takes the lines of a file apart; see :class:`JumpingParser`."""

    def __init__(self, start: bytes) -> None:
        begins = _Start(start)
        if not begins.found.objects:
            kib = SNIFFED // 1024
            raise NotThisFormatError(f"has no line that is a JSON object in its first {kib} KiB")
        self._position = begins.position
        self._times, self._planned = begins.times, begins.planned
        self._only_objects = not begins.found.others
        self.kind: Hashable = (self._position, self._times, self._planned, self._only_objects)
        self._settings: Row = {}
        self._seen = 0  # objects
        self._damaged = 0  # lines
        self._placeless = 0
        self._place: float | None = None  # of the last row
        self._epochs = EpochSteps()

    def whole(self, data: bytes) -> int:
        """With the last line, if it is a whole object."""
        return whole_lines(data)

    def jump(self) -> None:
        """What is next is not of the last place."""
        self._place = None

    def rows(self, lines: bytes) -> list[Row]:
        """The records; others are settings, if they stand before these, or left out."""
        objects, damaged, others = objects_in(lines)
        self._damaged += damaged + (others if self._only_objects else 0)
        rows = []
        for found in objects:
            row = found if _PLAIN.issuperset(map(type, found.values())) else _numbers_in(found)
            self._seen += 1
            place = place_of(row.pop(self._position, None))
            if place is not None:
                if "epoch" in row:
                    place = self._epochs.place(place, row)
                self._place = place
            elif self._place is None:
                self._take_settings(found, row)
                continue
            elif "epoch" in row:  # what is logged at its end is of the last step
                place = self._place
            else:
                self._placeless += any(value is not None for value in row.values())
                continue
            self._take_out(row)
            row["iteration"] = place
            rows.append(row)
        return rows

    def _take_out(self, row: Row) -> None:
        """Bring the time under its name, and take out what is no metric."""
        for name, unit in self._times:
            time = row.pop(name, None)
            if time is not None and row.get("wallclock_time") is None:
                row["wallclock_time"] = time / unit
        for name in self._planned:
            if (value := row.pop(name, None)) is not None:
                self._settings[name] = value

    def _take_settings(self, found: Row, row: Row) -> None:
        """The settings in an object before the records."""
        if self._seen > _MOST_BEFORE:
            return
        settings: Row = {}
        for name in _SETTINGS:
            inner = found.get(name)
            settings |= inner if isinstance(inner, dict) else {}
        if not settings and self._seen == 1 and row and not _MESSAGES & found.keys():
            settings = {name: value for name, value in found.items() if name not in _TIMES}
        if len(settings) <= _MOST_SETTINGS:
            self._settings |= settings

    def about(self, rows: LoggedRows) -> About:
        """When it ran, its settings, and what of its lines was not read."""
        start, end = rows.times()
        run: dict[str, Any] = {TOOL: "JSON Lines"}
        if self._position == "epoch":
            run[COUNTED_BY] = "epoch"
        head = Head(config=dict(self._settings), start_time=start, run=run)
        return About(head, Tail(updated_at=end), "; ".join(self._problems()))

    def _problems(self) -> Iterator[str]:
        if self._damaged:
            yield f"has {counted(self._damaged, 'damaged line')}, left out"
        if self._placeless:
            records = counted(self._placeless, "record")
            yield f"has {records} without a number as {self._position}, left out"


def whole_lines(data: bytes) -> int:
    """How many bytes are whole lines; the last one is, without its newline, if it is an object."""
    end = data.rfind(b"\n") + 1
    rest = data[end:].strip()
    if rest.startswith(b"{") and rest.endswith(b"}"):
        try:
            decode_tolerantly(rest)
        except ValueError:
            return end
        return len(data)
    return end


def objects_in(lines: bytes) -> Found:
    """The objects in whole lines, and how many lines are damaged ones, or something else."""
    strict = lines
    if b"NaN" in lines or b"Infinity" in lines:
        strict = BARE_NAMES.sub(rb':"\1"', lines)
    try:
        return Found(_DECODER.decode_lines(strict))
    except UNREADABLE:
        pass
    objects, damaged, others = [], 0, 0
    for line in lines.split(b"\n"):
        line, found = line.strip(_BLANKS), None
        if line.startswith(b"{"):
            with suppress(ValueError):
                found = decode_tolerantly(line)
            damaged += found is None
        else:
            others += line != b""
        if isinstance(found, dict):
            objects.append(found)
    return Found(objects, damaged, others)


def _numbers_in(found: Mapping[str, Any], depth: int = 0) -> Row:
    """The numbers of an object, nested ones by their path.

    What is measured in an evaluation, as one of its texts says, is named after that.
    """
    numbers: Row = {}
    evaluation = ""
    for name, value in found.items():
        if type(value) in _PLAIN:
            numbers[name] = value
        elif isinstance(value, Mapping):
            inner = _numbers_in(value, depth + 1) if depth < _DEEPEST else {}
            if name in _GROUPS:
                numbers = inner | numbers
            else:
                numbers |= {f"{name}/{below}": number for below, number in inner.items()}
        elif name in SPLITS and isinstance(value, str) and value.lower() in EVALUATIONS:
            evaluation = value.lower()
        elif (number := number_in(value)) is not None:
            numbers[name] = number
        elif name in _TIMES and (time := _seconds(value)) is not None:
            numbers[name] = time
    return _renamed(numbers, evaluation) if evaluation else numbers


def _renamed(numbers: Row, evaluation: str) -> Row:
    return {
        name if name in _NO_METRICS or evaluation in name else f"{evaluation}/{name}": number
        for name, number in numbers.items()
    }


def _seconds(value: object) -> float | None:
    """The seconds since 1970 of a time that is a text; a local one, if it does not say its zone."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _descents(values: Sequence[Number]) -> int:
    return sum(after < before for before, after in itertools.pairwise(values))
