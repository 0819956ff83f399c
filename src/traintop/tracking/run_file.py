"""One run's file on disk, seen from its writer: created once, then written at positions."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from traintop import logfile

_NAME_BYTES = 120  # leaves room in the usual 255 for prefix, time, suffix and extension
_COPY_BYTES = 1 << 20


class RunFileBusyError(RuntimeError):
    """Another process writes this run."""


def file_stem(experiment_name: str, started: datetime) -> str:
    """``experiment_<name>_<YYYYmmdd_HHMMSS>``, with the name made safe for any file system."""
    safe = "".join(c if c.isalnum() or c in "._+=-" else "_" for c in experiment_name)
    safe = re.sub(r"_{2,}", "_", safe).strip("._") or "unnamed"
    safe = safe.encode("utf-8", "ignore")[:_NAME_BYTES].decode("utf-8", "ignore")
    return f"experiment_{safe}_{started:%Y%m%d_%H%M%S}"


class RunFile:
    """An open run file and the position at which the next flush is due.

    Everything here may block on the disk: only the writer's thread calls it.
    """

    def __init__(self, path: Path, descriptor: int, position: int, size: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._position = position
        self._records_at = position
        self._size = size

    @classmethod
    def create(cls, directory: Path, stem: str, head: bytes, tail: bytes) -> RunFile:
        """A new file without records; on a clash of names a number is appended to the stem.

        The directory is made if it is missing. Raises ``OSError``.
        """
        directory.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = directory / f"{stem if number == 1 else f'{stem}_{number}'}.json"
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                number += 1
                continue
            run_file = cls(path, descriptor, 0, 0)
            try:
                _lock(descriptor, path)
                run_file.write(head, tail)
                run_file._records_at = len(head)
            except BaseException:
                os.close(descriptor)
                path.unlink(missing_ok=True)
                raise
            return run_file

    @classmethod
    def reopen(cls, path: Path) -> RunFile:
        """The file of a run that goes on; ``resume_at`` must follow.

        Raises ``RunFileBusyError`` while another process writes it, and ``OSError``.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _lock(descriptor, path)
            return cls(path, descriptor, 0, os.fstat(descriptor).st_size)
        except BaseException:
            os.close(descriptor)
            raise

    def resume_at(self, position: int, records_at: int) -> None:
        """Write from this position on; the records before it start at ``records_at``."""
        self._position = position
        self._records_at = records_at

    def write(self, settled: bytes, rest: bytes) -> None:
        """Write both parts at the position, in one call, and move it behind ``settled``.

        ``rest`` ends the document and is written over next time. Raises ``OSError``; then the
        position has not moved and the same parts are to be written again.
        """
        block = settled + rest
        wanted = self._size - self._position
        if 0 < len(block) < wanted:
            block = logfile.padded(block, wanted)
        written, view = 0, memoryview(block)
        while written < len(block):  # a disk that fills up takes a part first
            more = os.pwrite(self._descriptor, view[written:], self._position + written)
            if more == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written += more
            self._size = max(self._size, self._position + written)
        self._position += len(settled)

    def close_gap(self, start: int, end: int) -> None:
        """Have blanks between two records, in place of what a lost block of the disk left."""
        separator = b",\n" if start > self._records_at else b"\n"
        os.pwrite(self._descriptor, separator.ljust(end - start), start)

    @property
    def size(self) -> int:
        """Bytes that the file has."""
        return self._size

    def settled_records(self) -> Iterator[bytes]:
        """The records before the position, in chunks."""
        return self.read(self._records_at, self._position)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes between two offsets, in chunks."""
        while start < end:
            chunk = os.pread(self._descriptor, min(_COPY_BYTES, end - start), start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk

    def synchronise(self) -> None:
        """Wait until the disk has what was written."""
        os.fsync(self._descriptor)

    def restore_if_deleted(self) -> bool:
        """Put a deleted file back under its name, with all it held; whether that was needed.

        The records of a run that trains must outlive its log directory. Raises ``OSError``,
        also ``FileExistsError`` when another file took the name meanwhile.
        """
        if os.fstat(self._descriptor).st_nlink > 0:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        replacement = os.open(self.path, flags, 0o666)
        try:
            _lock(replacement, self.path)
            for chunk in self.read(0, self._position):
                while chunk:
                    chunk = chunk[os.write(replacement, chunk) :]
        except BaseException:
            os.close(replacement)
            self.path.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self._descriptor = replacement
        self._size = self._position
        return True

    def close(self) -> None:
        """Give the file and its lock back."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1  # its number may soon be that of another file


def _lock(descriptor: int, path: Path) -> None:
    """Keep other writers out while this process lives. Filesystems without locks are let pass."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunFileBusyError(f"{path} is being written by another process") from None
