"""What is remembered about roots between two visits: plain data in the user's state folder.

One small JSON file holds it for those used last; it never grows beyond that. A file with
any other content counts as empty, and one that cannot be written only means that the next visit
starts afresh.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from traintop.atomic_file import write_atomically
from traintop.run_ids import address_of

MOST_DIRECTORIES = 200

_LARGEST_FILE = 4_000_000
_LARGEST_ENTRY = 16_384

_decoder = msgspec.json.Decoder(dict[str, dict[str, Any]])


def memory_path() -> Path:
    """The file in the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("traintop", appauthor=False) / "views.json"


class DirectoryMemory:
    """What is remembered about one set of roots. Safe to use from any thread."""

    def __init__(self, path: Path, roots: Sequence[str | os.PathLike[str]]) -> None:
        self._path = path
        self._key = os.pathsep.join(address_of(os.fspath(root)) for root in roots)
        self._lock = Lock()
        self._known: dict[str, Any] = {}

    def recall(self) -> Mapping[str, Any]:
        """What was remembered last; empty if nothing was. Never raises."""
        with self._lock:
            self._known = self._read().get(self._key, {})
            return self._known

    def remember(self, data: Mapping[str, Any]) -> None:
        """Remember this plain data instead of what was. Never raises."""
        with self._lock:
            if data == self._known:
                return
            self._known = dict(data)
            # Read again: another traintop may have written meanwhile.
            others = {key: seen for key, seen in self._read().items() if key != self._key}
            kept = list(others.items())[-MOST_DIRECTORIES + 1 :]
            try:
                if len(msgspec.json.encode(data)) > _LARGEST_ENTRY:
                    return
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(self._path, msgspec.json.encode(dict([*kept, (self._key, data)])))
            except (OSError, ValueError, TypeError):
                return  # nothing that matters depends on it

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                data = file.read(_LARGEST_FILE + 1)
            return _decoder.decode(data) if len(data) <= _LARGEST_FILE else {}
        except (OSError, ValueError, RecursionError):
            return {}
