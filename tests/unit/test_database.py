"""Databases of other programs: read right while they are written, and never touched."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.waiting import TIMEOUT

from traintop.store.files import FileError, database_copies
from traintop.store.files import database as database_module
from traintop.store.files.database import Database
from traintop.store.files.local import LocalFiles

COUNT = "SELECT count(*) FROM t"


def make(path: Path, rows: int = 3, mode: str = "delete") -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(row, "x") for row in range(rows)])
        connection.commit()
    return path


def count(path: Path, *, is_remote: bool = False) -> int:
    with closing(Database(LocalFiles(), str(path), lags=is_remote)) as database:
        [(rows,)] = database.rows(COUNT)
    return int(rows)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(params=["delete", "wal", "truncate", "persist"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database that nobody writes now."""
    return make(tmp_path / "a ?#%.db", mode=request.param)


@pytest.mark.parametrize("is_remote", [False, True])
def test_reading_leaves_no_trace(path: Path, is_remote: bool) -> None:
    before = files_in(path.parent)
    assert count(path, is_remote=is_remote) == 3
    assert files_in(path.parent) == before


@pytest.mark.parametrize("is_remote", [False, True])
def test_what_is_added_is_seen(path: Path, is_remote: bool) -> None:
    with (
        closing(Database(LocalFiles(), str(path), lags=is_remote)) as database,
        closing(sqlite3.connect(path)) as writer,
    ):
        for rows in range(4, 8):
            writer.execute("INSERT INTO t VALUES (1, 'y')")
            writer.commit()
            assert database.rows(COUNT) == [(rows,)]


def test_what_stands_only_in_the_log_of_a_live_writer_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", mode="wal")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO t VALUES (1, 'y')")
        writer.commit()
        assert (tmp_path / "a.db-wal").stat().st_size
        assert count(path) == 4
    assert os.listdir(tmp_path) == ["a.db"]  # as its writer leaves it


def test_a_log_without_its_index_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", mode="wal")
    moved = tmp_path / "moved"
    moved.mkdir()
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO t VALUES (1, 'y')")
        writer.commit()
        for name in ("a.db", "a.db-wal"):
            shutil.copy(tmp_path / name, moved)
    before = files_in(moved)
    assert count(moved / "a.db") == 4
    assert files_in(moved) == before


_DIES = """
import os, sqlite3, sys
writer = sqlite3.connect(sys.argv[1])
writer.execute("PRAGMA cache_size = 5")
writer.execute("UPDATE t SET b = 'other'")
os.kill(os.getpid(), 9)
"""


def test_a_change_whose_writer_died_did_not_happen(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", rows=20_000)
    subprocess.run([sys.executable, "-c", _DIES, path], check=False)
    before = files_in(tmp_path)
    assert before["a.db-journal"]
    with closing(Database(LocalFiles(), str(path), lags=False)) as database:
        assert database.rows("SELECT count(*) FROM t WHERE b = 'x'") == [(20_000,)]
    assert files_in(tmp_path) == before


def test_a_writer_that_locks_is_not_waited_for(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", rows=20_000)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 5")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("UPDATE t SET b = 'other'")
        with pytest.raises(FileError, match="is locked by its writer"):
            count(path)
        writer.execute("COMMIT")
    assert count(path) == 20_000


class Writer(threading.Thread):
    """Gives all rows of a database one new text again and again; one that comes and goes closes."""

    def __init__(self, path: Path, *, stays: bool) -> None:
        super().__init__()
        self.path, self.stays = path, stays
        self.ended = threading.Event()
        self.failures: list[object] = []

    def run(self) -> None:
        pauses = random.Random(0)
        connection = sqlite3.connect(self.path, timeout=TIMEOUT)
        while not self.ended.wait(pauses.random() * 0.02):
            try:
                connection.execute("UPDATE t SET b = ?", (f"{pauses.random()}" * 20,))
                connection.commit()
            except sqlite3.Error as error:
                self.failures.append(error)
            if not self.stays:
                connection.close()
                if os.path.exists(f"{self.path}-wal"):
                    self.failures.append("the log was not removed")
                connection = sqlite3.connect(self.path, timeout=TIMEOUT)
        connection.close()


@pytest.mark.parametrize("mode", ["delete", "wal", "persist"])
@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("is_remote", [False, True])
def test_all_that_is_read_is_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, stays: bool, is_remote: bool
) -> None:
    if not stays:
        monkeypatch.setattr(database_module, "_STAYS", 1e9)  # however slow this machine is
    path = make(tmp_path / "a.db", rows=2000, mode=mode)
    writer = Writer(path, stays=stays)
    writer.start()
    seen, reads = set(), 0
    try:
        until = time.monotonic() + TIMEOUT
        while (reads < 100 or len(seen) < 2) and time.monotonic() < until:
            with (
                suppress(FileError),
                closing(Database(LocalFiles(), str(path), lags=is_remote)) as database,
            ):
                [(rows, texts, text)] = database.rows(
                    "SELECT count(*), count(DISTINCT b), b FROM t"
                )
                assert (rows, texts) == (2000, 1)
                seen.add(text)
                reads += 1
    finally:
        writer.ended.set()
        writer.join()
    assert not writer.failures
    assert len(seen) > 1


def test_a_query_without_an_end_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "_LONGEST", 0.05)
    endless = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT max(a) FROM n"
    with (
        closing(Database(LocalFiles(), str(path), lags=False)) as database,
        pytest.raises(FileError, match="too long"),
    ):
        database.rows(endless)


def test_text_that_is_none_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("UPDATE t SET b = CAST(X'66ff' AS TEXT)")
        writer.commit()
    with closing(Database(LocalFiles(), str(path), lags=False)) as database:
        assert database.rows("SELECT DISTINCT b FROM t") == [("f\ufffd",)]


def test_a_damaged_database_is_explained(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", rows=2000)
    whole = path.read_bytes()
    noise = random.Random(1)
    damaged = [b"no database" * 100, whole[:1000], whole[: len(whole) // 2]]
    for _ in range(40):
        flipped = bytearray(whole)
        for _ in range(20):
            flipped[noise.randrange(len(flipped))] ^= 1 << noise.randrange(8)
        damaged.append(bytes(flipped))
    words = set()
    for data in damaged:
        path.write_bytes(data)
        try:
            with closing(Database(LocalFiles(), str(path), lags=False)) as database:
                database.rows("SELECT a, b FROM t LIMIT 5000")
        except (FileError, ValueError) as error:
            words.add(str(error))
    assert "cannot be read: file is not a database" in words
    assert "cannot be read: database disk image is malformed" in words


def test_a_copy_has_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_copies, "_LARGEST_COPY", 1000)
    with pytest.raises(ValueError, match="would have to be copied"):
        count(path, is_remote=True)


@pytest.fixture
def forbidden(path: Path) -> Iterator[Path]:
    path.chmod(0)
    yield path
    path.chmod(0o600)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_database_without_permission(forbidden: Path) -> None:
    with pytest.raises(FileError, match="cannot be opened"):
        count(forbidden)


def test_a_database_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist"):
        count(tmp_path / "a.db")
    assert not [*tmp_path.iterdir()]
