"""What is said of a command's end in the files of its runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from traintop.launch.process import Exit
from traintop.logfile import Tail
from traintop.tracking.resumption import open_interrupted_run
from traintop.tracking.run_end import EndStatus
from traintop.tracking.run_file import RunFile

_OF_PERSON = ("SIGINT", "SIGTERM", "SIGHUP")


def record_exit(run: Path, command: Sequence[str], end: Exit, last_line: str) -> None:
    """Write into a run's file how the command ended that wrote it.

    A run that says how it ended keeps that; one whose process could not say so ends as the command
    did. Raises ``OSError``, ``ValueError`` for a file that is none of a run, and
    ``RunFileBusyError`` where a process still writes it.
    """
    found = open_interrupted_run(run)
    try:
        if not found.is_current or found.ends.tail is None:
            raise ValueError(f"{run} is torn: traintop doctor --repair mends it")
        head, crc32 = found.read(0, found.records_at), found.tail.lines_crc32 or 0
        lines_end = found.ends.lines_end or 0
        file = RunFile(found.path, found.descriptor, head, lines_end, 0, crc32)
        file.write([], _ended(found.tail, command, end, last_line))
        file.fsync()
    finally:
        found.close()


def _ended(tail: Tail, command: Sequence[str], end: Exit, last_line: str) -> Tail:
    if tail.launched:
        return tail  # another `traintop run` was in the command
    facts: dict[str, Any] = {"command": shlex.join(command)}
    facts |= {"exit_code": end.code} if end.signal is None else {"signal": end.signal}
    tail = replace(tail, launched={**facts, "command_seconds": round(end.seconds, 3)})
    if tail.status != "running":
        return tail
    now, seconds = datetime.now(), tail.duration_seconds
    if seconds is not None and tail.updated_at is not None:
        silence = now - datetime.fromisoformat(tail.updated_at)
        seconds += max(silence.total_seconds(), 0.0)
    status, error = how_it_ended(end, last_line)
    return replace(
        tail,
        status=status,
        error=error,
        end_time=now.isoformat(timespec="microseconds"),
        duration_seconds=seconds,
    )


def how_it_ended(end: Exit, last_line: str) -> tuple[EndStatus, str]:
    """The status of a run, and the error, whose process says nothing of its end."""
    if end.signal is not None:
        return ("interrupted" if end.signal in _OF_PERSON else "failed"), end.signal
    if not end.code:
        return "finished", ""
    return "failed", f"exit code {end.code}{f'; last line: {last_line}' if last_line else ''}"
