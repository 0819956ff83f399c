"""Opening log files without ever hanging, and saying in words why one cannot be read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISLNK, "is a symbolic link that leads to no file"),
    (stat.S_ISDIR, "is a directory, not a file"),
    (stat.S_ISFIFO, "is a named pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)

_REASONS = {
    errno.EACCES: "cannot be read: permission denied",
    errno.EPERM: "cannot be read: permission denied",
    errno.ENOENT: "does not exist",
    errno.ENXIO: "is a socket, not a file",
    errno.ESTALE: "was replaced on the network filesystem (stale handle)",
}


class NotAFileError(OSError):
    """The path names something else than a regular file."""


def open_regular(path: Path | str) -> tuple[int, os.stat_result]:
    """A read-only descriptor of a regular file, and its state when it was opened.

    Raises ``OSError``: ``NotAFileError`` for a directory, FIFO, socket or device. Opening
    without blocking matters for a FIFO, which otherwise waits for a writer that never comes.
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


def kind_of(mode: int) -> str:
    """What a file of this mode is, when it is no regular file: "is a directory, not a file"."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "is not a regular file")


def reason_of(error: OSError) -> str:
    """Why a file cannot be read, as words that follow its name."""
    if isinstance(error, NotAFileError):
        return str(error)
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read: {(error.strerror or str(error)).lower()}"


def read_span(descriptor: int, start: int, length: int) -> bytes:
    """The bytes from ``start`` on, fewer than ``length`` only at the end of the file."""
    data = os.pread(descriptor, length, start)
    if len(data) in (0, length):
        return data
    parts = [data]
    while data and length > (got := sum(map(len, parts))):  # network filesystems read short
        data = os.pread(descriptor, length - got, start + got)
        parts.append(data)
    return b"".join(parts)
