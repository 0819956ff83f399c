"""Making a torn log file whole again: its head, all records that are whole, and a new tail."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from traintop.doctor.file_state import is_torn
from traintop.logfile import (
    SEPARATORS,
    Row,
    Tail,
    encode_record,
    encode_tail,
    whole_rows,
)
from traintop.process import has_ended
from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles, network_filesystem
from traintop.store.formats.traintop_records import (
    Ends,
    LogFile,
    RecordFollower,
    read_ends,
    regions,
)
from traintop.store.history import History
from traintop.store.liveness import NETWORK_TIMEOUT
from traintop.store.statistics import completed_tail
from traintop.tracking.resumption import InterruptedRun, open_interrupted_run
from traintop.tracking.run_file import RunFileBusyError


class RepairRefusedError(RuntimeError):
    """A file that is left as it is; the message names it and says why."""


def repair(path: Path) -> Path:
    """Makes a torn file whole, and returns the copy of what it was, beside it.

    The new file has the same head, every record that is whole, and a tail computed from these. A
    run whose own tail is lost is ``interrupted`` then. The file is replaced at once, by a complete
    one. Raises ``RepairRefusedError`` when the file is whole, when it is torn within its head,
    when it is another program's, or while its run may still be written; ``OSError`` when the disk
    refuses.
    """
    target = Path(os.path.realpath(path))
    ends = _torn_ends(target, path)
    try:
        interrupted = open_interrupted_run(target)  # which keeps writers out
    except RunFileBusyError as error:
        raise RepairRefusedError(f"{path} is left as it is: {error}") from None
    try:
        _refuse_if_written_elsewhere(target, path, ends, interrupted)
        return _replace(target, ends, interrupted)
    finally:
        interrupted.file.close()


def _torn_ends(target: Path, path: Path) -> Ends:
    file = LogFile(LocalFiles(), str(target))
    try:
        ends = read_ends(file, file.stat().size)
        torn = is_torn(file, ends)
    except FileError as error:
        raise RepairRefusedError(f"{path} {error}") from None
    if ends.head is None:
        raise RepairRefusedError(
            f"{path} cannot be repaired: its first line, which holds the settings, is not "
            "whole, or another program wrote it"
        )
    if not torn:
        raise RepairRefusedError(f"{path} is whole: there is nothing to repair")
    return ends


def _refuse_if_written_elsewhere(
    target: Path, path: Path, ends: Ends, interrupted: InterruptedRun
) -> None:
    """On a network filesystem, where locks may not reach other machines, the file's rest tells.

    A tracker writes every 10 seconds, so a file that did not change for a minute has none.
    """
    if network_filesystem(target) is None:
        return  # the lock has told already
    resumed = interrupted.tail.resumed
    # A lost tail does not tell whether another process went on with the run.
    if ends.tail is not None and has_ended(resumed[-1] if resumed else interrupted.head.run):
        return
    with tempfile.TemporaryFile(dir=target.parent, prefix=".traintop-") as probe:
        probe.write(b"\n")
        probe.flush()
        now = os.fstat(probe.fileno()).st_mtime  # by the clock that stamped the file
    quiet = now - os.stat(target).st_mtime
    if quiet < NETWORK_TIMEOUT:
        raise RepairRefusedError(
            f"{path} was written {max(quiet, 0.0):.0f} s ago, and whether its process lives cannot "
            f"be told from here: try again in {NETWORK_TIMEOUT:.0f} s"
        )


def _replace(target: Path, ends: Ends, interrupted: InterruptedRun) -> Path:
    # Hidden until it is complete, and in the same directory, so that it can take the name.
    whole = target.with_name(f".traintop-{os.urandom(8).hex()}.tmp")
    before = os.stat(target)
    try:
        with whole.open("x+b") as file:
            last = _write_head_and_records(file, interrupted)
            history = _history(whole, interrupted.records_at)
            written_at = datetime.fromtimestamp(before.st_mtime)  # noqa: DTZ006 - local, as all times
            file.write(encode_tail(_new_tail(ends, history, last, written_at)))
            file.flush()
            os.fsync(file.fileno())
        _take_over_attributes(whole, target, before)
        copy = _keep_copy(target)
        os.replace(whole, target)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise
    return copy


def _write_head_and_records(file: BinaryIO, interrupted: InterruptedRun) -> Row:
    """Returns the last record."""
    torn = interrupted.file
    for chunk in torn.read(0, interrupted.records_at):
        file.write(chunk)
    # A write that tore the last record left it whole in the remainder of the older tail.
    last = encode_record(interrupted.last) if interrupted.last is not None else b""
    separator, line = b"\n", b""
    for line in _whole_records(torn.path, interrupted.records_at):
        file.write(separator + line)
        separator = b",\n"
        last = b"" if line == last else last
    if last and not _is_same_iteration(line, last):
        file.write(separator + last)
        line = last
    file.flush()
    return next(iter(whole_rows(line)), {})


def _is_same_iteration(*lines: bytes) -> bool:
    iterations = [row["iteration"] for line in lines for row in whole_rows(line)]
    return len(set(iterations)) < len(iterations)


def _whole_records(path: Path, records_at: int) -> Iterator[bytes]:
    """The lines that are records. Those behind a damaged line count as well."""
    for region in regions(LogFile(LocalFiles(), str(path)), records_at):
        lines = [
            line for raw_line in region.data.split(b"\n") if (line := raw_line.strip(SEPARATORS))
        ]
        if len(whole_rows(region.data)) == len(lines):
            yield from lines
        else:
            yield from (line for line in lines if whole_rows(line))


def _history(path: Path, records_at: int) -> History:
    follower = RecordFollower(records_at)
    follower.read(LogFile(LocalFiles(), str(path)))
    return follower.history()


def _new_tail(ends: Ends, history: History, last: Row, written_at: datetime) -> Tail:
    """The tail that the file has, or one as of its last writing, with what the records say."""
    if ends.tail is not None:
        known = msgspec.structs.replace(ends.tail.tail, stats={})
    else:
        time = written_at.isoformat(timespec="microseconds")
        known = Tail(
            status="interrupted",
            error="the file was torn by a crash; traintop doctor --repair made it whole",
            end_time=time,
            updated_at=time,
        )
    return msgspec.structs.replace(completed_tail(known, history), last_record=last)


def _take_over_attributes(new: Path, old: Path, before: os.stat_result) -> None:
    shutil.copymode(old, new)
    with contextlib.suppress(OSError):  # only the superuser may give files away
        os.chown(new, before.st_uid, before.st_gid)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))


def _keep_copy(path: Path) -> Path:
    """Keeps the file under a second name, which no reader takes for a run's."""
    stamp = f"{datetime.now():%Y%m%d_%H%M%S}"
    number = 1
    while True:
        suffix = f".torn-{stamp}{'' if number == 1 else f'_{number}'}.bak"
        copy = path.with_name(path.name + suffix)
        try:
            os.link(path, copy)
        except FileExistsError:
            number += 1
        except OSError:  # a filesystem without hard links
            shutil.copy2(path, copy)
            return copy
        else:
            return copy
