"""Summaries that are kept from one start of the program to the next.

One file for each set of directories, in the user's cache folder. Whatever is wrong with it, it is
as if it were not there: a program that finds it damaged, locked away or of another version reads
the runs, and one that cannot write it goes on. It is replaced as a whole, so of two programs that
use it one reads what the other has written last.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import traintop
from traintop.atomic_file import write_atomically
from traintop.model import Pauses, RunStatus
from traintop.run_columns import Names, shared
from traintop.run_ids import address_of
from traintop.store.files import Entry
from traintop.store.packed_summary import PackedSummary, packed_again

_WORTH_KEEPING = 0.2  # seconds that reading took; below it, nothing is gained
_SAVING_INTERVAL = 60.0
_SAVING_SHARE = 100  # saving takes at most a hundredth of the time
_MOST_FILES = 100
_LARGEST = 256 * 1024 * 1024
_IN_A_PORTION = 1000  # between two of which other threads have their turn


class ReadRun(NamedTuple):
    """A run as it was read: of which files, in which format, and what they say."""

    entries: Sequence[Entry]
    format: str
    summary: PackedSummary


class _Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    files: list[str] | None  # None: one of its own id
    seen: Any  # size and version of its one file, or a digest of that of several
    format: str
    packed: bytes
    dictionary: int  # its place in the portion
    names: int  # the same
    id: str
    status: RunStatus
    name: str
    start_time: str | None
    pauses: Pauses | None
    problem: str
    file_size: int


class _Loaded(NamedTuple):
    kept: _Kept
    dictionary: bytes
    names: Names


class _Portion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    dictionaries: list[bytes]
    names: list[Names]
    runs: list[_Kept]


class SummaryCache:
    """What was read of runs, by their ids. One thread at a time may use it."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = directories
        # Those that nobody asked for yet; None: not loaded yet.
        self._kept: dict[str, _Loaded] | None = None
        self._run_of: dict[str, str] = {}  # by the ids of files that are not a run's own
        self._unsaved = 0.0  # seconds that it took to read what is not saved yet
        self._save_at = 0.0
        self._is_complete = False  # what was saved last

    def has(self, run_id: str) -> bool:
        """Whether a run is known that nobody asked for yet."""
        return run_id in self._loaded()

    def claim(self, entry: Entry) -> tuple[str, str] | None:
        """The run, and its format, that a file was all of when it was as it is; else ``None``."""
        known = self._loaded()
        run_id = self._run_of.get(entry.id, entry.id)
        loaded = known.get(run_id)
        if loaded is None or loaded.kept.seen != _seen([entry]):
            return None
        return run_id, loaded.kept.format

    def take(
        self, run_id: str, entries: Sequence[Entry], formats: Collection[str]
    ) -> ReadRun | None:
        """A run whose files are as they were, once; ``None`` if not known."""
        loaded = self._loaded().pop(run_id, None)
        if loaded is None or loaded.kept.format not in formats:
            return None
        kept, dictionary, names = loaded
        if kept.seen != _seen(entries) or (kept.files or [run_id]) != _ids(entries):
            return None
        summary = packed_again(
            id=run_id,
            status=kept.status,
            name=kept.name,
            start_time=kept.start_time,
            pauses=kept.pauses,
            problem=kept.problem,
            file_size=kept.file_size,
            packed=kept.packed,
            dictionary=dictionary,
            names=names,
        )
        return ReadRun(entries, kept.format, summary)

    def took(self, seconds: float) -> None:
        """Note how long it took to read what is worth keeping."""
        self._unsaved += seconds

    def save(self, runs: Iterable[ReadRun], *, complete: bool) -> None:
        """Save these runs, if that is worth its while by now. Never raises.

        Unless they are ``complete``, what was kept of others stays.
        """
        if complete and self._kept:
            self._kept, self._run_of = {}, {}
        now = time.monotonic()
        is_due = now >= self._save_at or (complete and not self._is_complete)
        if self._unsaved < _WORTH_KEEPING or not is_due:
            return
        self._unsaved, self._is_complete = 0.0, complete
        with suppress(Exception):  # a full disk, a folder without permission, an odd value
            _write(self._path(), _encoded(runs, self._loaded().values()))
        took = time.monotonic() - now
        self._save_at = now + max(_SAVING_INTERVAL, took * _SAVING_SHARE)

    def _loaded(self) -> dict[str, _Loaded]:
        if self._kept is None:
            self._kept = {}
            with suppress(Exception):
                path = self._path()
                if path.stat().st_size <= _LARGEST:
                    self._kept = _decoded(path.read_bytes())
            for run_id, loaded in self._kept.items():
                self._run_of.update(dict.fromkeys(loaded.kept.files or (), run_id))
        return self._kept

    def _path(self) -> Path:
        from platformdirs import user_cache_path

        named = "\n".join(f"{address_of(each)} as {each}" for each in self._directories)
        return user_cache_path("traintop", appauthor=False) / f"summaries_{_digest(named)}"


