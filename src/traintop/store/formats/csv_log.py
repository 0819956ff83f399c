"""CSV logs: those of Lightning, Keras and Ultralytics, and others that name an epoch or a step.

A file is a run; where a tool always gives it the same name, the run is its directory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from traintop.logfile import Head, Tail
from traintop.model import RECORD_FIELDS
from traintop.progress import COUNTED_BY
from traintop.store.files import Entry, Files
from traintop.store.formats.csv_rows import MOST_TEXTS, RowDecoder
from traintop.store.formats.followed import (
    TOOL,
    About,
    FollowedFormat,
    GrowingFile,
    Records,
    ReplacedError,
    share_reached,
)
from traintop.store.formats.json_document import unread_records
from traintop.store.formats.positions import PLACES, plain_name
from traintop.store.formats.small_files import SmallFiles
from traintop.store.formats.yaml_settings import LARGEST_SETTINGS, yaml_settings
from traintop.store.history import GrowingHistory, History
from traintop.text import counted
from traintop.times import iso_time

_KNOWN_START = 4096  # bytes by which a file is known again
_SAMPLED_BYTES = 1024
_REWRITING = 2.0  # seconds in which a file that was cut short may be filled again
_AT_REST = 600.0  # seconds after which what is missing of a line does not come any more

_OURS = ",".join(RECORD_FIELDS).encode()  # the first names in what we export
_FURTHEST_EPOCH, _FURTHEST_STEP = 1e6, 1e12  # beyond it, they are times
_MOST_RESTARTS = 3  # without names anew, in the first rows: else they are episodes
_MOST_DESCENTS = 0.1  # of its rows: what comes late, or counts in each epoch
_MOST_ROWS_OF_A_STEP = 50


class _Tool(NamedTuple):
    """A program that names its files always alike."""

    name: str
    settings: tuple[str, ...]
    """The files beside it that hold these; it is that program's where the first one is there."""
    elapsed: tuple[str, ...] = ()
    """Columns of seconds since the start."""


_FILES = {
    "metrics.csv": _Tool("Lightning", ("hparams.yaml",)),
    "results.csv": _Tool("Ultralytics", ("args.yaml", "opt.yaml", "hyp.yaml"), ("time",)),
    "progress.csv": _Tool("", ()),
}
"""The names of files whose run is their directory."""


class CsvFormat(FollowedFormat):
    """A CSV file a run."""

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files whose first rows are those of a log, and not what we have exported."""
        data = start()
        if _OURS in data[: 2 * len(_OURS)]:
            return None
        decoder, growing = RowDecoder(), GrowingHistory()
        decoder.take(data, growing)
        if not _is_log(decoder, growing.history()):
            return None
        path = PurePath(entry.id)
        return str(path.parent) if path.name in _FILES else entry.id

    def follower(self) -> _Follower:
        """A follower of the rows of a run."""
        return _Follower()

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The rows at some places, of a file whose steps count from the start of the run."""
        size = sum(entry.size for entry in entries)
        if len(entries) > 1 or size < points * _SAMPLED_BYTES * 2:
            return None
        run = entries[0].id
        step = (size - _SAMPLED_BYTES) / (points - 1)
        places = [int(number * step) for number in range(1, points)]
        spans = [(run, 0, _KNOWN_START), *((run, at, _SAMPLED_BYTES) for at in places)]
        first, *parts = files.read_many(spans)
        if b"\n" not in first:
            return None
        lines = [part[part.find(b"\n") + 1 : part.rfind(b"\n") + 1] for part in parts]
        decoder, growing = _decoder(run), GrowingHistory()
        decoder.take(first[: first.rfind(b"\n") + 1] + b"".join(lines), growing)
        was_sampled = decoder.rows >= points and not decoder.steps.counted
        return growing.history() if was_sampled else None


