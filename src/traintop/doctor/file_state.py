"""Is a log file whole? And if not, what of it is?"""

from __future__ import annotations

from typing import NamedTuple

from traintop.logfile.lines import LineReader, lines_from, read_ends
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.process import has_ended
from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles
from traintop.store.formats.traintop import LogFile


class FileState(NamedTuple):
    """What a file says, beyond its summary."""

    torn: bool = False  # by a crash or power loss, or changed by hand: it has no whole tail
    damaged: int = 0  # lines that hold no record, which all readers skip
    dropped: int = 0  # records that were lost because the disk refused them for too long


def file_state(run: RunSummary) -> FileState:
    """The state of a run's file, all of which is read.

    A file that is being written does not count as torn.
    """
    if run.status is RunStatus.UNREADABLE:
        return FileState()
    file = LogFile(LocalFiles(), run.id)
    try:
        ends = read_ends(file.read, file.stat().size)
        if ends.head is None:
            return FileState()  # another program's document, which was read whole
        lines = LineReader()
        regions = (region for _, region in lines_from(file.read, ends.head.records_at, ends))
        for _ in lines.steps(regions, torn=ends.tail is None):
            pass
    except FileError:
        return FileState()
    torn = ends.tail is None and not _may_be_written(run)
    return FileState(torn, lines.damaged, ends.tail.dropped if ends.tail else 0)


def _may_be_written(run: RunSummary) -> bool:
    """Whether a process may be at work on the file right now."""
    if run.status not in ALIVE:
        return False
    ended = has_ended(run.environment)
    return run.status is RunStatus.RUNNING if ended is None else not ended
