"""Text logs: what well-known training loops print, into a file or one of Slurm's.

Which loop it was is found out from the start of the file, by the table whose two parts are
:mod:`.text_log_language_models` and :mod:`.text_log_frameworks`.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from traintop.logfile import Head, Row, Tail, WrittenStatus
from traintop.progress import COUNTED_BY
from traintop.store.files import Entry, Files
from traintop.store.formats import NotThisFormatError
from traintop.store.formats.followed import TOOL, About, FollowedFormat
from traintop.store.formats.line_files import (
    SNIFFED,
    LineFollower,
    run_of_file,
    sample_of_lines,
)
from traintop.store.formats.logged_rows import LoggedRows
from traintop.store.formats.text_log_frameworks import (
    FRAMEWORK_LOOPS,
    PROGRESS_BAR,
    TRAINER_LINE,
)
from traintop.store.formats.text_log_language_models import LANGUAGE_MODEL_LOOPS
from traintop.store.formats.text_log_lines import PLACE, RUN_TIME, LogPattern
from traintop.store.formats.text_log_reader import LineReader

if TYPE_CHECKING:
    from traintop.store.history import History

LOG_PATTERNS = (*LANGUAGE_MODEL_LOOPS, *FRAMEWORK_LOOPS)
"""A log is of the first one that it has enough lines of."""

_FEWEST, _FEWEST_OF_GENERAL = 2, 3
_LEAST_SHARE, _LEAST_SHARE_OF_GENERAL = 0.05, 0.2  # of all lines from the first one on
_ENOUGH = 40  # lines, whatever else there is
_MOST_DESCENTS = 0.1
_LOOK_SECONDS = 1.0
_FEWEST_WITH_BAR = 0.8  # of the lines of a Trainer

_WORDS = (b"loss", b"accuracy", b"acc:", b"acc=", b"ppl", b"perplexity", b"reward")
_MEASURED = re.compile(r"loss|accuracy|\bacc\b|ppl|perplexity|reward", re.IGNORECASE)
_PROGRAM = re.compile(rb"[\s=]*(?:\"\"\"|\'\'\'|#|import |from )")
_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|[\x08\0]")


class TextLogFormat(FollowedFormat):
    """A text file of lines a run."""

    name = "log"

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files with lines of one of the known kinds, whose places grow."""
        return run_of_file(entry.id) if pattern_of(start()) else None

    def follower(self) -> LineFollower:
        """A follower of the file."""
        return LineFollower(_Lines)

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The lines at some places of the file."""
        return sample_of_lines(files, entries, points, _Lines)


def pattern_of(start: bytes) -> LogPattern | None:
    """What prints the lines of a file that begins with some bytes; ``None`` for other files."""
    text = _plain(start[: _whole(start)])
    lower, lines = text.lower(), text.replace(b"\r", b"\n")
    is_of_training = any(word in lower for word in _WORDS)
    for pattern, head in _heads():
        may_be = is_of_training or not pattern.is_general
        if may_be and all(part in text for part in pattern.lines[0].needs) and head.search(lines):
            pieces = [*_pieces(text)]
            if _is_of(pattern, pieces):
                return _with_steps(pattern, pieces)
    if len(start) < SNIFFED or not _is_program(text):
        return None
    return next(pattern for pattern in LOG_PATTERNS if pattern.begins_with_program)


@functools.cache
def _heads() -> list[tuple[LogPattern, re.Pattern[bytes]]]:
    """The patterns, each with what finds the first of its lines in many: most texts have none."""
    heads = ((pattern, pattern.lines[0].head) for pattern in LOG_PATTERNS)
    return [(pattern, re.compile(head.pattern, head.flags | re.M)) for pattern, head in heads]


def _is_program(text: bytes) -> bool:
    """Whether some bytes are the start of a program that trains."""
    lines = [line for line in text.split(b"\n") if line.strip()]
    indented = sum(line[:1] in (b" ", b"\t") for line in lines)
    parts = (b"torch", b"import ", b"def ", b"return ")
    return (
        _PROGRAM.match(text) is not None
        and all(part in text for part in parts)
        and 2 * indented >= len(lines)
    )


def _is_of(pattern: LogPattern, pieces: Sequence[tuple[bytes, bool]]) -> bool:
    reader = LineReader(pattern)
    marking = reader.kinds[0]
    rows: list[Row] = []
    seen = marked = 0  # lines from the first one on
    for piece, is_line in pieces:
        row = reader.row(piece, is_line)
        is_marked = row is not None and reader.kind is marking
        if row is not None and is_marked:
            rows.append(row)
        marked += is_marked and is_line
        seen += bool(rows) and is_line
    places = [row[PLACE] for row in rows]
    descents = sum(after < before for before, after in itertools.pairwise(places))
    fewest = _FEWEST_OF_GENERAL if pattern.is_general else _FEWEST
    share = _LEAST_SHARE_OF_GENERAL if pattern.is_general else _LEAST_SHARE
    return (
        len({*places}) >= fewest
        and descents <= 1 + _MOST_DESCENTS * len(places)
        and marked >= min(share * seen, _ENOUGH)
        and (not pattern.is_general or all(map(_is_of_training, rows)))
    )


def _is_of_training(row: Row) -> bool:
    return any(_MEASURED.search(name) for name in row)


def _with_steps(pattern: LogPattern, pieces: Sequence[tuple[bytes, bool]]) -> LogPattern:
    """The pattern of a Trainer's log with the progress bar that says the steps, if it has one.

    The bar of the training is drawn anew behind each line that it logs; others may follow.
    """
    if TRAINER_LINE not in pattern.lines:
        return pattern
    lines = with_bar = 0
    total, is_behind = b"", False
    for piece, _ in pieces:
        if TRAINER_LINE.head.search(piece) and b"'learning_rate': " in piece:
            lines, is_behind = lines + 1, True
        elif is_behind and (bar := PROGRESS_BAR.head.search(piece)):
            with_bar, is_behind, total = with_bar + 1, False, bar["of"]
    if with_bar < max(_FEWEST_WITH_BAR * lines, 1):
        return pattern
    head = re.compile(PROGRESS_BAR.head.pattern.replace(rb"(?P<of>\d++)", b"(?P<of>%b)" % total))
    line = TRAINER_LINE._replace(names={}, is_of_next=True)
    return pattern._replace(lines=(line, PROGRESS_BAR._replace(head=head)), counts_epochs=False)


class _Lines:
    """Takes the lines of a file apart; see :class:`JumpingParser`."""

    def __init__(self, start: bytes) -> None:
        pattern = pattern_of(start)
        if pattern is None:
            kib = SNIFFED // 1024
            raise NotThisFormatError(
                f"has no lines of a training loop that is known in its first {kib} KiB"
            )
        self._pattern = pattern
        self._reader = LineReader(pattern)
        lines = self.rows(start[: _whole(start)])
        self._reader = LineReader(pattern)
        self._reader.has_times = any(RUN_TIME in row for row in lines)
        self.kind: Hashable = (
            *(line.head for line in pattern.lines),
            self._reader.has_times,
        )
        self.jump = self._reader.jump

    def whole(self, data: bytes) -> int:
        """Up to the last end of a line, or of something that is written over."""
        return _whole(data)

    def rows(self, lines: bytes) -> list[Row]:
        """The metrics in the lines that are of the pattern."""
        row_of = self._reader.row
        rows = (row_of(piece, is_line) for piece, is_line in _pieces(_plain(lines)))
        return [row for row in rows if row is not None]

    @property
    def planned(self) -> dict[str, Any]:
        """The steps and epochs that are planned, as settings."""
        return {name: int(digits[:15]) for name, digits in self._reader.planned.items() if digits}

    @property
    def counted_by(self) -> dict[str, str]:
        """What the records count, where these are no iterations."""
        return {COUNTED_BY: "epoch"} if self._pattern.counts_epochs else {}

    def about(self, rows: LoggedRows) -> About:
        """When it ran, what is planned, and whether it has ended."""
        start, end = rows.times()
        run: dict[str, Any] = {TOOL: self._pattern.name, **self.counted_by}
        head = Head(config=self.planned, start_time=start, run=run)
        status: WrittenStatus = "finished" if self._reader.has_ended else "running"
        return About(head, Tail(updated_at=end, status=status))


class TextLogStream:
    """Takes what a command prints apart while it prints it: what kind of log it is may show late.

    Its last ``SNIFFED`` bytes are looked at, once in a while.
    """

    def __init__(self) -> None:
        self._lines: _Lines | None = None
        self._seen = b""  # before the kind is known: whole lines
        self._rest = b""
        self._looked_at = -math.inf

    @property
    def settings(self) -> dict[str, Any]:
        """The steps and epochs that are planned, and whether records count epochs."""
        return {} if self._lines is None else {**self._lines.planned, **self._lines.counted_by}

    def feed(self, data: bytes, *, is_end: bool = False) -> list[Row]:
        """The metrics in what was printed since, each with its place and by the names it has.

        The time of the day, if it is printed, is none of them.
        """
        data = self._rest + data
        end = len(data) if is_end or len(data) > SNIFFED else _whole(data)
        lines, self._rest = data[:end], data[end:]
        if self._lines is None:
            self._seen = lines = (self._seen + lines)[1 - SNIFFED :]
            if not (is_end or time.monotonic() - self._looked_at >= _LOOK_SECONDS):
                return []
            if pattern_of(lines + b"\n") is None:
                self._looked_at = time.monotonic()
                return []
            self._lines, self._seen = _Lines(lines + b"\n"), b""
        rows = self._lines.rows(lines)
        return [{name: row[name] for name in row if name != RUN_TIME} for row in rows]

    def skip(self) -> None:
        """Some of what was printed is not given to :meth:`feed`."""
        self._rest = b""
        if self._lines is not None:
            self._lines.jump()


def _whole(data: bytes) -> int:
    """How many bytes are whole lines; a ``\\r`` at the very end may be half the end of a line."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1


def _plain(data: bytes) -> bytes:
    """What is written without colours, and without ends of lines of two bytes."""
    if b"\x1b" in data or b"\x08" in data or b"\0" in data:
        data = _ESCAPES.sub(b"", data)
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def _pieces(text: bytes) -> Iterator[tuple[bytes, bool]]:
    """What is written before the cursor goes back or to the next line, and whether it stays."""
    for line in text.split(b"\n"):
        if b"\r" in line:
            *before, line = line.split(b"\r")
            for piece in before:
                yield piece, False
        if line:
            yield line, True