class UltralyticsFormat(CsvFormat):
    """Those of Ultralytics, which say more of a run than the event files beside them."""

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files with the names of its columns."""
        is_its_own = b"metrics/" in start().partition(b"\n")[0]
        return super().claims(entry, start) if is_its_own else None


def _is_log(decoder: RowDecoder, history: History) -> bool:
    """Whether the first rows of a file are those of a log, and not of a table of anything else.

    A log has numbers, and positions that rise; it says in text no more than its phase.
    """
    layout, places = decoder.layout, history.columns["iteration"]
    if layout is None or not len(places):
        return False
    furthest = _FURTHEST_EPOCH if plain_name(layout.place) == "epoch" else _FURTHEST_STEP
    return (
        any(plain_name(metric) not in PLACES for metric in history.metrics)
        and 0 <= places[0] <= places[-1] <= furthest
        and decoder.restarts.count - decoder.headers < _MOST_RESTARTS
        and decoder.descents <= _MOST_RESTARTS + decoder.rows * _MOST_DESCENTS
        and len(places) * _MOST_ROWS_OF_A_STEP >= decoder.rows
        and (decoder.placeless + decoder.overlong) * 2 <= decoder.rows
        and not decoder.texts.get(layout.names[0])
        and all(len(texts) < MOST_TEXTS for texts in decoder.texts.values())
    )


def _decoder(file_id: str) -> RowDecoder:
    tool = _FILES.get(PurePath(file_id).name)
    return RowDecoder(tool.elapsed if tool else ())


class _Settings(NamedTuple):
    """What a file of settings holds."""

    settings: dict[str, Any]
    unread: str


class _Follower:
    """Reads the first of the files of a run; a directory rarely has several."""

    def __init__(self) -> None:
        self._files: Sequence[Entry] = ()
        self._decoder = RowDecoder()
        self._rows = GrowingFile()
        self._start = b""
        self._is_cut = False  # within its last line, for good
        self._settings_files = SmallFiles(LARGEST_SETTINGS + 1)
        self._settings: dict[str, _Settings] = {}

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        """Read what is new. Raises ``ValueError`` for a file without rows."""
        ordered = sorted(entries)
        entry = ordered[0]
        if not self._files:
            self._decoder = _decoder(entry.id)
        elif self._is_being_rewritten(files, self._files[0], entry):
            raise ValueError("is being written anew")
        elif files.read(entry.id, 0, len(self._start)) != self._start:
            raise ReplacedError

        def take(data: bytes) -> int:
            taken = self._decoder.take(data, records)
            self._start += data[: min(taken, _KNOWN_START - len(self._start))]
            return taken

        self._rows.read(files, entry, take, share_reached(reached, 0, entry.size))
        self._is_cut = self._rows.offset < entry.size and (entry.age or 0.0) > _AT_REST
        if self._decoder.layout is None:
            raise ValueError("has no rows yet" if entry.size else "is empty")
        path = PurePath(entry.id)
        if path.name in _FILES:
            names = _FILES[path.name].settings
            self._read_settings(files, [str(path.with_name(name)) for name in names])
        self._files = ordered

    def _is_being_rewritten(self, files: Files, before: Entry, entry: Entry) -> bool:
        """Whether a file was just cut short, and is being filled with what it had and more.

        As Lightning does for a new column. A new run would begin with another row.
        """
        is_fresh = entry.age is not None and entry.age < _REWRITING
        if entry.size >= before.size or entry.inode != before.inode or not is_fresh:
            return False
        row = _first_row(files.read(entry.id, 0, _KNOWN_START))
        return not row or row == _first_row(self._start)

    def _read_settings(self, files: Files, paths: Sequence[str]) -> None:
        there = [entry for entry in files.stat_many(paths) if entry.version is not None]
        found = self._settings_files.read(files, there)
        self._settings = {PurePath(path).name: _settings_in(data) for path, data in found.items()}

    def about(self) -> About:
        """Its settings, when it ran, and what was not read."""
        decoder, layout = self._decoder, self._decoder.layout
        path, *others = (PurePath(entry.id) for entry in self._files)
        config: dict[str, Any] = {}
        for found in self._settings.values():
            config |= found.settings
        run: dict[str, Any] = {TOOL: _FILES[path.name].name} if self._settings else {}
        if layout is not None and plain_name(layout.place) == "epoch":
            run[COUNTED_BY] = "epoch"
        started = decoder.first_time or 0.0
        updated = started and started + (decoder.last_time or 0.0)
        return About(
            Head(config=config, start_time=iso_time(started), run=run),
            Tail(updated_at=iso_time(updated)),
            "; ".join(self._unread([other.name for other in others])),
        )

    def _unread(self, others: Sequence[str]) -> Iterator[str]:
        """What of the files is not read, and why."""
        decoder = self._decoder
        if decoder.overlong:
            rows = f"{decoder.overlong:,} of {counted(decoder.rows, 'row')}"
            yield f"{rows} with more cells than names"
        place = decoder.layout.place if decoder.layout else ""
        yield from unread_records(decoder.rows, decoder.placeless, place, decoder.no_numbers)
        if self._is_cut:
            yield "the last line, which has no end"
        for name, found in self._settings.items():
            if found.unread:
                yield f"{name}: {found.unread}"
        for other in others:
            yield f"{other}, for it is of the same run"


def _settings_in(data: bytes) -> _Settings:
    try:
        return _Settings(*yaml_settings(data))
    except ValueError as error:
        return _Settings({}, str(error))


def _first_row(start: bytes) -> set[bytes]:
    """What is in the cells of the first row below the names."""
    _, *rows = start.split(b"\n", 2)
    cells = re.split(rb"[,;\t\s]+", rows[0]) if len(rows) > 1 else []
    return {*cells} - {b""}
