"""Databases of SQLite that other programs write: read as they are, and left as they are.

The usual way to open one for reading makes files beside a database in WAL mode, and then keeps its
writer from removing them. So which way is taken depends on what lies beside it:

- nothing: nobody is writing. It is read without any lock, and what was read counts only if it is
  the same file afterwards.
- a journal, or a log with its index (``-wal`` and ``-shm``): a writer is at work. It is read under
  SQLite's own locks, by queries that are short.
- a log without an index, a journal whose writer died, a network filesystem, where locks cannot be
  trusted, another machine: a copy is read.

Never by ``open``: to close a file drops all locks that this process has on it, those of another
connection too.
"""

from __future__ import annotations

import functools
import os
import sqlite3
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from traintop.store.files import AwayError, FileError, Files
from traintop.store.files.database_copies import Copy, State, copy_of, state_of

_ATTEMPTS = 12
_PAUSE = 0.02
_STAYS = 0.06  # seconds that a log is there whose writer does not only come and go
_LOCK_TIMEOUT = 0.1
_UNDER_LOCK = 1.0  # seconds of a query at most
_LONGEST = 10.0  # of one that keeps nobody waiting
_STEPS_BETWEEN_LOOKS = 10_000  # at the clock
_LONGEST_VALUE = 16 * 1024 * 1024
_MAIN, _LOG = 0, 1  # in a state

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


_logs: dict[str, tuple[int, float]] = {}  # the inodes of logs, and since when they are known


class Database:
    """One database, until it is closed. One thread at a time may use it."""

    def __init__(self, files: Files, path: str, *, lags: bool) -> None:
        """``lags``: it lies on a network filesystem."""
        self._files = files
        # Beside which its log and its journal are.
        self._path = path if files.place else os.path.realpath(path)
        self._of_copy = lags or bool(files.place)
        self._copy: Copy | None = None
        self._connection: sqlite3.Connection | None = None
        self._state: State = ()  # when it was opened
        self._has_lock = False
        self._stop_at = 0.0
        self.is_current = True
        """Whether it was looked at whether there is something newer."""

    @property
    def state(self) -> State:
        """Of which state it is what is read."""
        self._opened()
        return self._state

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
        for _ in range(1 if self._files.place else _ATTEMPTS):
            try:
                connection = self._opened()
                self._stop_at = time.monotonic() + (_UNDER_LOCK if self._has_lock else _LONGEST)
                rows = connection.execute(query, values or {}).fetchall()
                if not self._must_stay or self._state == state_of(self._files, self._path):
                    return rows
            except AwayError:
                raise
            except FileError as error:
                problem = error
            except sqlite3.Error as error:
                code = _code(error)
                if code not in _WORTH_ANOTHER_TRY and self._state == state_of(
                    self._files, self._path
                ):
                    raise _problem_of(error) from error
                problem = _problem_of(error)
                # It needs a repair, which only a copy gets from us.
                self._of_copy |= code == sqlite3.SQLITE_READONLY
            self.close()
            time.sleep(_PAUSE)
        raise problem

    def whole(self) -> bytes:
        """The database as one file, with all that its log has."""
        return self._opened().serialize()

    @property
    def _must_stay(self) -> bool:
        """Whether what is read counts only if the files are the same afterwards."""
        return not (self._has_lock or self._of_copy)

    def _opened(self) -> sqlite3.Connection:
        """The connection; another one if the database has changed behind it."""
        if self._connection is not None:
            stays = self._has_lock or self._files.place
            if stays or self._state == state_of(self._files, self._path):
                return self._connection
            self.close()
        if not self._of_copy:
            self._state = state = state_of(self._files, self._path)
            if state[_MAIN] is None:
                raise FileError("does not exist")
            has_log, has_journal = (each is not None and each[0] > 0 for each in state[1:])
            self._has_lock = has_log or has_journal
            self._of_copy = has_log and not os.path.exists(f"{self._path}-shm")
        if self._of_copy:
            self._has_lock = False
            self._copy, self.is_current = copy_of(self._files, self._path)
            self._state = self._copy.state
            return self._connect(self._copy.path, "mode=rw")
        if not self._writer_stays(state[_LOG]):
            raise FileError("is being written")
        return self._connect(self._path, "mode=ro" if self._has_lock else "mode=ro&immutable=1")

    def _writer_stays(self, log: Any) -> bool:
        """Whether a log has been there for long enough: who comes and goes should not meet us."""
        if log is None or not log[0]:
            _logs.pop(self._path, None)
            return True
        inode, since = _logs.setdefault(self._path, (log[2], time.monotonic()))
        if inode != log[2]:
            del _logs[self._path]
        return inode == log[2] and time.monotonic() - since >= _STAYS

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


def _code(error: sqlite3.Error) -> int:
    """The primary code of an error of SQLite; of one of Python's module, that of any error."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _problem_of(error: sqlite3.Error) -> FileError | ValueError:
    reason = _TRANSIENT.get(_code(error))
    return ValueError(f"cannot be read: {error}") if reason is None else FileError(reason)