def _seen(entries: Sequence[Entry]) -> object:
    """By which it shows whether files are as they were."""
    if len(entries) > 1:
        return _digest("\n".join(sorted(repr(entry[:3]) for entry in entries)))
    version = entries[0].version
    return [entries[0].size, [*version] if isinstance(version, tuple) else version]


def _ids(entries: Sequence[Entry]) -> list[str]:
    return sorted(entry.id for entry in entries)


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _encoded(runs: Iterable[ReadRun], others: Iterable[_Loaded]) -> bytes:
    """The file: a checksum, the version, and portions, each after its length."""
    parts = [f"{traintop.__version__}\n".encode()]
    loaded = itertools.chain(map(_kept, runs), others)
    while some := list(itertools.islice(loaded, _IN_A_PORTION)):
        places: dict[bytes, int] = {}
        names: dict[Names, int] = {}
        placed = [
            msgspec.structs.replace(
                one.kept,
                dictionary=places.setdefault(one.dictionary, len(places)),
                names=names.setdefault(one.names, len(names)),
            )
            for one in some
        ]
        portion = msgspec.msgpack.encode(_Portion([*places], [*names], placed))
        parts += [len(portion).to_bytes(4, "big"), portion]
    body = b"".join(parts)
    return zlib.crc32(body).to_bytes(4, "big") + body


def _kept(run: ReadRun) -> _Loaded:
    summary, ids = run.summary, _ids(run.entries)
    kept = _Kept(
        None if ids == [summary.id] else ids,
        _seen(run.entries),
        run.format,
        summary.packed,
        0,
        0,
        summary.id,
        summary.status,
        summary.name,
        summary.start_time,
        summary.pauses,
        summary.problem,
        summary.file_size,
    )
    return _Loaded(kept, summary.dictionary, summary.names)


def _decoded(data: bytes) -> dict[str, _Loaded]:
    """What a file has; nothing if another version wrote it. Raises for a damaged one."""
    body = memoryview(data)[4:]
    if zlib.crc32(body).to_bytes(4, "big") != data[:4]:
        return {}
    version = f"{traintop.__version__}\n".encode()
    if body[: len(version)] != version:
        return {}
    dictionaries: dict[bytes, bytes] = {}  # those of several portions are kept once
    loaded: dict[str, _Loaded] = {}
    for packed in _portions(body[len(version) :]):
        portion = msgspec.msgpack.decode(packed, type=_Portion)
        own = [dictionaries.setdefault(one, one) for one in portion.dictionaries]
        names = [shared(one) for one in portion.names]
        for one in portion.runs:
            loaded[one.id] = _Loaded(one, own[one.dictionary], names[one.names])
    return loaded


def _portions(body: memoryview) -> Iterator[memoryview]:
    while body:
        end = 4 + int.from_bytes(body[:4], "big")
        yield body[4:end]
        body = body[end:]


def _write(path: Path, data: bytes) -> None:
    """Replace the file, and forget those that were not written for longest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    files = sorted(path.parent.glob("summaries_*"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_MOST_FILES]:
        old.unlink()
