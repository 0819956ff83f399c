"""The summary of one run, read from the two ends of its file.

Files of this format cost two reads, however long they are. Only a damaged one (its tail torn off
by a crash or a power loss) and a JSON document of another program are read whole.
"""

from __future__ import annotations

import enum
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from traintop.logfile import Head, Tail
from traintop.model import RunStatus, RunSummary
from traintop.store.ends import Ends, read_ends
from traintop.store.regular_file import open_regular, read_span, reason_of
from traintop.values import as_given

if TYPE_CHECKING:
    from traintop.store.history import History

DOCUMENT_LIMIT = 128 * 1024 * 1024
"""A JSON document of another program is read up to this many bytes, which it takes as memory for a
moment, with the columns of its records."""

_ONE_DOCUMENT = threading.Lock()
"""Several threads read; the bytes of one document at a time are in memory."""

SNIFFED = 64 * 1024
"""A document names one of its two main keys within this many bytes."""

_ATTEMPTS = 3


class Soundness(enum.Enum):
    """How far a reading can be trusted."""

    WHOLE = enum.auto()
    TORN = enum.auto()  # a writer may be at work on the file: worth another look
    REFUSED = enum.auto()  # the system did not let us read, which a file's times do not tell


class Reading(NamedTuple):
    """What was read of a run at one moment."""

    summary: RunSummary  # its status as the file says
    process: Mapping[str, Any]  # the identity of the process that writes it
    heartbeat: bool  # whether its writer gives a sign of life all the time
    soundness: Soundness
    fingerprint: int  # of the bytes that decided


def read_summary(path: Path, *, recover: bool = True) -> Reading:
    """Reads the summary of a run. An unreadable file is told by its status and ``problem``.

    Without ``recover``, the records of a torn file are not read to make up for its tail.
    """
    try:
        descriptor, info = open_regular(path)
    except OSError as error:
        return unreadable(path, reason_of(error), Soundness.REFUSED)
    try:
        return _read(path, descriptor, info, recover)
    except OSError as error:
        return unreadable(path, reason_of(error), Soundness.REFUSED)
    except Exception as error:  # whatever one file holds, it must not hide the other runs
        return unreadable(path, f"cannot be read: {error!r}", size=info.st_size)
    finally:
        os.close(descriptor)


def names_a_run(path: Path) -> bool:
    """Whether the beginning of a JSON file looks like a run's, for a file of any other name."""
    try:
        descriptor, _ = open_regular(path)
    except OSError:
        return False
    try:
        start = os.pread(descriptor, 1024, 0)
        if b'"metrics_history"' in start:
            return True
        return b'"config"' in start and b'"metrics_history"' in os.pread(descriptor, SNIFFED, 0)
    except OSError:
        return False
    finally:
        os.close(descriptor)


class Document(NamedTuple):
    """A JSON document of another program."""

    head: Head
    tail: Tail  # with what it lacks, computed from the records
    history: History


def read_document(descriptor: int, size: int) -> Document:
    """The JSON document of another program in an open file.

    Raises ``ValueError`` with the reason, as words that follow the name of the file.
    """
    start = os.pread(descriptor, SNIFFED, 0)
    if not start:
        raise ValueError("is empty")
    if b'"metrics_history"' not in start and b'"config"' not in start and size > len(start):
        raise ValueError(
            f'is no log of a run: its first {SNIFFED // 1024} KiB name neither "config" nor '
            '"metrics_history"'
        )
    if size > DOCUMENT_LIMIT:
        raise ValueError(
            f"is one JSON document of {size / 1e6:.0f} MB; such are read up to "
            f"{DOCUMENT_LIMIT / 1e6:.0f} MB"
        )
    # Only foreign documents need all this.
    from traintop.logfile.documents import parse_document
    from traintop.store.history import GrowingHistory
    from traintop.store.recovery import completed_tail

    growing = GrowingHistory()
    with _ONE_DOCUMENT:
        head, tail = parse_document(read_span(descriptor, 0, DOCUMENT_LIMIT), growing.extend)
    history = growing.history()
    return Document(head, completed_tail(tail, history), history)


