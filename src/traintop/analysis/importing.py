"""Runs of other tools as files of ours: read in O(1), kept, and resumed by a tracker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from traintop.analysis.records import portions, snapshots
from traintop.logfile import (
    FORMAT_VERSION,
    Head,
    Tail,
    WrittenStatus,
    encode_head,
    encode_record,
)
from traintop.metrics import logged_name
from traintop.model import STANDARD_METRICS, RunStatus, RunSummary
from traintop.store.history import History
from traintop.store.statistics import completed_tail
from traintop.times import parse_time, utc_offset
from traintop.tracking.run_file import RunFile, file_stem
from traintop.values import NAME_SETTING, jsonable

ORIGIN = "imported_from"
"""Of the facts about a run: where the files lie that it was imported from."""

_ENDED: Mapping[RunStatus, WrittenStatus] = {
    RunStatus.FINISHED: "finished",
    RunStatus.FAILED: "failed",
}


def is_of_other_tool(run: RunSummary) -> bool:
    """Whether a run can be imported: our own, and those that were imported, need not be."""
    return run.status is not RunStatus.UNREADABLE and "format" not in run.environment


def origin_of(run: RunSummary) -> str:
    """Where the files of a run lie, as an import of it says."""
    return run.id if run.path is None else os.path.abspath(run.id)


def import_run(run: RunSummary, history: History, directory: Path) -> Path:
    """Write a run with its records as a file of ours, and return its path.

    It has the settings, notes, times and results of the run, and says where it comes from. The
    standard metrics have their standard names there, so that a tracker goes on with them. A run
    that is not known to have ended is ``interrupted``. Raises ``OSError``; what was written by then
    says that it is not complete.
    """
    named = parse_time(run.start_time) or parse_time(run.updated_at) or datetime.now()
    partial = Tail(status="interrupted", error="the import did not come to its end")
    file = RunFile.create(directory, file_stem(run.title, named), _head(run), partial)
    history = _with_standard_names(history)
    try:
        for part in portions(history):
            file.write([encode_record(record) for record in snapshots(part)], partial)
        file.write([], completed_tail(_tail(run), history))
        file.fsync()
    finally:
        file.close()
    return file.path


def _with_standard_names(history: History) -> History:
    names = {logged_name(metric, history.metrics): metric for metric in STANDARD_METRICS}
    columns = dict(history.columns)
    for name, metric in names.items():
        if name is not None and name != metric:
            columns[metric] = columns.pop(name)
    return History.from_columns(columns)


def _head(run: RunSummary) -> bytes:
    started = parse_time(run.start_time)
    origin: dict[str, object] = {"format": FORMAT_VERSION, ORIGIN: origin_of(run)}
    if started is not None:
        origin["utc_offset"] = utc_offset(started)
    head = Head(
        config=jsonable({**run.config, NAME_SETTING: run.title}),
        start_time=None if started is None else started.isoformat(),
        run=jsonable(run.environment) | origin,
    )
    return encode_head(head)


def _tail(run: RunSummary) -> Tail:
    """What is known of the run beside its records."""
    status = _ENDED.get(run.status, "interrupted")
    unknown_end = "" if run.status in _ENDED else "imported: its own files do not say that it ended"
    return Tail(
        status=status,
        error=run.error or unknown_end,
        end_time=run.end_time or run.updated_at,
        updated_at=run.updated_at or run.end_time,
        duration_seconds=run.duration_seconds,
        notes=run.notes,
        gradient_step=run.gradient_step,
        iterations_per_second=run.iterations_per_second,
        pauses=run.pauses,
    )
