"""What a command printed that `traintop run` ran: the sidecar file, as lines of text."""

from __future__ import annotations

import re
from pathlib import Path

from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles
from traintop.store.formats import UnreadableRunError
from traintop.store.sidecars import CONSOLE, sidecar_of
from traintop.text import safe_text

LARGEST_BYTES = 4 << 20
"""As large as its writer lets it become; of a larger one, the end is read."""

LONGEST_LINE = 2000

_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[ -/]*[0-~])"
    rb"|[\x00\x07\x08]"
)


def without_escapes(data: bytes) -> bytes:
    """What is printed, without colours and what else moves a terminal's cursor."""
    return _ESCAPES.sub(b"", data) if b"\x1b" in data or b"\x08" in data else data


def read_console(run: Path) -> tuple[str, ...] | None:
    """The lines that a run's command printed, safe to be drawn; ``None`` where none are kept.

    The last one is there as far as it is printed. Raises :class:`UnreadableRunError` where the file
    cannot be read.
    """
    path = sidecar_of(run, CONSOLE)
    try:
        start = max(path.stat().st_size - LARGEST_BYTES, 0)
    except OSError:
        return None
    try:
        data = LocalFiles().read(str(path), start, 2 * LARGEST_BYTES)
    except FileError as error:
        raise UnreadableRunError(f"{path} {error}") from None
    text = without_escapes(data).decode("utf-8", "replace")
    return tuple(safe_text(line.rpartition("\r")[2], LONGEST_LINE) for line in text.split("\n"))