def _read(path: Path, descriptor: int, info: os.stat_result, recover: bool) -> Reading:
    ends = read_ends(descriptor, info.st_size)
    for attempt in range(1, _ATTEMPTS):
        if ends.head is None or ends.tail is not None:
            break
        before, info = info, os.fstat(descriptor)
        if attempt > 1 and (before.st_mtime_ns, before.st_size) == (info.st_mtime_ns, info.st_size):
            break
        ends = read_ends(descriptor, info.st_size)
    if ends.head is None:
        return _read_foreign(path, descriptor, info)
    head = ends.head.head
    tail = Tail()
    if ends.tail is not None:
        tail = ends.tail.tail
    if recover and not tail.count and _holds_records(ends, info.st_size):
        tail = _completed_tail(tail, descriptor, ends.head.records_at)
    return Reading(
        summary_of(path, head, tail, info.st_size),
        process=tail.resumed[-1] if tail.resumed else head.run,
        heartbeat=True,
        soundness=Soundness.WHOLE if ends.tail else Soundness.TORN,
        fingerprint=hash((ends.start, ends.end)),
    )


def _read_foreign(path: Path, descriptor: int, info: os.stat_result) -> Reading:
    try:
        document = read_document(descriptor, info.st_size)
    except ValueError as error:
        return unreadable(path, str(error), Soundness.TORN, size=info.st_size)
    return Reading(
        summary_of(path, document.head, document.tail, info.st_size),
        process={},
        heartbeat=False,
        soundness=Soundness.WHOLE,
        fingerprint=hash((info.st_size, info.st_mtime_ns)),
    )


def summary_of(path: Path, head: Head, tail: Tail, size: int) -> RunSummary:
    """The summary of a run with this head and tail; its status is the one that is written."""
    name = head.config.get("experiment_name")
    config = as_given(head.config)
    if name is not None:
        config["experiment_name"] = name  # which may be "NaN"
    return RunSummary(
        id=str(path),
        path=path,
        status=RunStatus(tail.status),
        name=name if isinstance(name, str) and name else path.stem,
        config=config,
        environment=_environment(head, tail),
        start_time=head.start_time,
        end_time=tail.end_time,
        updated_at=tail.updated_at,
        duration_seconds=tail.duration_seconds,
        count=tail.count,
        gradient_step=tail.gradient_step,
        iterations_per_second=tail.iterations_per_second,
        best_train_loss=tail.best_train_loss,
        best_val_loss=tail.best_val_loss,
        final_train_loss=tail.final_train_loss,
        final_val_loss=tail.final_val_loss,
        stats=tail.stats,
        last=tail.last,
        notes=tail.notes,
        error=tail.error,
        file_size=size,
    )


def _environment(head: Head, tail: Tail) -> dict[str, Any]:
    """What is known of the process that wrote last.

    Most of it is the same in thousands of runs, so equal texts are kept once.
    """
    known = {**head.run, **tail.resumed[-1]} if tail.resumed else head.run
    for name, value in known.items():
        if type(value) is str:
            known[name] = sys.intern(value)
    return known


def _holds_records(ends: Ends, size: int) -> bool:
    records_end = ends.tail.starts_at if ends.tail is not None else size
    return ends.head is not None and records_end > ends.head.records_at


def _completed_tail(known: Tail, descriptor: int, records_at: int) -> Tail:
    """What a tail lacks, made from the records: for a file whose own is torn or a short one."""
    from traintop.store.follower import RecordFollower  # numpy: only damaged files need it here
    from traintop.store.recovery import completed_tail

    follower = RecordFollower(records_at)
    follower.read(descriptor)
    return completed_tail(known, follower.history())


def unreadable(
    path: Path, reason: str, soundness: Soundness = Soundness.WHOLE, *, size: int = 0
) -> Reading:
    """The reading of a file that holds no run, with the reason as words that follow its name."""
    summary = RunSummary(
        id=str(path),
        path=path,
        status=RunStatus.UNREADABLE,
        name=path.stem,
        problem=reason,
        file_size=size,
    )
    return Reading(summary, {}, heartbeat=False, soundness=soundness, fingerprint=hash(reason))


def with_status(summary: RunSummary, status: RunStatus) -> RunSummary:
    """The same summary with the status that a reader has judged."""
    return msgspec.structs.replace(summary, status=status)
