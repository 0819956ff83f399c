"""A command that a rule names, with the event on its input and in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from traintop.tables import json_text
from traintop.text import safe_text

TIMEOUT = 60.0
"""Seconds that a command may take."""

_GRACE = 5.0  # seconds from SIGTERM to SIGKILL
_LONGEST_VALUE = 1000
_NO_VARIABLES = frozenset({"version", "cursor"})
_SHOWN = 300  # bytes of what the command said last
_LOOK = 0.2  # seconds between two looks at how much that is
_MOST_SAID = 2**20  # bytes of it on the disk, beyond what is written between two looks


class ChildProcess:
    """A running command, in a process group of its own. No shell reads its arguments.

    ``event`` is on its standard input as JSON, and in its environment as ``TRAINTOP_*``, without
    control characters. Raises ``OSError`` when it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], event: Mapping[str, Any]) -> None:
        # Appended to, so that what is said after it was cut short stands at its beginning.
        self._errors = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed at the end of wait()
        with tempfile.TemporaryFile() as given:
            given.write(json_text(event).encode("utf-8", "replace") + b"\n")
            given.seek(0)
            self._process = subprocess.Popen(
                arguments,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env={**os.environ, **variables_of(event)},
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait for its end, and bring that about after ``TIMEOUT``.

        Raises ``ValueError`` when it had to be ended, or did not succeed.
        """
        with self._errors:
            try:
                status = self._exit_status()
            except subprocess.TimeoutExpired:
                self.end()
                raise ValueError(f"did not end within {TIMEOUT:g} s, and was ended") from None
            if status:
                self._errors.seek(max(self._errors.seek(0, os.SEEK_END) - _SHOWN, 0))
                said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
                last = f": {said[-1]}" if said else ""
                how = f"exit status {status}" if status > 0 else signal.Signals(-status).name
                raise ValueError(f"{how}{last}")

    def _exit_status(self) -> int:
        """Wait for it, and forget meanwhile what it says at length.

        Raises ``TimeoutExpired`` after ``TIMEOUT``.
        """
        deadline = time.monotonic() + TIMEOUT
        while (left := deadline - time.monotonic()) > _LOOK:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_LOOK)
            if os.fstat(self._errors.fileno()).st_size > _MOST_SAID:
                self._errors.truncate(0)
                os.lseek(self._errors.fileno(), 0, os.SEEK_SET)  # the command's place, too
        return self._process.wait(max(left, 0))

    def end(self) -> None:
        """End it and all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)
                if number is signal.SIGTERM and not _has_members(self._process.pid):
                    return


def variables_of(event: Mapping[str, Any]) -> dict[str, str]:
    """An event as environment variables."""
    return {
        f"TRAINTOP_{name.upper()}": safe_text(value, _LONGEST_VALUE)
        for name, value in event.items()
        if value is not None and name not in _NO_VARIABLES
    }


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
