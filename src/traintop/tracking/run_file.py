"""One run's file on disk, seen from its writer: created once, then written at positions."""

from __future__ import annotations

import contextlib
import errno
import functools
import itertools
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from traintop import logfile
from traintop.logfile.lines import NO_ENDS, lines_crc32, lines_from

_NAME_BYTES = 120  # leaves room in the usual 255 for prefix, time, suffix and extension
_COPY_BYTES = 1 << 20
_LINES_AT_ONCE = 4096
_NUMBER = re.compile(r"(?<=_\d{8}_\d{6})_\d+\Z")
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class RunFileBusyError(RuntimeError):
    """Another process writes this run."""


def file_stem(experiment_name: str, started: datetime) -> str:
    """``experiment_<name>_<YYYYmmdd_HHMMSS>``, with the name made safe for any file system."""
    safe = "".join(c if c.isalnum() or c in "._+=-" else "_" for c in experiment_name)
    safe = re.sub(r"_{2,}", "_", safe).strip("._") or "unnamed"
    safe = safe.encode("utf-8", "ignore")[:_NAME_BYTES].decode("utf-8", "ignore")
    return f"experiment_{safe}_{started:%Y%m%d_%H%M%S}"


class RunFile:
    """An open run file, locked, and the position at which the next flush is due: where lines end.

    Everything here may block on the disk: only the writer's thread calls it.
    """

    def __init__(
        self, path: Path, descriptor: int, head: bytes, position: int, lines: int, crc32: int
    ) -> None:
        self.path = path
        self._descriptor = descriptor
        self._head = head
        self._position = position
        self.lines = lines  # that were written
        self._crc32 = crc32  # of these
        self.lost = 0  # lines that another program took from the file
        self._size = os.fstat(descriptor).st_size
        # On a filesystem that gives one file several numbers, a replaced file goes unnoticed.
        self._is_distinguishable = self._path_is_ours()

    @classmethod
    def create(cls, directory: Path, stem: str, head: bytes, tail: logfile.Tail) -> RunFile:
        """A new file without records; on a clash of names a number is appended to the stem.

        The directory is made if it is missing. Raises ``OSError``.
        """
        path, descriptor = _create(directory / f"{stem}.json")
        try:
            run_file = cls(path, descriptor, head, 0, 0, 0)
            _write(descriptor, head + _encoded(b"", tail, len(head), 0), 0)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        run_file._position = len(head)
        run_file._size = os.fstat(descriptor).st_size
        return run_file

    def write(self, lines: Sequence[bytes], tail: logfile.Tail) -> None:
        """Write lines and what follows them, in one call, and move the position behind the lines.

        Raises ``OSError``; then the position has not moved and the same lines are to be written
        again.
        """
        added = logfile.SEPARATOR.join(lines)
        if added and self._position > len(self._head):
            added = logfile.SEPARATOR + added
        crc32 = _crc32(lines, self._crc32)
        block = _encoded(added, tail, self._position, crc32)
        block = logfile.padded(block, self._size - self._position)
        self._size = max(self._size, self._position + len(block))  # or a part of it
        _write(self._descriptor, block, self._position)
        self._position += len(added)
        self.lines += len(lines)
        self._crc32 = crc32

    def fsync(self) -> None:
        """Wait until the disk has what was written."""
        os.fsync(self._descriptor)

    @property
    def is_truncated(self) -> bool:
        """Whether another program cut off what was written; a write now would leave a hole."""
        return os.fstat(self._descriptor).st_size < self._position

    def restore(self) -> str | None:
        """Restore the file if another program moved or truncated it; returns what was wrong.

        A file that was deleted or moved away is put back, and one whose name leads to another file
        continues under the next free name, each with its whole content. Raises ``OSError``.
        """
        if self.is_truncated:
            return self._recover_from_truncation()
        if not self._is_distinguishable or self._path_is_ours():
            return None
        before = self.path
        path, descriptor = _create(before)
        try:
            offset = 0
            for chunk in read_chunks(self._descriptor, 0, self._position):
                _write(descriptor, chunk, offset)
                offset += len(chunk)
            after = RunFile(path, descriptor, self._head, self._position, self.lines, self._crc32)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        os.close(self._descriptor)
        self.__dict__.update(after.__dict__ | {"lost": self.lost})
        if path == before:
            return f"{before} was deleted or moved away; it was restored with all its records"
        return f"{before} was replaced by another file; the whole run continues in {path}"

    def _path_is_ours(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _recover_from_truncation(self) -> str:
        """Continue after the last whole line that is left, or that was put there."""
        _write(self._descriptor, self._head, 0)
        before, start = self.lines, len(self._head)
        self._position, self.lines = start, 0
        for end in self._ends_of_lines():
            self._position, self.lines = end, self.lines + 1
        read = functools.partial(read_span, self._descriptor)
        self._crc32 = lines_crc32(read, start, self._position)
        self._size = os.fstat(self._descriptor).st_size
        lost = before - self.lines
        self.lost += lost
        return f"{self.path} was truncated by another program; {lost} of its records are lost"

    def _ends_of_lines(self) -> Iterator[int]:
        """Where each line ends that a newline follows, up to a tail."""
        read = functools.partial(read_span, self._descriptor)
        for end, region in lines_from(read, len(self._head), NO_ENDS):
            at = end - len(region)
            for line in region.split(b"\n")[:-1]:
                at += len(line) + 1
                if line.startswith(b"]"):
                    return
                if line.strip(b" "):
                    yield at - len(logfile.SEPARATOR)

    def regions(self) -> Iterator[bytes]:
        """All lines that were written."""
        ends = NO_ENDS._replace(tail=logfile.Tail(), lines_end=self._position)
        read = functools.partial(read_span, self._descriptor)
        return (region for _, region in lines_from(read, len(self._head), ends))

    def close(self) -> None:
        """Give the file and its lock back."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1  # its number may soon be that of another file


def replace_file(
    path: Path, head: bytes, lines: Iterable[bytes], tail: logfile.Tail, *, keep: bool
) -> tuple[RunFile, Path | None]:
    """A file of these lines in the place of another, at once; with ``keep``, a copy of that one.

    Returns the new file, open and locked, and the copy. Raises ``OSError``; then nothing changed.
    """
    # Hidden until it is complete, and in the same directory, so that it can take the name.
    partial = path.with_name(f".traintop-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(partial, _NEW, 0o666)
    try:
        lock(descriptor, partial)
        before = os.stat(path)
        position, count, crc32 = len(head), 0, 0
        _write(descriptor, head, 0)
        for batch in _batches(lines):
            block = logfile.SEPARATOR.join(batch)
            block = logfile.SEPARATOR + block if count else block
            _write(descriptor, block, position)
            position, count = position + len(block), count + len(batch)
            crc32 = _crc32(batch, crc32)
        _write(descriptor, _encoded(b"", tail, position, crc32), position)
        os.fsync(descriptor)
        shutil.copymode(path, partial)
        with contextlib.suppress(OSError):  # only the superuser may give files away
            os.chown(partial, before.st_uid, before.st_gid)
        os.utime(partial, ns=(before.st_atime_ns, before.st_mtime_ns))
        copy = keep_copy(path, "torn") if keep else None
        os.replace(partial, path)
        return RunFile(path, descriptor, head, position, count, crc32), copy
    except BaseException:
        os.close(descriptor)
        partial.unlink(missing_ok=True)
        raise


def _encoded(lines: bytes, tail: logfile.Tail, at: int, crc32: int) -> bytes:
    return logfile.encode_flush(lines, msgspec.structs.replace(tail, lines_crc32=crc32), at)


def _crc32(lines: Sequence[bytes], before: int) -> int:
    """Of lines with a separator behind each."""
    return zlib.crc32(logfile.SEPARATOR.join([*lines, b""]), before)


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    lines = iter(lines)
    while batch := list(itertools.islice(lines, _LINES_AT_ONCE)):
        yield batch


def keep_copy(path: Path, why: str) -> Path:
    """Keeps a file under a second name, which says why, and which no reader takes for a run's."""
    stamp = f"{datetime.now():%Y%m%d_%H%M%S}"
    for number in itertools.count(1):
        suffix = f".{why}-{stamp}{'' if number == 1 else f'_{number}'}.bak"
        copy = path.with_name(path.name + suffix)
        try:
            os.link(path, copy)
        except FileExistsError:
            continue
        except OSError:  # a filesystem without hard links
            shutil.copy2(path, copy)
        return copy
    raise AssertionError


def read_chunks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    """The bytes of an open file between two offsets, in chunks."""
    while start < end:
        chunk = os.pread(descriptor, min(_COPY_BYTES, end - start), start)
        if not chunk:
            return
        start += len(chunk)
        yield chunk


def read_span(descriptor: int, start: int, length: int) -> bytes:
    """A part of an open file; fewer bytes only where it ends."""
    return b"".join(read_chunks(descriptor, start, start + length))


def _create(wanted: Path) -> tuple[Path, int]:
    """A new file, locked; if its name is taken, with a number behind the time in it."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    path, stem = wanted, _NUMBER.sub("", wanted.stem)
    for number in itertools.count(2):
        try:
            descriptor = os.open(path, _NEW, 0o666)
        except FileExistsError:
            path = wanted.with_stem(f"{stem}_{number}")
            continue
        lock(descriptor, path)
        return path, descriptor
    raise AssertionError


def _write(descriptor: int, block: bytes, offset: int) -> None:
    written, view = 0, memoryview(block)
    while written < len(block):  # a disk that fills up takes a part first
        more = os.pwrite(descriptor, view[written:], offset + written)
        if more == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written += more


def lock(descriptor: int, path: Path) -> None:
    """Keep other writers out while this process lives; does nothing on filesystems without locks.

    Raises ``RunFileBusyError`` when another process has the lock.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise RunFileBusyError(f"{path} is being written by another process") from None
