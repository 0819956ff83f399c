"""Summaries that are kept from one start of the program to the next.

One file for each set of directories, in the user's cache folder. Whatever is wrong with it, it is
as if it were not there: a program that finds it damaged, locked away or of another version reads
the runs, and one that cannot write it goes on. It is replaced as a whole, so of two programs that
use it one reads what the other has written last.

It has blocks of runs, of which each is read when one of its runs is asked for: a screen shows the
newest runs before the others are there.
"""

from __future__ import annotations

import itertools
import os
import time
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

import traintop
from traintop.atomic_file import write_atomically
from traintop.model import Pauses, RunStatus
from traintop.run_columns import Names, shared
from traintop.run_ids import address_of
from traintop.store.files import Entry
from traintop.store.packed_summary import PackedSummary, packed_again
from traintop.store.summary_block import MOST_RUNS, SummaryBlock

_WORTH_KEEPING = 0.2  # seconds that reading took; below it, nothing is gained
_SAVING_INTERVAL = 60.0
_SAVING_SHARE = 100  # saving takes at most a hundredth of the time
_MOST_FILES = 100
_LARGEST = 256 * 1024 * 1024

_Seen = tuple[int, tuple[int, int] | str | None] | str


class ReadRun(NamedTuple):
    """A run as it was read: of which files, in which format, and what they say."""

    entries: Sequence[Entry]
    format: str
    summary: PackedSummary


class _Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    files: list[str] | None  # None: one of its own id
    seen: _Seen  # size and version of its one file, or a digest of that of several
    format: str
    row: int  # in its block
    id: str
    status: RunStatus
    name: str
    start_time: str | None
    pauses: Pauses | None
    problem: str
    file_size: int


class _Loaded(NamedTuple):
    kept: _Kept
    block: SummaryBlock


class _Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    names: Names
    arrays: Sequence[bytes]
    runs: Sequence[_Kept]


class _Place(NamedTuple):
    """Where a block is, in bytes behind the index, or in the file."""

    start: int
    length: int
    checksum: int
    sums: bytes  # of the ids of its runs and their files, each an unsigned integer of 32 bits


