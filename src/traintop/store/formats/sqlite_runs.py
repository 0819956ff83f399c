"""Runs in databases of SQLite, one file of which holds many."""

from __future__ import annotations

import abc
import os
import re
import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from typing import NamedTuple

from traintop.run_ids import parts_of
from traintop.store.files import Entry, FileError, Files, Span
from traintop.store.files.database import Database
from traintop.store.files.database_copies import LOG, copy_with_schema
from traintop.store.files.local import LocalFiles
from traintop.store.formats import Start
from traintop.store.formats.followed import FollowedFormat
from traintop.store.liveness import SETTLING

MOST_RUNS = 100_000
"""Of a database; older ones are left out."""

_NONE: frozenset[str] = frozenset()
_COLUMNS = """
SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
WHERE t.type = 'table' LIMIT 10000
"""
_MOST_KNOWN = 1024
_LONGEST_KEY = 120  # bytes: with it the names of files beside the database are made
_UNSAFE = re.compile(r"[/#%\x00-\x1f\x7f]|^\.")


class StoredRun(NamedTuple):
    """One run of a database, as a look at all of them finds it."""

    identity: Hashable
    """What the database knows it by."""
    name: str
    """What it is known by outside: different from all others, and the same for ever."""
    version: Hashable
    """Plain values that differ when the run may be another."""
    last_time: float | None = None
    """When something of it happened last, in seconds since 1970, where that is known."""


class _Look(NamedTuple):
    """What a database had when it was looked at last."""

    state: tuple[object, ...]
    runs: list[Entry]
    is_settled: bool


class SqliteFormat(FollowedFormat):
    """How a tool writes runs into a database.

    The followers of its runs find what the database knows a run by as the ``inode`` of the entry
    that they are given.
    """

    columns: Mapping[str, frozenset[str]]
    """Those that a database of this format has, by their tables."""

    def __init__(self) -> None:
        super().__init__()
        self._looks: dict[tuple[str, str], _Look] = {}
        self._open: dict[tuple[str, str, int], Database] = {}

    @abc.abstractmethod
    def stored_runs(self, database: Database, most: int) -> list[StoredRun]:
        """The newest runs, the newest first, at a cost that does not grow with the records."""

    def claims(self, entry: Entry, start: Start) -> str | None:
        """Databases that have the tables, and the logs that belong to them."""
        path = _database_of(entry.id)
        if entry.is_dir or entry.problem:
            return None
        found = _columns_of(start.files, path, entry.lags, entry[:3])
        fits = all(names <= found.get(table, _NONE) for table, names in self.columns.items())
        return path if fits else None

    def runs(self, files: Files, entries: Sequence[Entry]) -> Iterator[Entry]:
        """As in :class:`traintop.store.formats.ManyRunsFormat`."""
        path = _database_of(entries[0].id)
        state = (*(entry[:3] for entry in entries), _log_of(files, path))
        key = files.place, path
        with self.opened(files, entries) as database:  # also for summaries asked meanwhile
            look = self._looks.get(key)
            if look is None or look.state != state or not look.is_settled:
                runs = _entries_of(self.stored_runs(database, MOST_RUNS), path, entries)
                still = all((each.age or 0.0) >= SETTLING and not each.lags for each in entries)
                look = self._looks[key] = _Look(state, runs, still and database.is_current)
            yield from look.runs

    def first_reads(self, entries: Sequence[Entry]) -> list[Span]:
        """Nothing: elsewhere, a copy of the whole database is read."""
        return []

    def states(self, files: Files, entries: Sequence[Entry]) -> list[Entry]:
        """The run with the state of the whole database as its version."""
        [run] = entries
        path = _database_of(run.id)
        if files.place:
            with self.opened(files, entries) as database:
                return [run._replace(version=database.state)]
        return [run._replace(version=(files.stat(path)[:3], _log_of(files, path)))]

    @contextmanager
    def opened(self, files: Files, entries: Sequence[Entry]) -> Iterator[Database]:
        """The database of a run; the one that this thread has open already, if it has."""
        path = _database_of(entries[0].id)
        key = (files.place, path, threading.get_ident())
        if key in self._open:
            yield self._open[key]
            return
        with closing(Database(files, path, lags=entries[0].lags)) as database:
            self._open[key] = database
            try:
                yield database
            finally:
                del self._open[key]


def _database_of(file_id: str) -> str:
    """The path of a database, given the id of it, of its log, or of a run in it."""
    return parts_of(file_id)[0].removesuffix(LOG)


def _log_of(files: Files, path: str) -> tuple[object, ...] | None:
    """The state of the log of a database, which usually has none.

    Of one that may be linked to; elsewhere, a log is known by its own entry.
    """
    try:
        return None if files.place else files.stat(os.path.realpath(path) + LOG)[:3]
    except FileError:
        return None


_Columns = Mapping[str, frozenset[str]]  # of a database, by their tables
_known_columns: dict[tuple[object, ...], _Columns] = {}


def _columns_of(files: Files, path: str, lags: bool, seen: tuple[object, ...]) -> _Columns:
    """The columns of a database by their tables; none of another file."""
    key = files.place, path, lags, seen
    if key not in _known_columns:
        columns = _read_columns(files, path, lags)
        if len(_known_columns) >= _MOST_KNOWN:
            _known_columns.clear()
        _known_columns[key] = columns
    return _known_columns[key]


def _read_columns(files: Files, path: str, lags: bool) -> _Columns:
    try:
        if files.place:
            with copy_with_schema(files, path) as copy:
                return _read_columns(LocalFiles(), copy, lags=False)
        with closing(Database(files, path, lags=lags)) as database:
            rows = database.rows(_COLUMNS)
    except ValueError:
        return {}
    found: dict[str, set[str]] = {}
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    return {table: frozenset(names) for table, names in found.items()}


def _entries_of(runs: Sequence[StoredRun], path: str, entries: Sequence[Entry]) -> list[Entry]:
    """Runs as files that change when they do.

    The database changed when something happened in a run last; the others did as much earlier as
    the clock of the writers says.
    """
    changed = max((each.changed for each in entries if each.changed is not None), default=None)
    lags = any(each.lags for each in entries)
    newest = max((run.last_time for run in runs if run.last_time is not None), default=0.0)
    found = {f"{path}#{_key(run.name)}": run for run in reversed(runs)}
    return [
        Entry(
            id=run_id,
            size=0,
            version=run.version,
            changed=(
                None
                if changed is None or run.last_time is None
                else changed - (newest - run.last_time)
            ),
            is_dir=False,
            inode=run.identity,
            lags=lags,
        )
        for run_id, run in reversed(found.items())
    ]


def _key(name: str) -> str:
    """A name as a part of file names."""
    key = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", name)
    data = key.encode(errors="replace")
    if len(data) <= _LONGEST_KEY:
        return key
    start = data[: _LONGEST_KEY // 2].decode(errors="ignore")
    return f"{start}-{blake2b(data, digest_size=8).hexdigest()}"
