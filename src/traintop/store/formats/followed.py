"""Runs of other tools, whose files do not say in one place how far they are.

They are read once, and then only what is new in them. So a format of that kind is two things: which
files belong to which run, and a :class:`RunFollower`, which reads them from where it was.
"""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from traintop.logfile import Head, Tail
from traintop.metrics import stats_of
from traintop.model import WRITTEN_BY, RunSummary
from traintop.progress import counts_epochs
from traintop.store.files import Entry, FileError, Files, Span
from traintop.store.formats import Start
from traintop.store.formats.traintop import summary_of

if TYPE_CHECKING:  # which need numpy: a file that turns out to be no run must not cost its import
    from traintop.store.history import History, Values
    from traintop.store.statistics import GrowingStatistics

TOOL = WRITTEN_BY

CHUNK = 256 * 1024
"""Bytes that are read at once."""

LARGEST_RECORD = 16 * 1024 * 1024
"""Bytes of one record, line or block that are read; a longer one is no such file."""

_OTHERS_TURN = 0.0002  # seconds of rest between two chunks: see traintop_records
_KEPT_BEFORE = 64
_MOST_FOLLOWED = 512


class ReplacedError(Exception):
    """The files are not those that were read before: read them again from their start."""


class Records(Protocol):
    """Where the records of a run go as they are read."""

    def extend(self, columns: Mapping[str, Values]) -> None:
        """Add records; ``iteration`` is their place."""

    def rewind(self, iteration: float) -> None:
        """Forget what is beyond an iteration."""


class About(NamedTuple):
    """What files say of a run beside its records."""

    head: Head = Head()
    tail: Tail = Tail()  # its status is "running" where they do not say that it ended
    problem: str = ""
    """What was not read, and why, as words that follow the name of the run."""


class RunFollower(Protocol):
    """Reads the files of one run, and remembers where it is in them. One thread at a time asks."""

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        """Read what is new. ``reached`` is called with the share that is read now and then.

        Raises :class:`ReplacedError` for files that were written anew, ``FileError`` or
        ``ValueError`` for what cannot be read.
        """

    def about(self) -> About:
        """What is known of the run now."""


class FollowedFormat(abc.ABC):
    """How a tool writes runs that have to be read from their start."""

    def __init__(self) -> None:
        self._followed: dict[tuple[str, str], _FollowedSummary] = {}  # by places and ids
        self._lock = threading.Lock()

    @abc.abstractmethod
    def claims(self, entry: Entry, start: Start) -> str | None:
        """As in :class:`traintop.store.formats.RunFormat`."""

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """As in :class:`traintop.store.formats.RunFormat`; usually no run is a part of another."""
        return run_id

    def states(self, files: Files, entries: Sequence[Entry]) -> list[Entry]:
        """How the files of a run are now."""
        return files.stat_all([entry.id for entry in entries])

    @abc.abstractmethod
    def follower(self) -> RunFollower:
        """A new follower of one run."""

    def first_reads(self, entries: Sequence[Entry]) -> list[Span]:
        """What a new follower reads of the files of a run, so that it comes in one round trip."""
        return [(entry.id, 0, entry.size) for entry in entries]

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """As in :class:`traintop.store.formats.RunReader`; ``None``: all records are to be read."""
        return None

    def summary(self, files: Files, entries: Sequence[Entry]) -> RunSummary:
        """The state of the run, for which only what is new in its files is read.

        It is known by any of its files, as long as the one that stood first is there.
        """
        from traintop.store.statistics import LateRecordError

        with self._lock:
            keys = [(files.place, entry.id) for entry in entries]
            key = next((one for one in keys if one in self._followed), keys[0])
            known = self._followed.pop(key, None)
        if known is None:
            files.prefetch(self.first_reads(entries))
        followed = known or _FollowedSummary(self.follower())
        try:
            followed.read(files, entries)
        except (ReplacedError, LateRecordError) as error:
            files.prefetch(self.first_reads(entries))
            is_out_of_order = isinstance(error, LateRecordError)
            followed = _FollowedSummary(self.follower(), keeps_all=is_out_of_order)
            followed.read(files, entries)
        except (FileError, ValueError):
            if known is not None:  # the next time there may be what it can read
                self._keep(key, known)
            raise
        self._keep(keys[0], followed)
        return followed.summary(entries)

    def _keep(self, key: tuple[str, str], followed: _FollowedSummary) -> None:
        with self._lock:
            self._followed[key] = followed
            while len(self._followed) > _MOST_FOLLOWED:
                del self._followed[next(iter(self._followed))]

    def reader(self, files: Files, entries: Sequence[Entry]) -> FollowedReader:
        """A reader that follows the files."""
        return FollowedReader(self, files, entries)