class SummaryCache:
    """What was read of runs, by their ids. One thread at a time may use it."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = directories
        self._blocks: dict[int, _Place] | None = None  # not read yet; None: not known yet
        self._block_of: dict[int, int] = {}  # by the sums of the ids of runs and their files
        self._kept: dict[str, _Loaded] = {}  # those that nobody asked for yet
        self._run_of: dict[str, str] = {}  # by the ids of files that are not a run's own
        self._unsaved = 0.0  # seconds that it took to read what is not saved yet
        self._save_at = 0.0
        self._is_complete = False  # what was saved last

    def has(self, run_id: str) -> bool:
        """Whether a run is known that nobody asked for yet."""
        loaded = self._find(run_id)
        return loaded is not None and loaded.kept.id == run_id

    def claim(self, entry: Entry) -> tuple[str, str] | None:
        """The run, and its format, that a file was all of when it was as it is; else ``None``."""
        loaded = self._find(entry.id)
        if loaded is None or not _is_as_seen(loaded.kept, [entry]):
            return None
        return loaded.kept.id, loaded.kept.format

    def take(self, run_id: str, root: str, entries: Sequence[Entry]) -> ReadRun | None:
        """A run whose files are as they were, once; ``None`` if not known.

        Its summary says that it was found below ``root``.
        """
        loaded = self._find(run_id)
        if loaded is None or loaded.kept.id != run_id:
            return None
        del self._kept[run_id]
        kept, block = loaded
        if not _is_as_seen(kept, entries):
            return None
        summary = packed_again(
            id=run_id,
            root=root,
            status=kept.status,
            name=kept.name,
            start_time=kept.start_time,
            pauses=kept.pauses,
            problem=kept.problem,
            file_size=kept.file_size,
            block=block,
            row=kept.row,
        )
        return ReadRun(entries, kept.format, summary)

    def took(self, seconds: float) -> None:
        """Note how long it took to read what is worth keeping."""
        self._unsaved += seconds

    def save(self, runs: Iterable[ReadRun], *, complete: bool) -> None:
        """Save these runs, if that is worth its while by now. Never raises.

        Unless they are ``complete``, what was kept of others stays.
        """
        if complete:
            self._forget()
        now = time.monotonic()
        is_due = now >= self._save_at or (complete and not self._is_complete)
        if self._unsaved < _WORTH_KEEPING or not is_due:
            return
        self._unsaved, self._is_complete = 0.0, complete
        with suppress(Exception):  # a full disk, a folder without permission, an odd value
            self._read_all()
            _write(self._path(), _encoded(runs, self._kept.values()))
        took = time.monotonic() - now
        self._save_at = now + max(_SAVING_INTERVAL, took * _SAVING_SHARE)

    def _find(self, file_id: str) -> _Loaded | None:
        """The run of this id, or the one that a file of this id belongs to."""
        if self._blocks is None:
            self._blocks = {}
            with suppress(Exception):
                self._read_index()
        if self._blocks:
            self._read(self._block_of.get(_sum_of(file_id), -1))
        return self._kept.get(self._run_of.get(file_id, file_id))

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
        for number, place in enumerate(msgspec.msgpack.decode(index, type=list[_Place])):
            self._block_of.update(dict.fromkeys(array("I", place.sums), number))
            blocks[number] = place._replace(start=start + place.start)

    def _read(self, number: int) -> None:
        place = self._blocks.pop(number, None) if self._blocks else None
        if place is None:
            return
        with suppress(Exception):  # of one that is damaged, or replaced since, nothing is known
            with self._path().open("rb") as file:
                file.seek(place.start)
                data = file.read(place.length)
            if zlib.crc32(data) == place.checksum:
                self._take_over(msgspec.msgpack.decode(data, type=_Block))
        if not self._blocks:
            self._block_of = {}

    def _take_over(self, read: _Block) -> None:
        block = SummaryBlock(shared(read.names), read.arrays)
        for one in read.runs:
            self._kept[one.id] = _Loaded(one, block)
            self._run_of.update(dict.fromkeys(one.files or (), one.id))

    def _read_all(self) -> None:
        for number in [*(self._blocks or ())]:
            self._read(number)

    def _forget(self) -> None:
        if self._blocks or self._kept:
            self._blocks, self._block_of, self._kept, self._run_of = {}, {}, {}, {}

    def _path(self) -> Path:
        from platformdirs import user_cache_path

        named = "\n".join(f"{address_of(each)} as {each}" for each in self._directories)
        return user_cache_path("traintop", appauthor=False) / f"summaries_{_digest(named)}"


def _is_as_seen(kept: _Kept, entries: Sequence[Entry]) -> bool:
    """Whether a run is of these files, and these are as they were."""
    if kept.files is None and len(entries) == 1:
        [entry] = entries
        if kept.seen == (entry.size, entry.version):  # as of most
            return entry.id == kept.id
    return kept.seen == _seen(entries) and (kept.files or [kept.id]) == _ids(entries)


def _seen(entries: Sequence[Entry]) -> _Seen:
    """By which it shows whether files are as they were."""
    if len(entries) == 1:
        match entries[0].version:
            case (int(inode), int(modification)):
                return entries[0].size, (inode, modification)
            case str() | None as version:
                return entries[0].size, version
    return _digest("\n".join(sorted(repr(entry[:3]) for entry in entries)))


def _ids(entries: Sequence[Entry]) -> list[str]:
    return sorted(entry.id for entry in entries)


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _sum_of(file_id: str) -> int:
    """A number by which a file is looked up; that two files share one makes one of them unknown."""
    return zlib.crc32(file_id.encode(errors="surrogateescape"))


def _encoded(runs: Iterable[ReadRun], others: Iterable[_Loaded]) -> bytes:
    """The file: the version, where each block is, after its checksum and length, and these."""
    places: list[_Place] = []
    blocks: list[bytes] = []
    for block, loaded in _in_blocks(itertools.chain(map(_kept, runs), others)):
        ids = itertools.chain.from_iterable((one.id, *(one.files or ())) for one in loaded)
        sums = array("I", map(_sum_of, ids)).tobytes()
        data = msgspec.msgpack.encode(_Block(block.names, block.arrays, loaded))
        start = places[-1].start + places[-1].length if places else 0
        places.append(_Place(start, len(data), zlib.crc32(data), sums))
        blocks.append(data)
    index = msgspec.msgpack.encode(places)
    head = (zlib.crc32(index), len(index))
    return b"".join([_version(), *(one.to_bytes(4, "big") for one in head), index, *blocks])


def _in_blocks(runs: Iterable[_Loaded]) -> Iterator[tuple[SummaryBlock, list[_Kept]]]:
    """The runs of each block; of blocks of which few are left, several together."""
    by_block: dict[SummaryBlock, list[_Kept]] = {}
    for kept, block in runs:
        by_block.setdefault(block, []).append(kept)
    left: dict[Names, list[_Loaded]] = {}
    for block, of_block in by_block.items():
        if len(of_block) > MOST_RUNS // 2 and block.is_packed:
            yield block, of_block
        else:
            left.setdefault(block.names, []).extend(_Loaded(one, block) for one in of_block)
    for names, some in left.items():
        for at in range(0, len(some), MOST_RUNS):
            together = SummaryBlock(names)
            rows = [together.add(one.block.row(one.kept.row)) for one in some[at : at + MOST_RUNS]]
            together.pack()
            pairs = zip(some[at : at + MOST_RUNS], rows, strict=True)
            yield together, [msgspec.structs.replace(one.kept, row=row) for one, row in pairs]


def _kept(run: ReadRun) -> _Loaded:
    summary, ids = run.summary, _ids(run.entries)
    kept = _Kept(
        None if ids == [summary.id] else ids,
        _seen(run.entries),
        run.format,
        summary.row,
        summary.id,
        summary.status,
        summary.name,
        summary.start_time,
        summary.pauses,
        summary.problem,
        summary.file_size,
    )
    return _Loaded(kept, summary.block)


def _version() -> bytes:
    return f"{traintop.__version__}\n".encode()


def _write(path: Path, data: bytes) -> None:
    """Replace the file, and forget those that were not written for longest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    files = sorted(path.parent.glob("summaries_*"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_MOST_FILES]:
        old.unlink()
