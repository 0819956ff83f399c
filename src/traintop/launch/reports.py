"""What processes of a command say of the runs that they write, and what we say of it at the end."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from traintop.launch.process import Exit
from traintop.logfile import Tail
from traintop.store.sidecars import make_folder
from traintop.tracking.launched import REPORTS
from traintop.tracking.resumption import open_interrupted_run
from traintop.tracking.run_end import EndStatus
from traintop.tracking.run_file import RunFile

_OF_PERSON = ("SIGINT", "SIGTERM", "SIGHUP")


class Reports:
    """The file that they report to, which exists as long as we do; see :mod:`..tracking.launched`.

    It is in the log directory, which processes on other machines may have, too. Raises ``OSError``.
    """

    def __init__(self, log_dir: Path) -> None:
        self._made = [path for path in (log_dir, *log_dir.parents) if not path.exists()]
        log_dir.mkdir(parents=True, exist_ok=True)
        self.path = make_folder(log_dir) / f"launch-{os.getpid()}-{os.urandom(4).hex()}"
        self.path.touch(exist_ok=False)
        self._at = 0
        self._known: set[Path] = set()

    @property
    def environment(self) -> dict[str, str]:
        """By what processes of the command find it."""
        return {REPORTS: str(self.path)}

    def new(self) -> Iterator[Path]:
        """The files of runs that were reported since the last call."""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                with suppress(msgspec.MsgspecError, UnicodeDecodeError, TypeError):
                    path = Path(msgspec.json.decode(line))
                    if path not in self._known:
                        self._known.add(path)
                        yield path

    def close(self) -> None:
        """Remove it, and the directories that were made for it if nothing else is in them."""
        with suppress(OSError):
            self.path.unlink()
            self.path.parent.rmdir()
            for directory in self._made:
                directory.rmdir()


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
