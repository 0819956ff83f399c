"""Notes, tags and archive flags that could not be written beside a run: in the user's state folder.

One small file a run, named by a hash of its address, with the address and what a sidecar file has.
They are for this user on this machine; nothing sends them anywhere later.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

import msgspec

from traintop.atomic_file import write_atomically
from traintop.model import Annotations
from traintop.mounts import real_path
from traintop.run_ids import Location

_LARGEST_FILE = 65_536
_MOST_FILES = 10_000
_SETTLING = 2.0
"""Seconds for which a changed folder is read again: two changes may leave one time."""


class _Stored(msgspec.Struct):
    run: str
    note: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    author: str = ""
    time: str = ""


_decoder = msgspec.json.Decoder(_Stored)


class OwnAnnotations:
    """What this user keeps of the runs of a place. One thread looks; another may write."""

    def __init__(self, place: str) -> None:
        from platformdirs import user_state_path

        self._place = place
        self._folder = user_state_path("traintop", appauthor=False) / "annotations"
        self._seen: Hashable = None
        self._by_address: dict[str, Annotations] = {}
        self._names: frozenset[str] = frozenset()  # the last parts of their addresses

    def refresh(self) -> bool:
        """Look at the folder; whether something of it changed."""
        seen = _state_of(self._folder)
        if seen == self._seen and (seen is None or time.time() - seen > _SETTLING):
            return False
        before = self._by_address
        self._by_address = dict(filter(None, map(_read, _files_in(self._folder))))
        self._names = frozenset(address.rpartition("/")[2] for address in self._by_address)
        self._seen = seen
        return self._by_address != before

    def of(self, run_id: str) -> Annotations | None:
        """What is kept of a run, as of the last look."""
        if not self._names or run_id.rpartition("/")[2] not in self._names:
            return None
        return self._by_address.get(self._address(run_id))

    def read(self, run_id: str) -> Annotations | None:
        """What is kept of a run now."""
        found = _read(self._file_of(self._address(run_id)))
        return None if found is None else found[1]

    def write(self, run_id: str, annotations: Annotations | None) -> None:
        """Keep this of a run, or nothing any more. Raises ``OSError`` that names the file."""
        address = self._address(run_id)
        path = self._file_of(address)
        if annotations is None:
            with suppress(OSError):  # what stays is older than what is beside the run
                path.unlink()
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored = _Stored(address, **msgspec.structs.asdict(annotations))
        write_atomically(path, msgspec.json.encode(stored) + b"\n")

    def _address(self, run_id: str) -> str:
        """The same for a run however its directory was named; its sidecar is there, too."""
        if self._place:
            return str(Location(self._place, run_id))
        directory, name = os.path.split(run_id)
        return os.path.join(real_path(directory), name)

    def _file_of(self, address: str) -> Path:
        named = hashlib.sha256(os.fsencode(address)).hexdigest()[:32]
        return self._folder / f"{named}.json"


def _state_of(folder: Path) -> float | None:
    try:
        return os.stat(folder).st_mtime
    except OSError:
        return None


def _files_in(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.glob("*.json"))[:_MOST_FILES]
    return []


def _read(path: Path) -> tuple[str, Annotations] | None:
    """The address of a run and what is kept of it, where a file holds that."""
    try:
        with path.open("rb") as file:
            stored = msgspec.structs.asdict(_decoder.decode(file.read(_LARGEST_FILE)))
    except (OSError, ValueError, RecursionError):
        return None
    return stored.pop("run"), Annotations(**stored)
