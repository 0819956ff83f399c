"""Copies of databases that cannot be read where they lie.

On a network filesystem, where locks cannot be trusted, and in a place elsewhere. A copy has what
lies beside the database, too, and all of it as it was at one moment.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from traintop.store.files import Entry, FileError, Files
from traintop.store.files.states import reason_of

LOG = "-wal"
"""What the name of a log has behind that of its database."""

BESIDE = ("", LOG, "-journal")
"""What the names of a database, and of what lies beside it, have behind its own."""

State = tuple[Any, ...]
"""Size, version and inode of a database, and of what lies beside it; ``None`` for what is not."""

_LARGEST_COPY = 512 * 1024 * 1024
_PIECE = 4 * 1024 * 1024  # that is read at once
_LARGEST_COPIES = 1024 * 1024 * 1024  # bytes of all together, or of the newest alone
_REST = 20  # times as long as a copy took, it counts at least, where it costs round trips
_LOG_HEADER = 32  # bytes, which are others when a log is begun anew
_CHANGES = "is being written"

_COPIED_WHOLE = 1024 * 1024  # bytes of a database at most, to see of which tool it is
_DEEPEST_SCHEMA = 5
_MOST_SCHEMA_PAGES = 1024
_FILE_HEADER = 100  # bytes of the first page
_LISTS_PAGES = 5  # the kind of a page that says where others are


class Copy(NamedTuple):
    """What a database was at one moment."""

    state: State
    folder: tempfile.TemporaryDirectory[str]

    @property
    def path(self) -> str:
        """Where it is."""
        return os.path.join(self.folder.name, "db")


_Key = tuple[str, str]  # a place, and the path of a database in it
_copies: dict[_Key, Copy] = {}
_rests: dict[_Key, float] = {}  # until when nobody asks for something newer


def state_of(files: Files, path: str) -> State:
    """How a database is now, and what lies beside it."""
    return _state_in(files.stat_many([path + suffix for suffix in BESIDE]))


def _state_in(found: Sequence[Entry]) -> State:
    return tuple(
        None if each.version is None else (each.size, each.version, each.inode) for each in found
    )


def copy_of(files: Files, path: str) -> tuple[Copy, bool]:
    """A copy of a database, and whether it was made, or compared with it, just now.

    In a place elsewhere, it is made so seldom that it takes little of the time. Raises
    ``FileError`` where none can be made now, and ``ValueError`` for what is too large.
    """
    key = files.place, path
    known = _copies.get(key)
    if files.place and time.monotonic() < _rests.get(key, 0.0):
        if known is None:
            raise FileError(_CHANGES)
        return known, False
    state = state_of(files, path)
    if state[0] is None:
        raise FileError("does not exist")
    if known is not None and known.state == state:
        return known, True
    started = time.monotonic()
    before, known = known, None
    try:
        known = _copied(files, path, state)
    finally:
        rest = _REST * (time.monotonic() - started) if known or before else 0.0
        _rests[key] = time.monotonic() + max(rest, files.interval / 2)
    _copies.pop(key, None)
    _copies[key] = known
    while len(_copies) > 1 and sum(map(_size_of, _copies.values())) > _LARGEST_COPIES:
        del _copies[next(iter(_copies))]
    return known, True


def _size_of(copy: Copy) -> int:
    return sum(each[0] for each in copy.state if each)


def _copied(files: Files, path: str, state: State) -> Copy:
    sizes = {path + suffix: each[0] for suffix, each in zip(BESIDE, state, strict=True) if each}
    if sum(sizes.values()) > _LARGEST_COPY:
        raise ValueError(
            f"has over {_LARGEST_COPY // 2**20} MB, and would have to be copied to be read"
        )
    # Always whole pieces: those that end with the file are not kept for others to read.
    spans = [
        (name, at, _PIECE) for name, size in sizes.items() for at in range(0, size or 1, _PIECE)
    ]
    copy = Copy(state, tempfile.TemporaryDirectory(prefix="traintop-"))
    try:
        for batch in [spans] if sum(sizes.values()) <= _PIECE else [[span] for span in spans]:
            for (name, _, _), data in zip(batch, files.read_many(batch), strict=True):
                with open(copy.path + name.removeprefix(path), "ab") as file:
                    file.write(data)
    except OSError as error:
        raise FileError(reason_of(error)) from error
    after = _state_in(files.stat_now([path + suffix for suffix in BESIDE]))
    if after != state and not _only_log_grew(files, path, copy, after):
        raise FileError(_CHANGES)
    return copy


def _only_log_grew(files: Files, path: str, copy: Copy, after: State) -> bool:
    """Whether a database has only got more behind its log: of that, any beginning is good."""
    (main, log, journal), (main_now, log_now, journal_now) = copy.state, after
    if main != main_now or journal != journal_now or not log or not log_now:
        return False
    if log[2] is None or log[2] != log_now[2] or log[0] > log_now[0]:
        return False
    header = files.read(path + LOG, 0, _LOG_HEADER)
    return Path(copy.path + LOG).read_bytes()[:_LOG_HEADER] == header != b""


@contextmanager
def copy_with_schema(files: Files, path: str) -> Iterator[str]:
    """A file with the tables of a database, which may lack what is in them.

    Of a large one, only the pages are got that say which tables there are. Raises ``FileError`` as
    :func:`copy_of` does, and ``ValueError`` for a file that is no database.
    """
    size = files.stat(path).size
    if size <= _COPIED_WHOLE:
        yield copy_of(files, path)[0].path
        return
    with tempfile.TemporaryDirectory(prefix="traintop-") as folder:
        partial = os.path.join(folder, "db")
        pages = _schema_pages(files, path)
        with open(partial, "wb") as file:
            file.truncate(size)
            for offset, data in pages.items():
                file.seek(offset)
                file.write(data)
        yield partial


def _schema_pages(files: Files, path: str) -> dict[int, bytes]:
    """The pages of the table of tables, by where they are: "B-tree Pages" of SQLite's format.

    No tool that is read has a table whose statement is longer than a page.
    """
    header = files.read(path, 0, _FILE_HEADER)
    length = int.from_bytes(header[16:18], "big")
    length = 65536 if length == 1 else length
    if not header.startswith(b"SQLite format 3\x00") or length < 512 or length & (length - 1):
        raise ValueError("is not a database")
    found: dict[int, bytes] = {}
    level = [0]
    for _ in range(_DEEPEST_SCHEMA):
        spans = [(path, offset, length) for offset in level if offset not in found]
        found |= zip((offset for _, offset, _ in spans), files.read_many(spans), strict=True)
        level = [
            (number - 1) * length
            for _, offset, _ in spans
            for number in _pages_below(found[offset], 0 if offset else _FILE_HEADER)
            if number > 0
        ]
        if not level or len(found) + len(level) > _MOST_SCHEMA_PAGES:
            break
    return found


def _pages_below(page: bytes, start: int) -> Iterator[int]:
    """The numbers of the pages that a page leads to, given where its own header is."""
    if page[start : start + 1] != bytes([_LISTS_PAGES]):
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    cells = (
        int.from_bytes(page[at : at + 2], "big")
        for at in range(start + 12, start + 12 + 2 * count, 2)
    )
    for at in (start + 8, *cells):
        yield int.from_bytes(page[at : at + 4], "big")
