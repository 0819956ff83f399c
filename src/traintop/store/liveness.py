"""Whether a run is alive, or its file only says so.

A file says "running" until its writer changes it, so a reader has to judge by what it sees. Wall
clocks of two hosts are never compared: what counts is for how long this reader has seen no
change, by its own monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import PurePath

import msgspec

from traintop.model import Annotations, Pauses, RunStatus, RunSummary
from traintop.run_ids import Location, parts_of
from traintop.store.cache import SummaryCache
from traintop.store.files import AwayError, Entry, FileError, Files
from traintop.store.formats import NotThisFormatError, RunFormat
from traintop.store.kept_block import ReadRun
from traintop.store.packed_summary import PackedSummary, SummaryPacker, is_same, unpacked
from traintop.times import iso_time

HEARTBEAT_TIMEOUT = 30.0
"""Seconds of silence after which a run whose writer writes every 10 s is stalled."""

NETWORK_TIMEOUT = 60.0
"""The same on a network filesystem, where attributes are cached for up to about 20 s."""

QUIET_TIMEOUT = 300.0
"""Seconds of silence that any other writer, which promises no heartbeat, is always granted."""

SETTLING = 2.0
"""Seconds for which a file must be still before its listing is believed.

Two writes within one tick of the file's clock leave the same time, and a server's clock may tick
once in two seconds. So a file is read again until it has been still for that long.
"""

_STILL = 60.0
"""Seconds without a change after which it is not expected."""

_JUDGED = frozenset({RunStatus.CRASHED, RunStatus.QUIET})
"""What no file says of itself."""

_PAUSES_GRANTED = 10
_RECORDED_PAUSES_GRANTED = 3  # of the longest one, where the records have times


def infer_status(
    written: RunStatus,
    *,
    process_ended: bool | None,
    quiet: float,
    timeout: float,
    pauses: Pauses | None = None,
    records_end: bool = True,
) -> RunStatus:
    """What a run is, given what its file says and what a reader sees.

    ``process_ended`` is ``None`` when that is not known on this machine; ``quiet`` is for how
    many seconds nothing changed, and ``timeout`` for how many its rhythm explains that. A writer
    that lives says by its ``pauses`` whether the loop goes on. Unless its format ``records_end``,
    a run that has been quiet for so long may also have ended.
    """
    if written is not RunStatus.RUNNING:
        return written
    if process_ended:
        return RunStatus.CRASHED
    hangs = pauses is not None and pauses.is_stall
    if not hangs and quiet <= timeout:
        return RunStatus.RUNNING
    return RunStatus.STALLED if records_end else RunStatus.QUIET


def as_written(summary: RunSummary, run_id: str) -> RunSummary:
    """What its files say of a run, given what is shown of it while it is at rest."""
    status = RunStatus.RUNNING if summary.status in _JUDGED else summary.status
    return msgspec.structs.replace(summary, id=run_id, status=status, annotations=Annotations())


class ObservedRun(msgspec.Struct, eq=False):
    """One run as a reader sees it over time: its newest summary, and whether it is alive.

    ``id`` is its path in the ``place``, whose address stands before it outside, and ``root`` the
    address below which it was found. ``name`` says what
    it is called where its files give it none. ``formats`` are those that claim its files, to be
    tried in that order. ``now`` is everywhere the reader's monotonic clock in seconds. One thread
    at a time may :meth:`look`; others may meanwhile read ``formats`` and ``entries``.
    """

    id: str
    place: str
    root: str
    files: Files
    formats: Sequence[RunFormat]
    cache: SummaryCache
    packer: SummaryPacker
    name: Callable[[ObservedRun], str]
    entries: Sequence[Entry] = ()
    summary: RunSummary | None = None  # None: not looked at yet
    _written: RunSummary | None = None  # with the status that its files say
    _settled: bool = False
    _process_ended: bool = False
    _changed_at: float = 0.0
    _longest_pause: float = 0.0
    _format: RunFormat | None = None  # which of them has read it

    def look(self, entries: Sequence[Entry], now: float) -> bool:
        """Brings the summary up to date, given how its files are now; whether it changed."""
        is_changed = self._look(entries, now)
        self._pack(now)
        return is_changed

    def _look(self, entries: Sequence[Entry], now: float) -> bool:
        before, self.entries = self.entries, (*entries,)
        if not before:
            self._changed_at = now - self._seconds_still()
            if self._take_kept(now):
                return True
        if [entry[:3] for entry in entries] != [entry[:3] for entry in before]:
            if before:
                self._saw_change(now)
            self._process_ended = False
            return self._read(now, changed=True)
        if self._settled:
            if not self._says_running:
                return False
            if not self._lags:
                return self._judge(now)
        # Also because opening a file is what makes NFS ask its server for the true attributes.
        return self._read(now, changed=False)

    @property
    def address(self) -> str:
        """What the run is known by outside its place."""
        return str(Location(self.place, self.id)) if self.place else self.id

    def annotated(self, annotations: Annotations) -> RunSummary:
        """The summary as others see it, with what people added: the same while both are."""
        assert self.summary is not None
        address = self.address
        if self.summary.annotations != annotations or self.summary.id != address:
            self.summary = msgspec.structs.replace(
                self.summary, id=address, annotations=annotations
            )
        return self.summary

    @property
    def is_settled(self) -> bool:
        """Whether its files have been still for so long that the next look believes the listing."""
        return self._settled and not self._lags

    @property
    def is_at_rest(self) -> bool:
        """Whether it stays as it is until a listing shows that one of its files changed."""
        if not self._settled:
            return False
        if not self._says_running:
            return True
        status = None if self.summary is None else self.summary.status
        return status in _JUDGED and not self._lags

    @property
    def may_rest(self) -> bool:
        """Whether its summary and the state of its file are all that has to be kept of it."""
        is_of_one_file = len(self.entries) == 1 and self.entries[0].id == self.id
        if not is_of_one_file or parts_of(self.id)[1] or self._format is not self.formats[0]:
            return False
        summary = self.summary
        if not isinstance(summary, PackedSummary) or summary.status is RunStatus.UNREADABLE:
            return False
        return self.is_at_rest and (self._says_running or summary.status not in _JUDGED)

    def wake(self, summary: RunSummary, entry: Entry, now: float) -> None:
        """Go on with what was known when its file was like this: see :attr:`may_rest`."""
        self.entries, self.summary, self._written = (entry,), summary, as_written(summary, self.id)
        self._format, self._settled = self.formats[0], True
        self._changed_at = now - self._seconds_still()

    @property
    def as_read(self) -> ReadRun | None:
        """What can be kept of it; ``None`` where its files cannot be read, or may be changing."""
        written, summary = self._written, self.summary
        if not self._settled or self._format is None or not isinstance(written, PackedSummary):
            return None
        if written.status is RunStatus.UNREADABLE or summary is None:
            return None
        return ReadRun(self.entries, self._format.name, written, summary)

    @property
    def _lags(self) -> bool:
        return any(entry.lags for entry in self.entries)

    @property
    def _says_running(self) -> bool:
        return self._written is not None and self._written.status is RunStatus.RUNNING

    @property
    def _is_exact(self) -> bool:
        return all(entry.is_exact for entry in self.entries)

    def _seconds_still(self) -> float:
        """For how long its files have not changed, as far as that is known."""
        times = [entry.changed for entry in self.entries if entry.changed is not None]
        return max(time.time() - max(times), 0.0) if times else 0.0

    def _take_kept(self, now: float) -> bool:
        """Take over what was known of it at the last start, if its files are as they were then."""
        if not (now - self._changed_at >= SETTLING or self._is_exact):
            return False
        kept = self.cache.take(self.id, self.entries)
        if kept is None:
            return False
        self._format = next((one for one in self.formats if one.name == kept.format), None)
        if self._format is None:
            return False
        self._written, self.summary = kept.summary, kept.shown
        self._settled = True
        self._judge(now)
        return True

    def _pack(self, now: float) -> None:
        """Pack what will hardly change any more: what was packed of another moment stays in a block
        for as long as others do.
        """
        written, summary = self._written, self.summary
        if written is None or summary is None or isinstance(written, PackedSummary):
            return
        if now - self._changed_at < _STILL and not self.is_at_rest:
            return
        self._written = packed = self.packer.pack(written)
        self.summary = packed
        if summary is not written:
            self.summary = msgspec.structs.replace(
                packed, id=summary.id, status=summary.status, annotations=summary.annotations
            )

    def _saw_change(self, now: float) -> None:
        self._longest_pause = max(self._longest_pause, now - self._changed_at)
        self._changed_at = now

    def _read(self, now: float, *, changed: bool) -> bool:
        before = self._written
        is_still = now - self._changed_at >= SETTLING
        is_exact = self._is_exact
        self._settled = is_still or is_exact
        readable = before is not None and before.status is not RunStatus.UNREADABLE
        goes_on = readable and not is_still and not self._process_ended
        known = unpacked(before) if before is not None and goes_on else None
        try:
            written = self._summary(None if is_exact else known, changed=changed)
        except AwayError:
            self._settled = False
            raise
        except FileError as error:
            self._settled = False  # another look may succeed although the listing says the same
            written = known or self._unreadable(str(error))
        except ValueError as error:
            written = known or self._unreadable(str(error))
        except Exception as error:  # whatever one file holds, it must not hide the other runs
            written = self._unreadable(f"cannot be read: {error!r}")
        if written is known:
            return False
        if written.root != self.root:
            written = msgspec.structs.replace(written, root=self.root)
        if before is not None and is_same(before, written):
            return self._judge(now)
        if before is not None and self._settled and not changed:
            self._saw_change(now)  # which the listing did not show
        self._written = self.summary = written
        self._judge(now)
        return True

    def _summary(self, known: RunSummary | None, *, changed: bool) -> RunSummary:
        for entry in self.entries:
            if entry.problem:
                is_within = entry.id != self.id
                within = f"holds {PurePath(entry.id).name}, which " if is_within else ""
                raise FileError(within + entry.problem)
        problem = NotThisFormatError("is in no format that traintop reads")
        for run_format in self.formats:
            started = time.monotonic()
            try:
                written = run_format.summary(self.files, self.entries, known)
            except NotThisFormatError as error:
                problem = error
                continue
            self._format = run_format
            if written.id != self.id or not written.name:
                name = written.name or self.name(self)
                written = msgspec.structs.replace(written, id=self.id, name=name)
            if written.updated_at is None:
                # To the second: another listing of a bucket may just round it up.
                same = None if changed or self._written is None else self._written.updated_at
                updated_at = same or self._last_change()
                written = msgspec.structs.replace(written, updated_at=updated_at)
            if self._settled:  # what goes on will be another by the next start
                self.cache.took(time.monotonic() - started)
            return written
        raise problem

    def _last_change(self) -> str | None:
        """When the files changed last, by the clock that stamps them if that is ours."""
        times = [entry.changed for entry in self.entries if entry.changed is not None]
        return None if self._lags or not times else iso_time(round(max(times)))

    def _unreadable(self, problem: str) -> RunSummary:
        return RunSummary(
            id=self.id,
            status=RunStatus.UNREADABLE,
            name=self.name(self),
            problem=problem,
            file_size=sum(entry.size for entry in self.entries),
        )

    def _judge(self, now: float) -> bool:
        """Brings the status up to date; whether it changed."""
        written, summary = self._written, self.summary
        if written is None or summary is None or not self._says_running:
            return False
        if not self._process_ended and self.files.has_ended(written.environment):
            self._process_ended = True
            # It may have written between our reading and its end: now the file is final.
            return self._read(now, changed=False)
        status = infer_status(
            written.status,
            process_ended=self._process_ended,
            quiet=now - self._changed_at,
            timeout=self._timeout(),
            pauses=written.pauses,
            records_end=self._format is None or self._format.records_end,
        )
        if status is summary.status:
            return False
        self.summary = msgspec.structs.replace(written, status=status)
        return True

    def _timeout(self) -> float:
        """Seconds of silence that the rhythm of this run explains."""
        is_seen_often = self.files.interval < HEARTBEAT_TIMEOUT
        if self._format is not None and self._format.heartbeat and is_seen_often:
            return NETWORK_TIMEOUT if self._lags else HEARTBEAT_TIMEOUT
        pauses = None if self._written is None else self._written.pauses
        recorded = (pauses.longest or 0.0) if pauses else 0.0
        seen = _PAUSES_GRANTED * self._longest_pause
        return max(QUIET_TIMEOUT, seen, _RECORDED_PAUSES_GRANTED * recorded)
