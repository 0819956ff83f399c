"""Finding and opening the file of a run that goes on after a crash or preemption."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from traintop import logfile
from traintop.model import ExperimentConfig, MetricsSnapshot
from traintop.process import has_ended
from traintop.tracking.run_file import RunFile, RunFileBusyError

_FIRST_BYTES = 64 << 10
_MOST_BYTES = 4 << 20


class InterruptedRun(NamedTuple):
    """A run's own file, opened and locked, and what it says of how far it came."""

    file: RunFile
    head: logfile.Head
    records_at: int
    tail: logfile.Tail
    last: MetricsSnapshot | None  # what the tail, or its remainder, says is the last record


def read_config(path: Path) -> ExperimentConfig:
    """The settings of a run. Raises ``OSError``, and ``ValueError`` for a foreign file."""
    with path.open("rb") as file:
        start = file.read(_FIRST_BYTES)
        found = logfile.find_head(start) or logfile.find_head(start + file.read(_MOST_BYTES))
    if found is None:
        raise ValueError(f"{path} cannot be resumed: it was not written by this tracker")
    return ExperimentConfig.from_settings(found.head.config)


def find_run(path_or_name: str | os.PathLike[str], log_dir: Path) -> Path:
    """The file at a path, or the newest run of that name or run id in the log directory.

    Raises ``FileNotFoundError``, which names the runs that there are.
    """
    path = Path(path_or_name)
    if os.path.isfile(path):  # a name may be too long for a path, which pathlib raises
        return path
    wanted = os.fspath(path_or_name)
    names: dict[Path, str] = {}
    found = filter(os.path.isfile, log_dir.glob("experiment_*.json"))  # a named pipe would wait
    for candidate in sorted(found, key=_modified, reverse=True):
        names[candidate] = _experiment_name(candidate)
        if wanted in (candidate.stem, names[candidate]):
            return candidate
    known = ", ".join(sorted({name for name in names.values() if name})) or "no runs"
    unknown = ", ".join(path.name for path, name in names.items() if not name)
    raise FileNotFoundError(
        f"no run {wanted!r} to resume in {log_dir}; it holds: {known}"
        + (f"; without settings that can be read: {unknown}" if unknown else "")
    )


def open_interrupted_run(path: Path) -> InterruptedRun:
    """Open a run's file to go on with it; no other process can until this one ends.

    Raises ``RunFileBusyError`` when the run is still written, ``ValueError`` when the file is not
    in the tracker's own format, and ``OSError``.
    """
    file = RunFile.reopen(path)
    try:
        found = logfile.find_head(b"".join(file.read(0, min(file.size, _MOST_BYTES))))
        if found is None:
            raise ValueError(f"{path} cannot be resumed: it was not written by this tracker")
        end = b"".join(file.read(max(found.records_at, file.size - _MOST_BYTES), file.size))
        tail, last = _state_at_the_end(end)
        writer = tail.resumed[-1] if tail.resumed else found.head.run
        if (
            tail.status == "running"
            and writer.get("pid") != os.getpid()
            and has_ended(writer) is False
        ):
            raise RunFileBusyError(
                f"{path} cannot be resumed: process {writer.get('pid')} on this host writes it"
            )
    except BaseException:
        file.close()
        raise
    return InterruptedRun(file, found.head, found.records_at, tail, last)


def _state_at_the_end(end: bytes) -> tuple[logfile.Tail, MetricsSnapshot | None]:
    recorded = logfile.find_last_record(end)
    found = logfile.find_tail(end)
    # Where the beginning and the end of two tails make one, what stood between them is missing.
    if found is not None and (found.tail.count or not found.starts_at):
        return found.tail, recorded
    if logfile.TAIL_START in end:
        recorded = None  # of an older tail: the new one begins behind the last record's whole line
    rows = [row for line in end.split(b"\n")[1:] for row in logfile.whole_rows(line)]
    last = recorded or (logfile.snapshot_of_row(rows[-1]) if rows else None)
    if last is None:
        return logfile.Tail(), None
    known = logfile.Tail(gradient_step=last.gradient_step, duration_seconds=last.wallclock_time)
    return known, recorded


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _experiment_name(path: Path) -> str:
    try:
        return read_config(path).experiment_name
    except (OSError, ValueError):
        return ""
