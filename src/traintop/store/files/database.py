"""Databases of SQLite that other programs write: read as they are, and left as they are.

The usual way to open one for reading makes files beside a database in WAL mode, and then keeps its
writer from removing them. So which way is taken depends on what lies beside it:

- nothing: nobody is writing. It is read without any lock, and what was read counts only if it is
  the same file afterwards.
- a journal, or a log with its index (``-wal`` and ``-shm``): a writer is at work. It is read under
  SQLite's own locks, by queries that are short.
- a log without an index, a journal whose writer died, a network filesystem, where locks cannot be
  trusted: a copy is read.

Never by ``open``: to close a file drops all locks that this process has on it, those of another
connection too.
"""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from traintop.store.files import FileError
from traintop.store.files.states import reason_of

LOG = "-wal"
"""What the name of a log has behind that of its database."""

_ATTEMPTS = 12
_PAUSE = 0.02
_STAYS = 0.06  # seconds that a log is there whose writer does not only come and go
_LOCK_TIMEOUT = 0.1
_UNDER_LOCK = 1.0  # seconds of a query at most
_LONGEST = 10.0  # of one that keeps nobody waiting
_STEPS_BETWEEN_LOOKS = 10_000  # at the clock
_LONGEST_VALUE = 16 * 1024 * 1024
_LARGEST_COPY = 512 * 1024 * 1024
_MOST_COPIES = 4

_MAIN, _LOG = 0, 1
_BESIDE = ("", LOG, "-journal")

_Stat = tuple[int, int, int] | None
_State = tuple[_Stat, ...]
"""A database and what lies beside it: the inode, size and time of each."""

_TRANSIENT = {
    sqlite3.SQLITE_BUSY: "is locked by its writer",
    sqlite3.SQLITE_LOCKED: "is locked by its writer",
    sqlite3.SQLITE_PROTOCOL: "is locked by its writer",
    sqlite3.SQLITE_INTERRUPT: "takes too long to read",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_IOERR: "cannot be read: input/output error",
    sqlite3.SQLITE_READONLY: "was left by its writer in the midst of a change",
}

_WORTH_ANOTHER_TRY = _TRANSIENT.keys() - {sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR}


class _Copy(NamedTuple):
    state: _State
    folder: tempfile.TemporaryDirectory[str]


_copies: dict[str, _Copy] = {}  # by the paths of databases
_logs: dict[str, tuple[int, float]] = {}  # the inodes of logs, and since when they are known


class Database:
    """One database, until it is closed. One thread at a time may use it."""

    def __init__(self, path: str, *, is_remote: bool) -> None:
        """``is_remote``: it lies on a network filesystem."""
        self._path = os.path.realpath(path)  # beside which its log and its journal are
        self._of_copy = is_remote
        self._connection: sqlite3.Connection | None = None
        self._state: _State = ()  # when it was opened
        self._has_lock = False
        self._stop_at = 0.0

    def close(self) -> None:
        """End the connection, and with it all locks."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def rows(self, query: str, values: Mapping[str, object] | None = None) -> list[Any]:
        """The rows of a query, which should be few. A text in them is valid.

        Raises ``FileError`` where another look may succeed, and ``ValueError`` where not.
        """
        problem: Exception = FileError("is being written")
        for _ in range(_ATTEMPTS):
            try:
                connection = self._opened()
                self._stop_at = time.monotonic() + (_UNDER_LOCK if self._has_lock else _LONGEST)
                rows = connection.execute(query, values or {}).fetchall()
                if not self._must_stay or self._state == _state_of(self._path):
                    return rows
            except FileError as error:
                problem = error
            except sqlite3.Error as error:
                code = _code(error)
                if code not in _WORTH_ANOTHER_TRY and self._state == _state_of(self._path):
                    raise _problem_of(error) from error
                problem = _problem_of(error)
                # It needs a repair, which only a copy gets from us.
                self._of_copy |= code == sqlite3.SQLITE_READONLY
            self.close()
            time.sleep(_PAUSE)
        raise problem

    @property
    def _must_stay(self) -> bool:
        """Whether what is read counts only if the files are the same afterwards."""
        return not (self._has_lock or self._of_copy)

    def _opened(self) -> sqlite3.Connection:
        """The connection; another one if the database has changed behind it."""
        if self._connection is not None:
            if self._has_lock or self._state == _state_of(self._path):
                return self._connection
            self.close()
        self._state = state = _state_of(self._path)
        if state[_MAIN] is None:
            raise FileError("does not exist")
        has_log, has_journal = (each is not None and each[1] > 0 for each in state[1:])
        if has_log and not os.path.exists(f"{self._path}-shm"):
            self._of_copy = True
        self._has_lock = (has_log or has_journal) and not self._of_copy
        if self._of_copy:
            return self._connect(_copied(self._path, state), "mode=rw")
        if not self._writer_stays(state[_LOG]):
            raise FileError("is being written")
        return self._connect(self._path, "mode=ro" if self._has_lock else "mode=ro&immutable=1")

    def _writer_stays(self, log: _Stat) -> bool:
        """Whether a log has been there for long enough: who comes and goes should not meet us."""
        if log is None or not log[1]:
            _logs.pop(self._path, None)
            return True
        inode, since = _logs.setdefault(self._path, (log[0], time.monotonic()))
        if inode != log[0]:
            del _logs[self._path]
        return inode == log[0] and time.monotonic() - since >= _STAYS

    def _connect(self, path: str, options: str) -> sqlite3.Connection:
        address = f"file:{quote(os.path.abspath(path))}?{options}"
        self._connection = connection = sqlite3.connect(
            address, uri=True, timeout=_LOCK_TIMEOUT, isolation_level=None
        )
        connection.text_factory = functools.partial(bytes.decode, errors="replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        connection.set_progress_handler(self._takes_too_long, _STEPS_BETWEEN_LOOKS)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        return connection

    def _takes_too_long(self) -> bool:
        return time.monotonic() > self._stop_at


def _state_of(path: str) -> _State:
    return tuple(_stat(path + suffix) for suffix in _BESIDE)


def _stat(path: str) -> _Stat:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns


def _copied(path: str, state: _State) -> str:
    """A copy of a database and of what lies beside it, all of one moment."""
    known = _copies.get(path)
    if known is None or known.state != state:
        size = sum(each[1] for each in state if each is not None)
        if size > _LARGEST_COPY:
            raise ValueError(
                f"has over {_LARGEST_COPY // 2**20} MB, and would have to be copied to be read"
            )
        known = _Copy(state, tempfile.TemporaryDirectory(prefix="traintop-"))
        try:
            for suffix, each in zip(_BESIDE, state, strict=True):
                if each is not None:
                    shutil.copyfile(path + suffix, os.path.join(known.folder.name, f"db{suffix}"))
        except OSError as error:
            raise FileError(reason_of(error)) from error
        if _state_of(path) != state:
            raise FileError("is being written")
        _copies.pop(path, None)
        _copies[path] = known
        while len(_copies) > _MOST_COPIES:
            del _copies[next(iter(_copies))]
    return os.path.join(known.folder.name, "db")


def _code(error: sqlite3.Error) -> int:
    """The primary code of an error of SQLite; of one of Python's module, that of any error."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _problem_of(error: sqlite3.Error) -> FileError | ValueError:
    reason = _TRANSIENT.get(_code(error))
    return ValueError(f"cannot be read: {error}") if reason is None else FileError(reason)
