"""Making a torn or damaged log file whole again: its head, all lines that count, and a new tail.

And putting away what was left behind when another program replaced a run's file.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path

import msgspec

from traintop.logfile import Tail
from traintop.logfile.lines import LineReader, Rewind
from traintop.mounts import network_filesystem
from traintop.process import has_ended
from traintop.store.catalog import RunCatalog
from traintop.store.files.states import reason_of
from traintop.store.liveness import NETWORK_TIMEOUT
from traintop.tracking.resumption import (
    InterruptedRun,
    exact_statistics,
    open_interrupted_run,
    rewrite_run,
)
from traintop.tracking.run_file import RunFileBusyError, keep_copy


class RepairRefusedError(RuntimeError):
    """A file that is left as it is; the message names it and says why."""


def repair(path: Path) -> Path:
    """Makes a torn or damaged file whole, and returns the copy of what it was, beside it.

    The new file has the same head, every line that counts, and a tail with the statistics of
    these. A run whose end is lost is ``interrupted`` then. The file is replaced at once, by a
    complete one. Raises ``RepairRefusedError`` when the file is whole, when it is torn within its
    head, when it is another program's, or while its run may still be written; ``OSError`` when the
    disk refuses.
    """
    try:
        run = open_interrupted_run(path)  # which keeps writers out
    except RunFileBusyError as error:
        raise RepairRefusedError(f"{path} is left as it is: {error}") from None
    except ValueError:
        raise RepairRefusedError(
            f"{path} cannot be repaired: its first line, which holds the settings, is not "
            "whole, or another program wrote it"
        ) from None
    except OSError as error:
        raise RepairRefusedError(f"{path} {reason_of(error)}") from None
    try:
        damaged, rewinds = _survey(run)
        if run.ends.tail is not None and not damaged:
            raise RepairRefusedError(f"{path} is intact: there is nothing to repair")
        _refuse_if_written_elsewhere(path, run)
        tail = msgspec.structs.replace(_tail(run), rewinds=rewinds)
        file, copy = rewrite_run(run, tail, exact_statistics(run.regions), keep=True)
        file.close()
    finally:
        run.close()
    assert copy is not None
    return copy


def set_aside(path: Path, whole: Path) -> Path:
    """Renames a file that was left behind when the run went on in another; returns its new name.

    So the run is listed once. Raises ``RepairRefusedError`` where the file has a record that the
    whole run has not, and while that may still be written; ``OSError``.
    """
    try:
        open_interrupted_run(path).close()
    except (RunFileBusyError, ValueError) as error:
        raise RepairRefusedError(f"{path} is left as it is: {error}") from None
    if not _iterations(path) <= _iterations(whole):
        raise RepairRefusedError(f"{path} is left as it is: it has records that {whole} has not")
    copy = keep_copy(path, "replaced")
    path.unlink()
    return copy


def _iterations(path: Path) -> set[float]:
    catalog = RunCatalog([path])
    histories = [catalog.reader(run.id).history() for run in catalog.refresh().runs]
    return {iteration for each in histories for iteration in each.columns["iteration"].tolist()}


def _survey(run: InterruptedRun) -> tuple[int, int]:
    """How many lines are damaged, and how many make void what is before them."""
    reader = LineReader()
    rewinds = sum(isinstance(step, Rewind) for step in reader.steps(run.regions(), torn=False))
    return reader.damaged, rewinds


def _refuse_if_written_elsewhere(path: Path, run: InterruptedRun) -> None:
    """On a network filesystem, where locks may not reach other machines, refuse a recent change.

    A tracker writes every 10 seconds, so a file that did not change for a minute has none.
    """
    if network_filesystem(run.path) is None:
        return  # the lock is enough
    resumed = run.tail.resumed
    # Without its tail the file does not say whether another process resumed the run.
    if run.ends.tail is not None and has_ended(resumed[-1] if resumed else run.head.run):
        return
    with tempfile.TemporaryFile(dir=run.path.parent, prefix=".traintop-") as probe:
        probe.write(b"\n")
        probe.flush()
        now = os.fstat(probe.fileno()).st_mtime  # by the clock that stamped the file
    quiet = now - os.stat(run.path).st_mtime
    if quiet < NETWORK_TIMEOUT:
        raise RepairRefusedError(
            f"{path} was written {max(quiet, 0.0):.0f} s ago, and this machine cannot see whether "
            f"its process is still running: try again in {NETWORK_TIMEOUT:.0f} s"
        )


def _tail(run: InterruptedRun) -> Tail:
    """The tail that the file has, or one as of its last writing."""
    if run.ends.tail is not None:
        return run.ends.tail
    written_at = datetime.fromtimestamp(os.stat(run.path).st_mtime)  # noqa: DTZ006 - local, as all times
    time = written_at.isoformat(timespec="microseconds")
    status, is_known = run.ends.status, run.ends.status != "running"
    return Tail(
        status=status if is_known else "interrupted",
        error=""
        if is_known
        else "the file was torn by a crash; traintop doctor --repair repaired it",
        end_time=time,
        updated_at=time,
        gradient_step=run.tail.gradient_step,
        duration_seconds=run.tail.duration_seconds,
    )
