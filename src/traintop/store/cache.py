"""Summaries that are kept from one start of the program to the next.

One file for each set of directories, in the user's cache folder. Whatever is wrong with it, it is
as if it were not there: a program that finds it damaged, locked away or of another version reads
the runs, and one that cannot write it goes on. It is replaced as a whole, so of two programs that
use it one reads what the other has written last.

It has blocks of runs, of which each is read when one of its runs is asked for: a screen shows the
newest runs before the others are there.
"""

from __future__ import annotations

import os
import time
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr

import traintop
from traintop.atomic_file import write_atomically
from traintop.model import RunStatus, RunSummary
from traintop.run_ids import address_of, parts_of
from traintop.store.files import Entry
from traintop.store.kept_block import KeptBlock, KeptRun, ReadRun, encoded_blocks, kept
from traintop.store.packed_summary import PackedSummary
from traintop.store.summary_block import SummaryBlock

_WORTH_KEEPING = 0.2  # seconds that reading took; below it, nothing is gained
_SAVING_INTERVAL = 60.0
_SAVING_SHARE = 200  # saving takes at most so small a part of the time
_MOST_FILES = 100
_LAYOUT = 2  # of the file; another version reads no other
_LARGEST = 256 * 1024 * 1024


class _Place(NamedTuple):
    """Where a block is, in bytes behind the index, or in the file."""

    start: int
    length: int
    checksum: int
    sums: bytes  # of the ids of its runs and their files, each an unsigned integer of 32 bits


class _Index(msgspec.Struct, frozen=True, array_like=True):
    is_complete: bool  # all runs that there were are here
    places: Sequence[_Place]


