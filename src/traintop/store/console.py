"""What a command printed that `traintop run` ran: the file beside its run, as lines of text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles
from traintop.store.formats import UnreadableRunError
from traintop.store.sidecars import CONSOLE, sidecar_of
from traintop.text import safe_text

LARGEST_BYTES = 4 << 20
"""As large as its writer lets it become; of a larger one, the end is read."""

_LONGEST_LINE = 2000

_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[ -/]*[0-~])"
    rb"|[\x00\x07\x08]"
)


def without_escapes(data: bytes) -> bytes:
    """What is printed, without colours and what else moves a terminal's cursor."""
    return _ESCAPES.sub(b"", data)


def read_console(run: Path) -> tuple[str, ...] | None:
    """The lines that a run's command printed, safe to be drawn; ``None`` where none are kept.

    The last one is there as far as it is printed. Raises :class:`UnreadableRunError` where the file
    cannot be read.
    """
    reader = ConsoleReader(run)
    reader.follow()
    return reader.lines


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
    """Reads the lines as :func:`read_console` does, and then what is new in them."""

    def __init__(self, run: Path) -> None:
        self.lines: tuple[str, ...] | None = None
        """What is known of them; the tuple is never changed."""
        self._path = sidecar_of(run, CONSOLE)
        self._seen = (0, 0, 0)  # the file as it was
        self._line_at = 0  # where the last line begins

    def follow(self) -> bool:
        """Look at the file; whether there is something new. Raises ``UnreadableRunError``."""
        try:
            info = os.stat(self._path)
        except OSError:
            return False
        seen = (info.st_ino, info.st_size, info.st_mtime_ns)
        if seen == self._seen:
            return False
        known = self.lines or ()
        is_same = info.st_ino == self._seen[0] and info.st_size >= self._seen[1]
        if not is_same or info.st_size - self._line_at > LARGEST_BYTES:
            known, self._line_at = (), max(info.st_size - LARGEST_BYTES, 0)
        try:
            data = LocalFiles().read(str(self._path), self._line_at, 2 * LARGEST_BYTES)
        except FileError as error:
            raise UnreadableRunError(f"{self._path} {error}") from None
        text = without_escapes(data).decode("utf-8", "replace")
        # A bar is drawn after a return, or before one.
        states = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
        lines = [safe_text(state, _LONGEST_LINE) for state in states]
        self.lines = (*known[:-1], *lines)
        self._line_at += data.rfind(b"\n") + 1
        self._seen = seen
        return True
