"""What the operating system says of a file, as an entry or as a reason.

This file runs on other machines, too: see :mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import errno
import os
import stat

from traintop.store.files import MISSING, Entry

_KINDS = (
    (stat.S_ISLNK, "is a broken symbolic link"),
    (stat.S_ISDIR, "is a directory, not a file"),
    (stat.S_ISFIFO, "is a named pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)

_REASONS = {
    errno.EACCES: "cannot be read: permission denied",
    errno.EPERM: "cannot be read: permission denied",
    errno.ENOENT: MISSING,
    errno.ENOTDIR: MISSING,
    errno.ENXIO: "is a socket, not a file",
    errno.ESTALE: "was replaced on the network filesystem (stale handle)",
}


class NotAFileError(OSError):
    """The path names something else than a regular file."""


def entry_of(path: str, state: os.stat_result, lags: bool) -> Entry:
    """A file or directory in this state; when it changed is not known of one that ``lags``."""
    mode, inode = state.st_mode, state.st_ino
    is_dir = stat.S_ISDIR(mode)
    problem = "" if is_dir or stat.S_ISREG(mode) else kind_of(mode)
    version, changed = (inode, state.st_mtime_ns), None if lags else state.st_mtime
    return Entry(path, state.st_size, version, changed, is_dir, inode, lags, problem)


def unreadable_entry(path: str, reason: str, *, is_dir: bool = True) -> Entry:
    """A file or directory that cannot be looked at, and why."""
    return Entry(path, 0, None, None, is_dir, problem=reason)


def reason_of(error: OSError) -> str:
    """Why a file cannot be read, as words that follow its name."""
    if isinstance(error, NotAFileError):
        return str(error)
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read: {(error.strerror or str(error)).lower()}"


def kind_of(mode: int) -> str:
    """What a file of this mode is, when it is no regular file: "is a directory, not a file"."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "is not a regular file")
