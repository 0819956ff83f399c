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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

import traintop
from traintop.atomic_file import write_atomically
from traintop.model import Annotations, Pauses, RunStatus, RunSummary
from traintop.run_columns import Names, shared
from traintop.run_ids import address_of, parts_of
from traintop.store.files import Entry
from traintop.store.packed_summary import PackedSummary, packed_again
from traintop.store.summary_block import MOST_RUNS, SummaryBlock

_WORTH_KEEPING = 0.2  # seconds that reading took; below it, nothing is gained
_MANY = 100  # runs that are not saved yet, at most
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
    shown: RunSummary
    """As others see it: whether it is alive, and what people added."""


class KeptRun(NamedTuple):
    """A run as it was when it was kept, in the same words."""

    files: Sequence[str]
    format: str
    summary: PackedSummary
    shown: RunSummary


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
    shown: RunStatus
    annotations: Annotations


class _Loaded(NamedTuple):
    kept: _Kept
    summary: PackedSummary
    shown: RunSummary


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
        self._kept: dict[str, _Loaded] = {}  # those that nobody asked for yet
        self._run_of: dict[str, str] = {}  # by the ids of files that are not a run's own
        self._unsaved = 0.0  # seconds that it took to read what is not saved yet
        self._unsaved_runs = 0
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

    def take(self, run_id: str, entries: Sequence[Entry]) -> KeptRun | None:
        """A run whose files are as they were, once; else ``None``."""
        loaded = self._find(run_id)
        if loaded is None or loaded.kept.id != run_id:
            return None
        del self._kept[run_id]
        return _as_kept(loaded) if _is_as_seen(loaded.kept, entries) else None

    def runs(self) -> dict[str, KeptRun]:
        """All runs as they were when all were saved, none if not.

        Without those that ran then, and those that share a file, of which only a look tells.
        """
        self._read_all()
        if not self._is_complete:
            return {}
        return {
            run_id: _as_kept(loaded)
            for run_id, loaded in self._kept.items()
            if loaded.shown.status is not RunStatus.RUNNING and not parts_of(run_id)[1]
        }

    def took(self, seconds: float) -> None:
        """Note how long it took to read a run that is worth keeping."""
        self._unsaved += seconds
        self._unsaved_runs += 1

    def save(self, runs: Iterable[ReadRun], *, complete: bool) -> None:
        """Save these runs, if that is worth its while by now. Never raises.

        Unless they are ``complete``, what was kept of others stays.
        """
        if complete and self._forget():
            self._unsaved_runs = _MANY
        now = time.monotonic()
        is_due = now >= self._save_at or (complete and not self._is_complete)
        is_worth_it = self._unsaved >= _WORTH_KEEPING or self._unsaved_runs >= _MANY
        if not (is_worth_it and is_due):
            return
        self._unsaved, self._unsaved_runs, self._is_complete = 0.0, 0, complete
        with suppress(Exception):  # a full disk, a folder without permission, an odd value
            self._read_all()
            _write(self._path(), _encoded(runs, self._kept.values(), is_complete=complete))
        took = time.monotonic() - now
        self._save_at = now + max(_SAVING_INTERVAL, took * _SAVING_SHARE)

    def _find(self, file_id: str) -> _Loaded | None:
        """The run of this id, or the one that a file of this id belongs to."""
        if self._known_blocks():
            self._read(self._block_of.get(_sum_of(file_id), -1))
        return self._kept.get(self._run_of.get(file_id, file_id))

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
            self._take_over(msgspec.msgpack.decode(data, type=_Block))
        except Exception:  # of what is damaged, or was replaced since, nothing is known
            self._is_complete = False
        if not self._blocks:
            self._block_of = {}

    def _take_over(self, read: _Block) -> None:
        block = SummaryBlock(shared(read.names), read.arrays)
        for one in read.runs:
            summary = packed_again(
                id=one.id,
                root=self._root_of(one.id),
                status=one.status,
                name=one.name,
                start_time=one.start_time,
                pauses=one.pauses,
                problem=one.problem,
                file_size=one.file_size,
                block=block,
                row=one.row,
            )
            shown: RunSummary = summary
            if (one.shown, one.annotations) != (summary.status, summary.annotations):
                shown = replace(summary, status=one.shown, annotations=one.annotations)
            self._kept[one.id] = _Loaded(one, summary, shown)
            self._run_of.update(dict.fromkeys(one.files or (), one.id))

    def _read_all(self) -> None:
        for number in [*self._known_blocks()]:
            self._read(number)

    def _forget(self) -> bool:
        """Forget the runs that nobody asked for; whether there were any."""
        if not (self._blocks or self._kept):
            return False
        self._blocks, self._block_of, self._kept, self._run_of = {}, {}, {}, {}
        return True

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


def _encoded(runs: Iterable[ReadRun], others: Iterable[_Loaded], *, is_complete: bool) -> bytes:
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
    index = msgspec.msgpack.encode(_Index(is_complete, places))
    head = (zlib.crc32(index), len(index))
    return b"".join([_version(), *(one.to_bytes(4, "big") for one in head), index, *blocks])


def _in_blocks(runs: Iterable[_Loaded]) -> Iterator[tuple[SummaryBlock, list[_Kept]]]:
    """The runs of each block; of blocks of which few are left, several together."""
    by_block: dict[SummaryBlock, list[_Kept]] = {}
    for kept, summary, _ in runs:
        by_block.setdefault(summary.block, []).append(kept)
    left: dict[Names, list[tuple[SummaryBlock, _Kept]]] = {}
    for block, of_block in by_block.items():
        if len(of_block) > MOST_RUNS // 2 and block.is_packed:
            yield block, of_block
        else:
            left.setdefault(block.names, []).extend((block, one) for one in of_block)
    for names, some in left.items():
        for at in range(0, len(some), MOST_RUNS):
            together, moved = SummaryBlock(names), []
            for block, one in some[at : at + MOST_RUNS]:
                row = together.add(block.row(one.row))
                moved.append(replace(one, row=row))
            together.pack()
            yield together, moved


def _as_kept(loaded: _Loaded) -> KeptRun:
    kept, summary, shown = loaded
    return KeptRun(kept.files or [kept.id], kept.format, summary, shown)


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
        run.shown.status,
        run.shown.annotations,
    )
    return _Loaded(kept, summary, run.shown)


def _version() -> bytes:
    return f"{traintop.__version__}\n".encode()


def _write(path: Path, data: bytes) -> None:
    """Replace the file, and forget those that were not written for longest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    files = sorted(path.parent.glob("summaries_*"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_MOST_FILES]:
        old.unlink()