class SummaryCache:
    """What was read of runs, by their ids. One thread at a time may use it.

    ``root_of`` says of a run below which address it was found.
    """

    def __init__(self, directories: Sequence[str], root_of: Callable[[str], str]) -> None:
        self._directories = directories
        self._root_of = root_of
        self._blocks: dict[int, _Place] | None = None  # not read yet; None: not known yet
        self._block_of: dict[int, int] = {}  # by the sums of the ids of runs and their files
        self._kept: dict[SummaryBlock, KeptBlock] = {}
        self._runs: dict[str, PackedSummary] = {}  # those that nobody asked for yet
        self._run_of: dict[str, str] = {}  # by the ids of files that are not a run's own
        self._unsaved = 0.0  # seconds that it took to read what is not saved yet
        self.is_outdated = False
        """Whether a run is not as it was saved any more."""
        self._save_at = 0.0
        self._is_complete = False  # what was saved last

    def has(self, run_id: str) -> bool:
        """Whether a run is known that nobody asked for yet."""
        run = self._find(run_id)
        return run is not None and run.id == run_id

    def claim(self, entry: Entry) -> tuple[str, str] | None:
        """The run, and its format, that a file was all of when it was as it is; else ``None``."""
        run = self._find(entry.id)
        if run is None:
            return None
        block = self._kept[run.block]
        if not block.is_as_seen(run.row, (entry,)):
            return None
        return (entry.id if run.id == entry.id else run.id), block.format(run.row)

    def take(self, run_id: str, entries: Sequence[Entry]) -> KeptRun | None:
        """A run whose files are as they were, once; else ``None``."""
        run = self._find(run_id)
        if run is None or run.id != run_id:
            return None
        del self._runs[run_id]
        block = self._kept[run.block]
        if not block.is_as_seen(run.row, entries):
            return None
        # The same objects as others have of it, for such runs are many.
        force_setattr(run, "id", run_id)
        if run.file_size == entries[0].size:
            force_setattr(run, "file_size", entries[0].size)
        return block.run(run.row)

    def runs(self) -> list[RunSummary]:
        """All runs as they were shown when all were saved, none if not.

        Without those that ran then, and those that share a file, of which only a look tells.
        """
        for number in [*self._known_blocks()]:
            self._read(number)
        shown = (self._kept[run.block].shown(run.row) for run in self._runs.values())
        return [
            run
            for run in shown
            if self._is_complete and run.status is not RunStatus.RUNNING and not parts_of(run.id)[1]
        ]

    def source_of(self, run: RunSummary) -> tuple[Sequence[str], str] | None:
        """The files and the format of one of these runs, until all runs were looked at."""
        block = self._kept.get(run.block) if isinstance(run, PackedSummary) else None
        if block is None or not isinstance(run, PackedSummary):
            return None
        return block.run(run.row).files, block.format(run.row)

    def took(self, seconds: float) -> None:
        """Note how long it took to read a run that is worth keeping."""
        self._unsaved += seconds
        self.is_outdated = True

    def save(self, runs: Iterable[ReadRun], *, complete: bool) -> None:
        """Save these runs, if that is worth its while by now. Never raises.

        Unless they are ``complete``, what was kept of others stays.
        """
        self.is_outdated |= complete and self._forget()
        now = time.monotonic()
        is_due = now >= self._save_at or (complete and not self._is_complete)
        is_worth_it = self._unsaved >= _WORTH_KEEPING or (self.is_outdated and self._is_complete)
        if not (is_worth_it and is_due):
            return
        self._unsaved, self.is_outdated, self._is_complete = 0.0, False, complete
        with suppress(Exception):  # a full disk, a folder without permission, an odd value
            for number in [*self._known_blocks()]:
                self._read(number)
            others = (self._kept[run.block].run(run.row) for run in self._runs.values())
            _write(self._path(), _encoded((*map(kept, runs), *others), is_complete=complete))
        took = time.monotonic() - now
        self._save_at = now + max(_SAVING_INTERVAL, took * _SAVING_SHARE)

    def _find(self, file_id: str) -> PackedSummary | None:
        """The run of this id, or the one that a file of this id belongs to."""
        if self._known_blocks():
            self._read(self._block_of.get(_sum_of(file_id), -1))
        return self._runs.get(self._run_of.get(file_id, file_id))

    def _known_blocks(self) -> dict[int, _Place]:
        """Those that were not read yet."""
        if self._blocks is None:
            self._blocks = {}
            with suppress(Exception):
                self._read_index()
        return self._blocks

    def _read_index(self) -> None:
        with self._path().open("rb") as file:
            if os.fstat(file.fileno()).st_size > _LARGEST or file.readline() != _version():
                return
            checksum, length = (int.from_bytes(file.read(4), "big") for _ in range(2))
            index = file.read(length)
            start = file.tell()
        if zlib.crc32(index) != checksum:
            return
        blocks = self._blocks = {}
        decoded = msgspec.msgpack.decode(index, type=_Index)
        self._is_complete = decoded.is_complete
        for number, place in enumerate(decoded.places):
            self._block_of.update(dict.fromkeys(array("I", place.sums), number))
            blocks[number] = place._replace(start=start + place.start)

    def _read(self, number: int) -> None:
        place = self._blocks.pop(number, None) if self._blocks else None
        if place is None:
            return
        try:
            with self._path().open("rb") as file:
                file.seek(place.start)
                data = file.read(place.length)
            if zlib.crc32(data) != place.checksum:
                raise ValueError("is damaged")
            block = KeptBlock(data, self._root_of)
            for run in block.runs:
                self._kept[run.block] = block
                self._runs[run.id] = run
            self._run_of.update(block.files)
        except Exception:  # of what is damaged, or was replaced since, nothing is known
            self._is_complete = False
        if not self._blocks:
            self._block_of = {}

    def _forget(self) -> bool:
        """Forget the runs that nobody asked for; whether there were any."""
        were_left = bool(self._blocks or self._runs)
        self._blocks, self._block_of, self._kept, self._runs, self._run_of = {}, {}, {}, {}, {}
        return were_left

    def _path(self) -> Path:
        from platformdirs import user_cache_path

        named = "\n".join(f"{address_of(each)} as {each}" for each in self._directories)
        return user_cache_path("traintop", appauthor=False) / f"summaries_{_digest(named)}"


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _sum_of(file_id: str) -> int:
    """A number by which a file is looked up; that two files share one makes one of them unknown."""
    return zlib.crc32(file_id.encode(errors="surrogateescape"))


def _encoded(runs: Iterable[KeptRun], *, is_complete: bool) -> bytes:
    """The file: the version, where each block is, after its checksum and length, and these."""
    places: list[_Place] = []
    blocks: list[bytes] = []
    for ids, data in encoded_blocks(runs):
        sums = array("I", map(_sum_of, ids)).tobytes()
        start = places[-1].start + places[-1].length if places else 0
        places.append(_Place(start, len(data), zlib.crc32(data), sums))
        blocks.append(data)
    index = msgspec.msgpack.encode(_Index(is_complete, places))
    head = (zlib.crc32(index), len(index))
    return b"".join([_version(), *(one.to_bytes(4, "big") for one in head), index, *blocks])


def _version() -> bytes:
    return f"{traintop.__version__} {_LAYOUT}\n".encode()


def _write(path: Path, data: bytes) -> None:
    """Replace the file, and forget those that were not written for longest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    files = sorted(path.parent.glob("summaries_*"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_MOST_FILES]:
        old.unlink()
