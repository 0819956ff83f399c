"""Files of this machine.

This file runs on other machines, too: see :mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import errno
import itertools
import operator
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from traintop.atomic_file import write_atomically
from traintop.mounts import network_filesystem
from traintop.process import has_ended
from traintop.store.files import Entry, FileError, Files, Span
from traintop.store.files.directories import DirectoryWalk
from traintop.store.files.states import (
    NotAFileError,
    entry_of,
    kind_of,
    reason_of,
    unreadable_entry,
)


class LocalFiles(Files):
    """The files of this machine, those of its network filesystems among them."""

    place = ""
    interval = 2.0
    traffic = ""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._is_network: dict[int, bool] = {}

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        """What is below some directories and matches the patterns; see :class:`Files`."""
        return DirectoryWalk(roots, patterns, self._is_on_network)()

    def repeated_walk(
        self, roots: Sequence[str], patterns: tuple[str, ...]
    ) -> Callable[[], Iterator[Entry]]:
        """A walk that leaves out what cannot have changed, but for a look in each minute."""
        return DirectoryWalk(roots, patterns, self._is_on_network, self._clock)

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are now; when they changed is unknown on a network filesystem."""
        return [self._entry_of(file_id) for file_id in ids]

    def _entry_of(self, path: str) -> Entry:
        try:
            state = os.stat(path)
        except OSError as error:
            return unreadable_entry(path, reason_of(error), is_dir=False)
        return entry_of(path, state, self._is_on_network(path, state.st_dev))

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        """Several parts; a file is opened once for those next to each other."""
        parts: list[bytes] = []
        for file_id, of_file in itertools.groupby(spans, operator.itemgetter(0)):
            try:
                descriptor, info = open_regular(file_id)
                try:
                    size = info.st_size
                    parts += [_read_span(descriptor, size, *part) for _, *part in of_file]
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise FileError(reason_of(error)) from error
        return parts

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Nothing: a read costs no round trip."""

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        """Whether a process of this machine has ended."""
        return has_ended(process)

    def close(self) -> None:
        """Nothing is open."""

    def replace(self, file_id: str, data: bytes | None) -> None:
        """Write a small file as a whole, or delete it; a link in place of its folder is refused."""
        path = Path(file_id)
        try:
            if data is not None:
                make_folder(path.parent)
                write_atomically(path, data)
                return
            refuse_link(path.parent)
            with suppress(FileNotFoundError):
                path.unlink()
            with suppress(OSError):
                path.parent.rmdir()  # which only succeeds when it is empty
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FileError(f"cannot be written: {reason}") from error

    def _is_on_network(self, path: str, device: int) -> bool:
        known = self._is_network.get(device)
        if known is None:
            known = self._is_network[device] = network_filesystem(path) is not None
        return known


# ------------------------------------------------------------------------------------ one file


def refuse_link(folder: Path) -> None:
    """Raises ``OSError`` where the folder is none: a link would lead what we write to a place that
    another person chose.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(folder))


def make_folder(folder: Path) -> None:
    """Make a folder beside runs, unless there is one. Raises ``OSError`` that names it."""
    refuse_link(folder)
    with suppress(FileExistsError):
        folder.mkdir()
        with suppress(OSError):
            # Whoever may add runs to the directory may annotate them, whatever our umask is.
            folder.chmod(stat.S_IMODE(folder.parent.stat().st_mode))


def open_regular(path: Path | str) -> tuple[int, os.stat_result]:
    """A read-only descriptor of a regular file, and its state when it was opened.

    Raises ``OSError`` for all else too: a directory, FIFO, socket or device. Opening without
    blocking matters for a FIFO, which otherwise waits for a writer that never comes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise NotAFileError(kind_of(info.st_mode))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, info


def _read_span(descriptor: int, size: int, start: int, length: int) -> bytes:
    """A part of an open file that had this size when it was opened, and may have grown since."""
    data = os.pread(descriptor, length, start)
    while data and len(data) < min(length, size - start):  # network filesystems read short
        more = os.pread(descriptor, length - len(data), start + len(data))
        if not more:
            break
        data += more
    return data
