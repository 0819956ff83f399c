"""Summaries of runs that are costly to read, kept from one start of the program to the next.

One file for each set of directories, in the user's cache folder. Whatever is wrong with it, it is
as if it were not there: a program that finds it damaged, locked away or of another version reads
the runs, and one that cannot write it goes on. It is replaced as a whole, so of two programs that
use it one reads what the other has written last.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

import traintop
from traintop.atomic_file import write_atomically
from traintop.model import RunSummary
from traintop.store.files import Entry

_WORTH_KEEPING = 0.2  # seconds that reading took; below it, nothing is gained
_SAVING_INTERVAL = 60.0
_SAVING_SHARE = 100  # saving takes at most a hundredth of the time
_MOST_FILES = 100
_LARGEST = 256 * 1024 * 1024


class _Kept(msgspec.Struct, frozen=True, gc=False):
    signature: str
    format: str
    summary: RunSummary


class SummaryCache:
    """What was read of runs, by their ids. One thread at a time may use it."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = directories
        self._kept: dict[str, _Kept] | None = None  # None: not loaded yet
        self._unsaved = 0.0  # seconds that it took to read what is not saved yet
        self._save_at = 0.0

    def has(self, run_id: str) -> bool:
        """Whether anything is kept of a run."""
        return run_id in self._loaded()

    def get(
        self, run_id: str, entries: Sequence[Entry], formats: Collection[str]
    ) -> tuple[str, RunSummary] | None:
        """The format and summary of a run whose files are as they were; ``None`` if not known."""
        kept = self._loaded().get(run_id)
        if kept is None or kept.format not in formats or kept.signature != _signature(entries):
            return None
        return kept.format, kept.summary

    def put(
        self, run_id: str, entries: Sequence[Entry], name: str, summary: RunSummary, took: float
    ) -> None:
        """Keep what was read of a run in so many seconds."""
        self._loaded()[run_id] = _Kept(_signature(entries), name, summary)
        self._unsaved += took

    def save(self, run_ids: Collection[str]) -> None:
        """Save what is kept of these runs, if that is worth its while by now. Never raises."""
        now = time.monotonic()
        if self._unsaved < _WORTH_KEEPING or now < self._save_at:
            return
        kept = {run_id: one for run_id, one in self._loaded().items() if run_id in run_ids}
        self._kept, self._unsaved = kept, 0.0
        with suppress(Exception):  # a full disk, a folder without permission, an odd value
            _write(self._path(), _encoded(kept))
        took = time.monotonic() - now
        self._save_at = now + max(_SAVING_INTERVAL, took * _SAVING_SHARE)

    def _loaded(self) -> dict[str, _Kept]:
        if self._kept is None:
            self._kept = {}
            with suppress(Exception):
                path = self._path()
                if path.stat().st_size <= _LARGEST:
                    self._kept = _decoded(path.read_bytes())
        return self._kept

    def _path(self) -> Path:
        from platformdirs import user_cache_path

        named = "\n".join(f"{os.path.realpath(each)} as {each}" for each in self._directories)
        return user_cache_path("traintop", appauthor=False) / f"summaries_{_digest(named)}"


def _signature(entries: Sequence[Entry]) -> str:
    return _digest("\n".join(sorted(repr(entry[:3]) for entry in entries)))


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _encoded(kept: dict[str, Any]) -> bytes:
    body = traintop.__version__.encode() + b"\n" + msgspec.msgpack.encode(kept)
    return zlib.crc32(body).to_bytes(4, "big") + body


def _decoded(data: bytes) -> dict[str, _Kept]:
    """What a file has; nothing if another version wrote it. Raises for a damaged one."""
    body = data[4:]
    if zlib.crc32(body).to_bytes(4, "big") != data[:4]:
        return {}
    version, _, packed = body.partition(b"\n")
    if version != traintop.__version__.encode():
        return {}
    return msgspec.msgpack.decode(packed, type=dict[str, _Kept])


def _write(path: Path, data: bytes) -> None:
    """Replace the file, and forget those that were not written for longest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)
    files = sorted(path.parent.glob("summaries_*"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_MOST_FILES]:
        old.unlink()
