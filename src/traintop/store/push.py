"""Copies of runs in a bucket: what changed, each file as a whole.

What is there says what changed: a file is there as it is here if it has the same size, and was
stored a day or more after its last change here, or ends alike. So nothing needs to be remembered,
but a push that goes on remembers what it has stored.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import md5
from pathlib import Path
from typing import NamedTuple

from traintop.run_ids import DATABASES, location_of
from traintop.store.copies import Copy, open_copy
from traintop.store.files import AwayError, FileError
from traintop.store.files.bucket import (
    PART,
    SCHEMES,
    Bucket,
    DeniedError,
    StoredObject,
    side_by_side,
)
from traintop.store.files.database_copies import LOG
from traintop.store.files.states import reason_of
from traintop.store.formats.traintop import is_run_name

COMPARED_BYTES = 16 * 1024
"""Of the end of a file: what a log file of ours has there vouches for all of it."""

IDENTIFYING_BYTES = 512
"""Of the start of a log file of ours: written once."""

_SETTLED = 86_400.0  # seconds; no two clocks differ by a day
_REST = 20  # times as long as it took to store a file, it is not stored again


class Pushed(NamedTuple):
    """What a push did."""

    files: tuple[str, ...]
    """Those that were stored, by their paths below the prefix."""
    size: int
    """In bytes, of all of them."""
    unchanged: int
    waiting: int
    """Files that have changed, and will be stored later: see :class:`Pusher`."""
    problems: tuple[str, ...]
    """Files that could not be stored, and why."""
    away: str
    """Why the bucket could not be asked, or not about all files; else empty."""


_State = tuple[tuple[int, int, int], ...]
"""Inode, size and time of a file, and of the log of a database."""


class _Job(NamedTuple):
    name: str
    path: Path
    state: _State


class _Done(NamedTuple):
    state: _State  # of the file here, when it was stored or found there
    rests_until: float


class Pusher:
    """Pushes files below a prefix again and again; one thread at a time.

    What takes long to store is stored seldom: after it took t seconds, not before 20 t have passed.
    So however large runs become, pushing takes a twentieth of the time and of the connection; the
    last push stores everything.
    """

    def __init__(self, address: str, *, force: bool = False) -> None:
        """``force``: also over what is another run there, or longer.

        Raises ``ValueError`` for an address that is none of a bucket, and without obstore.
        """
        place, path = location_of(address.rstrip("/"))
        if not place.startswith(SCHEMES):
            raise ValueError(f"{address} is no bucket: s3://bucket/prefix, gs://… or az://…")
        self.bucket = Bucket(place)
        self._prefix = path.strip("/")
        self._force = force
        self._stored: dict[str, StoredObject] | None = None
        self._done: dict[str, _Done] = {}
        self._away: AwayError | None = None  # in this push

    def push(self, files: Mapping[str, Path], *, is_last: bool = False) -> Pushed:
        """Store what has changed of some files, given by their paths below the prefix.

        Where the bucket does not answer, the rest is left; what was stored by then is there as a
        whole.
        """
        try:
            if self._stored is None:
                below = (each for page in self.bucket.list(self._prefix) for each in page)
                self._stored = {each.key: each for each in below}
        except FileError as error:
            return Pushed((), 0, 0, 0, (), str(error))
        self._away = None
        now, jobs, unchanged, waiting = time.monotonic(), list[_Job](), 0, 0
        for name, path in files.items():
            state, done = _state_of(path), self._done.get(name)
            if not state or name.endswith(LOG):
                continue  # it came and went, or is stored with its database
            if done is not None and done.state == state:
                unchanged += 1
            elif done is not None and now < done.rests_until and not is_last:
                waiting += 1
            else:
                jobs.append(_Job(name, path, state))
        jobs.sort(key=lambda job: job.state[0][1])
        small = sum(job.state[0][1] <= PART for job in jobs)
        outcomes = side_by_side(self._store, jobs[:small])
        outcomes += [self._store(job) for job in jobs[small:]]  # each in several parts at once
        stored, size, problems, away = [], 0, [], ""
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, AwayError):
                away = str(outcome)
            elif isinstance(outcome, FileError):
                problems.append(f"{job.path} {outcome}")
            elif outcome is None:
                unchanged += 1
            else:
                stored.append(job.name)
                size += outcome
        return Pushed((*stored,), size, unchanged, waiting, (*problems,), away)

    def _store(self, job: _Job) -> int | FileError | None:
        """Store one file: its size, or why not; ``None`` if it is there as it is here."""
        assert self._stored is not None
        if self._away is not None:
            return self._away
        key, started = self._key(job.name), time.monotonic()
        there = self._stored.get(key)
        try:
            with open_copy(job.path) as copy:
                if there is not None and self._is_same(job, copy, there):
                    self._done[job.name] = _Done(job.state, started)
                    return None
                if there is not None and not self._force and is_run_name(key):
                    self._refuse_another(copy, there)
                self.bucket.put(key, copy.pieces(), copy.size)
        except AwayError as error:
            self._away = error
            return error
        except DeniedError as error:
            if there is None:  # while one that is there may be protected
                self._away = AwayError(str(error))
            return self._away or error
        except FileError as error:
            return error
        except OSError as error:
            return FileError(reason_of(error))
        self._stored.pop(key, None)  # from now on it is ours
        now = time.monotonic()
        self._done[job.name] = _Done(job.state, now + _REST * (now - started))
        return copy.size

    def forget(self, names: Iterable[str]) -> None:
        """Delete what this one has stored of files that are no more. Raises ``FileError``."""
        for name in [*self._done.keys() & {*names}]:
            self.bucket.delete(self._key(name))
            del self._done[name]

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}".lstrip("/")

    def _is_same(self, job: _Job, copy: Copy, there: StoredObject) -> bool:
        if there.size != copy.size:
            return False
        changed = max(mtime for _, _, mtime in job.state) / 1e9
        if there.modified.timestamp() - changed >= _SETTLED or not copy.size:
            return True
        if job.path.suffix in DATABASES:
            # Which change anywhere. The tag of what was stored in one part is its MD5, as a rule.
            whole = copy.read(0, copy.size)
            return there.etag.strip('"') == md5(whole, usedforsecurity=False).hexdigest()
        start = max(copy.size - COMPARED_BYTES, 0)
        end = copy.read(start, COMPARED_BYTES)
        return self.bucket.get(there, start, len(end)) == end

    def _refuse_another(self, copy: Copy, there: StoredObject) -> None:
        """Raises ``FileError`` if a log file of ours is another run there, or longer."""
        start = copy.read(0, IDENTIFYING_BYTES)
        if self.bucket.get(there, 0, len(start)) != start:
            raise FileError("is another run there: push to another prefix, or with --force")
        if there.size > copy.size:
            raise FileError("is longer there: --force replaces it")


def _state_of(path: Path) -> _State:
    states = []
    for each in (path, Path(f"{path}{LOG}")) if path.suffix in DATABASES else (path,):
        with suppress(OSError):
            info = os.stat(each)
            states.append((info.st_ino, info.st_size, info.st_mtime_ns))
    return (*states,)
