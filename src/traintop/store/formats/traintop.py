"""Our own log files: what the tracker writes.

Their summary costs two reads, however long they are. Only a damaged one (its tail torn off by a
crash or a power loss) is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from traintop.logfile import MOST_ALERTS, Head, Tail
from traintop.logfile.lines import (
    FIRST_READ,
    UNKNOWN_LENGTHS,
    EndLengths,
    Ends,
    end_lengths,
    first_reads,
    read_ends,
)
from traintop.model import RunStatus, RunSummary
from traintop.store.files import Entry, Files, Span
from traintop.store.formats import NotThisFormatError
from traintop.times import in_local_time
from traintop.values import as_given

if TYPE_CHECKING:
    from traintop.store.formats.traintop_records import Reader, RecordFollower
    from traintop.store.history import History

_PREFIX, _SUFFIX = "experiment_", ".json"

_ATTEMPTS = 3
_MOST_FOLLOWED = 4
_MOST_LONG_ENDS = 10_000


def is_run_name(path: str) -> bool:
    """Whether a file of this name is shown as a run whatever it holds."""
    name = path.rpartition("/")[2]
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


_long_ends: dict[tuple[str, str], EndLengths] = {}  # by places and ids, where a read costs much


class LogFile(NamedTuple):
    """One file, wherever it lies."""

    files: Files
    id: str

    def stat(self) -> Entry:
        """How the file is now."""
        return self.files.stat(self.id)

    def read(self, start: int, length: int) -> bytes:
        """A part of the file."""
        return self.files.read(self.id, start, length)

    def ends(self, size: int) -> Ends:
        """Both ends of the file, which is opened once for them unless one is long."""
        parts = first_reads(size)
        known = dict(zip(parts, self.read_many(parts), strict=True))
        ends = read_ends(lambda *part: known.get(part) or self.read(*part), size)
        if self.files.place:
            self._note(end_lengths(ends, size))
        return ends

    def expected(self, size: int) -> list[Span]:
        """What will be read of its ends, if they are still as long as they were."""
        known = _long_ends.get((self.files.place, self.id), UNKNOWN_LENGTHS)
        return [(self.id, *part) for part in first_reads(size, known)]

    def _note(self, lengths: EndLengths) -> None:
        """Remember how long the ends are, where the usual first reads do not hold them."""
        key = self.files.place, self.id
        _long_ends.pop(key, None)
        if max(lengths) > FIRST_READ:
            _long_ends[key] = lengths
        while len(_long_ends) > _MOST_LONG_ENDS:
            _long_ends.pop(next(iter(_long_ends)), None)

    def read_many(self, parts: list[tuple[int, int]]) -> list[bytes]:
        """Several parts, given as offset and length, in one go."""
        return self.files.read_many([(self.id, start, length) for start, length in parts])


class TraintopFormat:
    """The format of :mod:`traintop.logfile`: one file a run."""

    name = "traintop"
    marks = "experiment_*.json of traintop's ExperimentTracker"
    patterns = ("*.json",)
    heartbeat = True
    records_end = True
    owns_directories = False

    def __init__(self) -> None:
        # Of runs whose tail leaves the statistics to the reader.
        self._followers: dict[str, RecordFollower] = {}

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files by our name, and those of another that begin like ours."""
        is_ours = is_run_name(entry.id) or start().startswith(b'{"config":')
        return entry.id if is_ours else None

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """Each file is a run."""
        return run_id

    def summary(
        self, files: Files, entries: Sequence[Entry], known: RunSummary | None
    ) -> RunSummary:
        """What the two ends of the file say, or its lines where these do not say it."""
        entry = entries[0]
        file = LogFile(files, entry.id)
        ends = file.ends(entry.size)
        for attempt in range(1, _ATTEMPTS):
            if ends.head is None or ends.tail is not None:
                break
            before, entry = entry, file.stat()  # torn, or a write was under way
            if attempt > 1 and (before.version, before.size) == (entry.version, entry.size):
                break
            ends = file.ends(entry.size)
        if ends.head is None:
            raise not_ours()
        if ends.tail is None and known is not None:
            return known
        if ends.tail is not None and ends.tail.count is not None:
            return summary_of(entry, ends.head.head, ends.tail)
        history = self._history(file, ends)
        from traintop.store.statistics import completed_tail

        tail = completed_tail(ends.tail or Tail(status=ends.status), history)
        summary = summary_of(entry, ends.head.head, tail)
        return msgspec.structs.replace(summary, damaged=history.damaged)

    def _history(self, file: LogFile, ends: Ends) -> History:
        """All records, of which few are read when the file has grown."""
        from traintop.store.formats.traintop_records import RecordFollower, ReplacedError

        follower = self._followers.pop(file.id, None) or RecordFollower()
        try:
            follower.read(file, ends)
        except ReplacedError:
            follower = RecordFollower()
            follower.read(file, ends)
        self._followers[file.id] = follower
        while len(self._followers) > _MOST_FOLLOWED:
            self._followers.pop(next(iter(self._followers)), None)
        return follower.history()

    def reader(self, files: Files, entries: Sequence[Entry]) -> Reader:
        """A reader that follows the file from where its records begin."""
        from traintop.store.formats.traintop_records import Reader  # numpy

        return Reader(LogFile(files, entries[0].id))


def summary_of(entry: Entry, head: Head, tail: Tail) -> RunSummary:
    """The summary of a run with this head and tail; its status is the one that is written."""
    settings = {**head.config, **tail.config_changes}
    name, config = settings.get("experiment_name"), as_given(settings)
    environment = _environment(head, tail)
    zone = environment.get("utc_offset")  # of the process that wrote last
    if name is not None:
        config["experiment_name"] = name  # which may be "NaN"
    return RunSummary(
        id=entry.id,
        status=RunStatus(tail.status),
        name=name if isinstance(name, str) and name else PurePath(entry.id).stem,
        config=config,
        changed={name: as_given(head.config.get(name)) for name in tail.config_changes},
        environment=environment,
        start_time=in_local_time(head.start_time, head.run.get("utc_offset")),
        end_time=in_local_time(tail.end_time, zone),
        updated_at=in_local_time(tail.updated_at, zone),
        duration_seconds=tail.duration_seconds,
        count=tail.count,
        gradient_step=tail.gradient_step,
        iterations_per_second=tail.iterations_per_second,
        pauses=tail.pauses,
        gpus_sampled_at=tail.gpus_sampled_at,
        best_train_loss=tail.best_train_loss,
        best_val_loss=tail.best_val_loss,
        final_train_loss=tail.final_train_loss,
        final_val_loss=tail.final_val_loss,
        stats=tail.stats,
        last=tail.newest,
        notes=tail.notes,
        error=tail.error,
        alerts=(*tail.alerts[-MOST_ALERTS:],),
        left_out=(*tail.left_out,),
        file_size=entry.size,
    )


def _environment(head: Head, tail: Tail) -> dict[str, Any]:
    """What is known of the process that wrote last."""
    known = {**head.run, **tail.resumed[-1]} if tail.resumed else head.run
    if tail.launched:
        known = {**known, **tail.launched}
    if isinstance(given := known.pop("given", None), list):
        names = (name for name in (*given, *tail.config_changes) if isinstance(name, str))
        known["given"] = [*dict.fromkeys(names)]
    return known


def not_ours() -> NotThisFormatError:
    """What is raised for a file whose head is not whole, or of another format."""
    return NotThisFormatError("does not begin like a log file of traintop")
