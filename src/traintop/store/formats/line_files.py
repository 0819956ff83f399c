"""Files of one record a line, as they grow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol

from traintop.logfile import Row
from traintop.store.files import Entry, Files
from traintop.store.formats.followed import (
    About,
    GrowingFile,
    Records,
    ReplacedError,
    share_reached,
)
from traintop.store.formats.logged_rows import LoggedRows
from traintop.text import counted

if TYPE_CHECKING:
    from traintop.store.history import History

SNIFFED = 64 * 1024
"""Bytes of the start of a file by which it is judged."""

LONGEST_LINE = 1024 * 1024
"""Bytes of a line that is read."""

_LARGEST_GAP = 64 * 1024 * 1024
_SHORTEST_SAMPLE, _LONGEST_SAMPLE = 2048, 64 * 1024


_NAMES = (
    *("metrics.jsonl", "metrics.json", "scalars.json"),
    *("train.log", "log.txt", "training.log", "main.log", "output.log", "stdout.txt", "stdout.log"),
)
"""What many programs call the log in the directory of a run, the likeliest first."""


def run_of_file(file_id: str) -> str:
    """The run that a file of lines belongs to: its directory, where it says so by its name.

    So one that is there beside what says more of the run is not listed by itself.
    """
    path = PurePath(file_id)
    if path.parent.name == "vis_data":  # of mmengine
        return str(path.parent.parent)
    is_named_after_run = path.name.lower() in _NAMES or path.stem == path.parent.name
    return str(path.parent) if is_named_after_run else file_id


def _likeliest(entry: Entry) -> tuple[int, str]:
    name = PurePath(entry.id).name.lower()
    return (_NAMES.index(name) if name in _NAMES else len(_NAMES)), entry.id


class LineParser(Protocol):
    """Takes the lines of one file apart; remembers what it needs of those before."""

    @property
    def kind(self) -> Hashable:
        """What it took the file for, by its start: equal where it takes all lines in one way."""

    def whole(self, data: bytes) -> int:
        """How many of the bytes are whole lines."""

    def rows(self, lines: bytes) -> list[Row]:
        """The records in whole lines; see :class:`LoggedRows`."""

    def about(self, rows: LoggedRows) -> About:
        """What the lines say of the run beside its records, given when these were made."""


class JumpingParser(LineParser, Protocol):
    """One that can also go on elsewhere in the file."""

    def jump(self) -> None:
        """The next lines are not those behind the last ones."""


class LineFollower:
    """Reads the likeliest of the files of a run from where it was.

    ``parser_for`` makes the parser for a file that begins with some bytes, up to 64 KiB; it raises
    ``ValueError`` where it cannot be one.
    """

    def __init__(self, parser_for: Callable[[bytes], LineParser]) -> None:
        self._parser_for = parser_for
        self._parser: LineParser | None = None
        self._sniffed = -1  # bytes
        self._file = GrowingFile()
        self._rows = LoggedRows()
        self._gap = 0  # bytes of the line that is being left out
        self._too_long = 0  # lines

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        entry = min(entries, key=_likeliest)
        if not entry.size:
            raise ValueError("is empty")
        if self._sniffed < min(entry.size, SNIFFED):
            start = files.read(entry.id, 0, SNIFFED)
            parser = self._parser_for(start)
            if self._parser is None:
                self._parser = parser
            elif parser.kind != self._parser.kind:
                raise ReplacedError
            self._sniffed = len(start)
        assert self._parser is not None
        take = functools.partial(self._take, self._parser, records)
        self._file.read(files, entry, take, share_reached(reached, 0, entry.size or 1))
        self._rows.flush(records)

    def _take(self, parser: LineParser, records: Records, data: bytes) -> int:
        skipped = 0
        if self._gap:
            skipped = data.find(b"\n") + 1
            if not skipped:
                self._leave_out(data)
                return len(data)
            self._gap, data = 0, data[skipped:]
        end = parser.whole(data)
        if end:
            self._rows.extend(parser.rows(data[:end]), records)
        elif len(data) >= LONGEST_LINE:
            self._too_long += 1
            self._leave_out(data)
            end = len(data)
        return skipped + end

    def _leave_out(self, data: bytes) -> None:
        self._gap += len(data)
        if self._gap > _LARGEST_GAP:
            raise ValueError(f"has a line of over {_LARGEST_GAP // 2**20} MB")

    def about(self) -> About:
        """What the parser knows, and how many lines were not read."""
        assert self._parser is not None
        about = self._parser.about(self._rows)
        if not self._too_long:
            return about
        lines = (
            f"has {counted(self._too_long, 'line')} of over {LONGEST_LINE // 2**20} MB, left out"
        )
        return about._replace(problem="; ".join(filter(None, (about.problem, lines))))


def sample_of_lines(
    files: Files,
    entries: Sequence[Entry],
    points: int,
    parser_for: Callable[[bytes], JumpingParser],
) -> History | None:
    """The records at some places of a large file; ``None`` for one that is not."""
    entry = min(entries, key=_likeliest)
    if entry.size < points * 2 * _SHORTEST_SAMPLE:
        return None
    from traintop.store.history import GrowingHistory

    start = files.read(entry.id, 0, SNIFFED)
    parser, rows, growing = parser_for(start), LoggedRows(), GrowingHistory()
    longest = max(map(len, start.split(b"\n")))
    length = min(max(2 * longest + 2, _SHORTEST_SAMPLE), _LONGEST_SAMPLE)
    step = (entry.size - length) / (points - 1)
    if step < 2 * length:
        return None
    spans = [(entry.id, int(number * step), length) for number in range(points)]
    for number, data in enumerate(files.read_many(spans)):
        begin = data.find(b"\n") + 1 if number else 0
        if number:
            parser.jump()
        rows.extend(parser.rows(data[begin : begin + parser.whole(data[begin:])]), growing)
    rows.flush(growing)
    return growing.history()
