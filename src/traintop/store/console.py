"""What a command printed that `traintop run` ran: the file beside its run, as lines of text."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path, PurePath

from traintop.store.files import AwayError, FileError, Files
from traintop.store.files.local import LocalFiles
from traintop.store.formats import UnreadableRunError
from traintop.store.sidecars import CONSOLE, sidecar_of
from traintop.text import safe_text

LARGEST_BYTES = 4 << 20
"""As large as its writer lets it become; of a larger one, the end is read."""

LOOK_SECONDS = 0.5
"""From one look to the next, where a look costs nothing."""

_LONGEST_LINE = 2000

_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[ -/]*[0-~])"
    rb"|[\x00\x07\x08]"
)


def without_escapes(data: bytes) -> bytes:
    """What is printed, without colours and what else moves a terminal's cursor."""
    return _ESCAPES.sub(b"", data)


def end_of_console(run: Path, length: int) -> bytes:
    """The last whole lines that a run's command printed, up to so many bytes; a link is none."""
    path = sidecar_of(run, CONSOLE)
    if path.is_symlink() or not path.is_file():
        return b""
    try:
        data = LocalFiles().read(str(path), max(path.stat().st_size - length, 0), length)
    except (FileError, OSError):
        return b""
    return data if len(data) < length else data[data.find(b"\n") + 1 :]


class ConsoleReader:
    """The lines that a run's command printed, safe to be drawn, and then what is new in them."""

    def __init__(self, files: Files, run_id: str) -> None:
        self.lines: tuple[str, ...] | None = None
        """What is known of them, the last one as far as it is printed; ``None`` where none are
        kept. The tuple is never changed."""
        self._files = files
        self._id = str(sidecar_of(PurePath(run_id), CONSOLE))
        self._inode: Hashable = None
        self._size = 0  # of what was read
        self._version: Hashable = None
        self._line_at = 0  # where the last line begins

    @property
    def interval(self) -> float:
        """Seconds from one look to the next; those at another place are round trips, or money."""
        return self._files.interval if self._files.place else LOOK_SECONDS

    def follow(self) -> bool:
        """Look at the file; whether there is something new. Raises ``UnreadableRunError``."""
        try:
            entry = self._files.stat(self._id)
        except AwayError as error:
            raise UnreadableRunError(f"{self._id} cannot be read now: {error}") from None
        except FileError:
            return False
        if (entry.version, entry.size) == (self._version, self._size):
            return False
        known = self.lines or ()
        is_same = entry.inode == self._inode and entry.size >= self._size
        if not is_same or entry.size - self._line_at > LARGEST_BYTES:
            known, self._line_at = (), max(entry.size - LARGEST_BYTES, 0)
        try:
            data = self._files.read(self._id, self._line_at, 2 * LARGEST_BYTES)
        except FileError as error:
            raise UnreadableRunError(f"{self._id} {error}") from None
        text = without_escapes(data).decode("utf-8", "replace")
        # A bar is drawn after a return, or before one.
        states = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
        lines = [safe_text(state, _LONGEST_LINE) for state in states]
        self.lines = (*known[:-1], *lines)
        # It may have grown since, or what was read may be older.
        self._size = self._line_at + len(data)
        self._line_at += data.rfind(b"\n") + 1
        self._inode, self._version = entry.inode, entry.version
        return True
