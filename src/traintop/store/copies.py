"""What a copy of runs consists of, and how a file of this machine is copied while it is written.

A copy is as a reader may find the file at some moment: of a log file of ours the lines up to the
end that its tail vouches for; of a database one file without a log, as of one moment; of any other
file that only grows, a beginning.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import NamedTuple

from traintop.logfile.lines import LONGEST_END, Read, read_ends
from traintop.model import RunStatus
from traintop.run_ids import DATABASES, location_of
from traintop.store.files import Entry, FileError
from traintop.store.files.database import Database
from traintop.store.files.local import LocalFiles, open_regular
from traintop.store.files.states import reason_of
from traintop.store.formats import FILES_BESIDE, run_formats
from traintop.store.formats.traintop import is_run_name
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.sidecars import FOLDER
from traintop.store.sources import wanted_names

_PIECE = 4 << 20  # bytes that are read at once
_ATTEMPTS = 5
_PAUSE = 0.05  # seconds, in which a writer ends what it is at
_DOCUMENT = 32 << 20  # bytes of a file at most that is written anew as a whole


class Copy(NamedTuple):
    """What a file was at one moment. Valid while it is open."""

    size: int
    read: Read

    def pieces(self) -> Iterator[bytes]:
        """All of it."""
        for start in range(0, self.size, _PIECE):
            yield self.read(start, min(_PIECE, self.size - start))


def files_of_runs(catalog: PlaceCatalog, root: str) -> Mapping[str, Entry]:
    """All files of the runs below a root, with what lies beside them, by their paths below it.

    The catalog has been refreshed; ``root`` is a path in its place. In a directory that others may
    write to, a symbolic link may lead to what is private: one that leads to no run is left out.
    """
    patterns = (*wanted_names(run_formats().known), *FILES_BESIDE, f"{FOLDER}/*")
    known, runs = {*catalog.files_of_runs()}, catalog.snapshot.runs
    unreadable = {location_of(run.id).path for run in runs if run.status is RunStatus.UNREADABLE}
    found = {}
    for entry in catalog.files.walk([root], patterns):
        path = PurePath(entry.id)
        is_beside = path.parent.name == FOLDER or any(map(path.match, FILES_BESIDE))
        if (is_beside or entry.id in unreadable) and _is_link(catalog, entry):
            continue
        if not (entry.is_dir or entry.problem) and (entry.id in known or is_beside):
            below = path.relative_to(root) if entry.id != root else PurePath(path.name)
            found[str(below)] = entry
    return found


def _is_link(catalog: PlaceCatalog, entry: Entry) -> bool:
    """Whether a file is a symbolic link; only of files of this machine it is known."""
    return not catalog.files.place and os.path.islink(entry.id)


@contextmanager
def open_copy(path: Path) -> Iterator[Copy]:
    """A copy of a file of this machine.

    Raises ``FileError`` where none can be made, with the reason as words that follow its name.
    """
    if path.suffix in DATABASES:
        yield _copy_in_memory(_database(path))
        return
    try:
        descriptor, info = open_regular(path)
    except OSError as error:
        raise FileError(reason_of(error)) from error
    try:

        def read(start: int, length: int) -> bytes:
            return os.pread(descriptor, length, start)

        if is_run_name(str(path)):
            yield _log_file(descriptor, read)
        elif info.st_size <= _DOCUMENT:
            yield _document(str(path))
        else:
            yield Copy(info.st_size, read)
    finally:
        os.close(descriptor)


def _log_file(descriptor: int, read: Read) -> Copy:
    """One of our log files: its lines stay, and its tail is read once, in one piece.

    One that is torn, as by a crash, is copied as it is.
    """
    for _ in range(_ATTEMPTS):
        size = os.fstat(descriptor).st_size
        lines_end = read_ends(read, size).lines_end
        if lines_end is not None:
            tail = read(lines_end, LONGEST_END)
            copy = Copy(lines_end + len(tail), _with_tail(read, lines_end, tail))
            if read_ends(copy.read, copy.size).lines_end == lines_end:
                return copy
        time.sleep(_PAUSE)
    return Copy(size, read)


def _with_tail(read: Read, tail_at: int, tail: bytes) -> Read:
    def with_tail(start: int, length: int) -> bytes:
        before = read(start, min(length, tail_at - start)) if start < tail_at else b""
        behind = max(start - tail_at, 0)
        return before + tail[behind : behind + length - len(before)]

    return with_tail


def _document(path: str) -> Copy:
    """A small file, which may be written anew as a whole: as it was while it stayed the same.

    One that never does is taken to grow.
    """
    files, whole = LocalFiles(), b""
    for _ in range(_ATTEMPTS):
        before = files.stat(path)
        whole = files.read(path, 0, _DOCUMENT)
        if files.stat(path)[:3] == before[:3]:
            break
        time.sleep(_PAUSE)
    return _copy_in_memory(whole)


def _copy_in_memory(whole: bytes) -> Copy:
    return Copy(len(whole), lambda start, length: whole[start : start + length])


def _database(path: Path) -> bytes:
    problem: Exception = FileError("is being written")
    for _ in range(_ATTEMPTS):
        database = Database(LocalFiles(), str(path), lags=True)
        try:
            return database.whole()
        except FileError as error:
            problem = error
        except (ValueError, sqlite3.Error) as error:
            raise FileError(f"cannot be copied: {error}") from error
        finally:
            database.close()
        time.sleep(_PAUSE)
    raise problem
