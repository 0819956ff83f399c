"""Is a log file whole? And if not, what of it is?"""

from __future__ import annotations

from typing import NamedTuple

from traintop.logfile import SEPARATORS, is_followed, whole_rows
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.process import has_ended
from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles
from traintop.store.formats.traintop_records import Ends, LogFile, read_ends

_LONGEST_RECORD = 64 * 1024


class FileState(NamedTuple):
    """What the ends of a file say, beyond its summary."""

    torn: bool = False  # by a crash or power loss: the last record or the tail is not whole
    dropped: int = 0  # records that were lost because the disk refused them for too long


def file_state(run: RunSummary) -> FileState:
    """The state of a run's file. A file that is being written does not count as torn."""
    if run.status is RunStatus.UNREADABLE:
        return FileState()
    file = LogFile(LocalFiles(), run.id)
    try:
        ends = read_ends(file, file.stat().size)
        if ends.head is None:
            return FileState()  # another program's document, which was read whole
        torn = is_torn(file, ends) and not _may_be_written(run)
    except FileError:
        return FileState()
    return FileState(torn, ends.tail.tail.dropped if ends.tail else 0)


def is_torn(file: LogFile, ends: Ends) -> bool:
    """Whether a file with a whole head lacks its tail, or a part of its last record."""
    if ends.head is None or ends.tail is None:
        return True
    records_at, end = ends.head.records_at, ends.tail.starts_at
    start = max(records_at, end - _LONGEST_RECORD)
    records = file.read(start, end - start)
    if b"\n" not in records:
        return False  # no record, or one too long to look at; the tail repeats it
    line = records[records.rindex(b"\n") :]
    return is_followed(records) or (bool(line.strip(SEPARATORS)) and not whole_rows(line))


def _may_be_written(run: RunSummary) -> bool:
    """Whether a process may be at work on the file right now."""
    if run.status not in ALIVE:
        return False
    ended = has_ended(run.environment)
    return run.status is RunStatus.RUNNING if ended is None else not ended