class _FollowedSummary:
    """The summary of one run as its files grow.

    ``keeps_all`` of its records, where new ones come among old ones again and again: some loops
    count batches for one metric and epochs for another.
    """

    def __init__(self, follower: RunFollower, *, keeps_all: bool = False) -> None:
        self._follower = follower
        self._keeps_all = keeps_all
        self._statistics: GrowingStatistics | None = None

    def read(self, files: Files, entries: Sequence[Entry]) -> None:
        if self._statistics is not None:
            self._follower.read(files, entries, self._statistics, _ignore)
            return
        from traintop.store.history import GrowingHistory
        from traintop.store.statistics import GrowingStatistics

        growing = GrowingHistory()  # records may come in any order
        self._follower.read(files, entries, growing, _ignore)
        self._statistics = GrowingStatistics(growing.history(), keeps_all=self._keeps_all)

    def summary(self, entries: Sequence[Entry]) -> RunSummary:
        assert self._statistics is not None
        head, tail, problem = self._follower.about()
        whole = entries[0]._replace(size=sum(entry.size for entry in entries))
        summary = summary_of(whole, head, self._statistics.completed(tail))
        return msgspec.structs.replace(
            summary,
            name=summary.name if "experiment_name" in head.config else "",
            problem=problem,
            iterations_per_second=summary.iterations_per_second or _pace_of_steps(summary),
        )


def _pace_of_steps(run: RunSummary) -> float | None:
    """Iterations per second by the time that each took, of a run whose records have no times."""
    steps = stats_of(run, "iter_time_ms")
    recent = steps.recent_mean if steps else None
    return 1000 / recent if recent and recent > 0 and not counts_epochs(run) else None


class FollowedReader:
    """Reads the records of one run; see :class:`traintop.store.formats.RunReader`."""

    def __init__(self, run_format: FollowedFormat, files: Files, entries: Sequence[Entry]) -> None:
        from traintop.store.history import GrowingHistory

        self._format = run_format
        self._files = files
        self._entries = entries
        self._follower: RunFollower | None = None
        self._growing = GrowingHistory()

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        if self._follower is None:
            self._load(reached)
        return self._growing.history()

    def follow(self) -> bool:
        entries = self._entries_now()
        if self._follower is None:
            return self._load(_ignore)
        if [entry[1:3] for entry in entries] == [entry[1:3] for entry in self._entries]:
            return False
        before = self._growing.history()
        try:
            self._follower.read(self._files, entries, self._growing, _ignore)
        except ReplacedError:
            return self._load(_ignore)
        self._entries = entries
        return self._growing.history() is not before

    def sample(self, points: int) -> History:
        sample = self._format.sample(self._files, self._entries, points)
        return self.history() if sample is None else sample

    def _entries_now(self) -> list[Entry]:
        """How the files are now; they changed when a listing said so where only that knows."""
        now = self._format.states(self._files, self._entries)
        pairs = zip(now, self._entries, strict=True)
        return [
            entry if entry.changed is not None else entry._replace(changed=known.changed)
            for entry, known in pairs
        ]

    def _load(self, reached: Callable[[float], None]) -> bool:
        from traintop.store.history import GrowingHistory

        before = self._follower
        entries = self._entries_now()
        self._files.prefetch(self._format.first_reads(entries))
        follower, growing = self._format.follower(), GrowingHistory()
        follower.read(self._files, entries, growing, reached)
        self._follower, self._growing, self._entries = follower, growing, entries
        return before is None or len(growing.history()) > 0


class GrowingFile:
    """One file that is appended to: reads what is new in it each time."""

    def __init__(self) -> None:
        self.offset = 0
        self._size = 0
        self._inode: object = None
        self._before = b""  # the last bytes before the offset, which show that it is the same file

    def unread(self, entry: Entry) -> list[Span]:
        """What there is to read of it now, so that it comes with that of other files."""
        start = self.offset - len(self._before)
        return [(entry.id, start, entry.size - start)] if self.offset < entry.size else []

    def read(
        self,
        files: Files,
        entry: Entry,
        take: Callable[[bytes], int],
        reached: Callable[[int], None],
    ) -> None:
        """Give what is new to ``take``, which says how many bytes of it are done with.

        The others are offered again, with more behind them. It may be more than there are: those
        are not read. ``reached`` is called with the offset after each part.

        Raises ``ReplacedError`` when this is not the file that was read before, and ``ValueError``
        when one record is beyond all measure.
        """
        if entry.size < self._size or self._inode not in (None, entry.inode):
            raise ReplacedError
        self._size, self._inode = entry.size, entry.inode
        length, before = CHUNK, self._before
        while self.offset < entry.size:
            start = self.offset - len(before)
            data = files.read(entry.id, start, length + len(before))
            if not data.startswith(before):
                raise ReplacedError
            data, is_last = data[len(before) :], len(data) < length + len(before)
            taken = take(data)
            self.offset += taken
            # What was not read cannot be known again.
            before = (before + data[:taken])[-_KEPT_BEFORE:] if taken <= len(data) else b""
            self._before = before
            reached(self.offset)
            if is_last:
                return
            if taken:
                length = CHUNK
            elif (length := length * 4) > LARGEST_RECORD:
                raise ValueError(f"has a record of over {LARGEST_RECORD // 2**20} MB")
            time.sleep(_OTHERS_TURN)


def share_reached(
    reached: Callable[[float], None], before: int, total: int
) -> Callable[[int], None]:
    """Reports an offset in a file as the share of all files, of which some bytes stand before."""
    return lambda offset: reached(min((before + offset) / total, 1.0))


def _ignore(share: float) -> None:
    pass
