"""The one run of a command: that of its own tracker, or of ours if it has none.

A run of ours is there from the start on. Once the command reports one, that is the run; ours goes
away if nothing was read of what is printed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from traintop.launch.console import Console
from traintop.launch.exit_record import how_it_ended, record_exit
from traintop.launch.patch import Patch, write_patch
from traintop.launch.process import Exit
from traintop.launch.reports import Reports
from traintop.model import LOGGED_WITH
from traintop.store.formats.text_log import TextLogStream
from traintop.store.formats.text_log_lines import PLACE
from traintop.text import error_text
from traintop.tracking.environment import process_rank
from traintop.tracking.tracker import ExperimentTracker
from traintop.values import NAME_SETTING

LOGS_WITH = "traintop run"

_TICK_SECONDS = 0.25
_READ_A_TICK, _READ_AT_ONCE = 1 << 16, 1 << 20
"""Bytes of what is printed that are searched for metrics: a loop prints less, and a flood of lines
must not wait for us.
"""


class RunRecorder:
    """Records what a command does that has started; see :class:`..process.Launched`.

    Nothing here raises, for the command must go on: what fails is said in ``problems``.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        log_dir: Path,
        reports: Reports,
        patch: Patch | None,
    ) -> None:
        self._command = command
        self._reports = reports
        self._patch = patch
        self._runs: list[Path] = []  # all that the command wrote, or is read of it
        self._log = TextLogStream()
        self._has_metrics = False
        self._settings: dict[str, Any] = {}
        self._budget = _READ_AT_ONCE
        self._due = 0.0
        self.problems: dict[str, str] = {}
        """What could not be written, and why."""
        # Of a job of many ranks one has the output.
        self._tracker = self._console = None
        if process_rank() == 0:
            self._tracker = ExperimentTracker(
                {NAME_SETTING: name}, log_dir, quiet=True, facts={LOGGED_WITH: LOGS_WITH}
            )
            self._tracker.start()
            self._console = Console(self._tracker.path)

    @property
    def own_run(self) -> Path | None:
        """The file of the run of ours, while the command has none."""
        return None if self._tracker is None else self._tracker.path

    @property
    def runs(self) -> list[Path]:
        """The files of all runs of the command so far."""
        return list(
            filter(os.path.exists, dict.fromkeys([*self._runs, *filter(None, [self.own_run])]))
        )

    def take(self, data: bytes) -> None:
        """The command printed something."""
        self._try("what it logs", functools.partial(self._take, data))

    def _take(self, data: bytes) -> None:
        if self._console is not None:
            self._console.write(data)
        if len(data) <= self._budget:
            self._budget -= len(data)
            self._log_metrics(data)
        else:
            self._log.skip()

    def tick(self) -> None:
        """Look at what was reported, and write what is to be seen while the command runs."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _TICK_SECONDS
        self._budget = min(self._budget + _READ_A_TICK, _READ_AT_ONCE)
        self._try("what it reports", self._look_at_reports)
        if self._console is not None:
            self._try("what it prints", self._console.flush)

    def end(self, end: Exit) -> None:
        """The command ended: record how, beside all else that is known."""
        self._try("what it reports", self._look_at_reports)
        self._try("what it logs", functools.partial(self._log_metrics, b"", is_end=True))
        last_line = "" if self._console is None else self._console.last_line
        if self._tracker is not None:
            self._runs.append(self._tracker.path)
            self._tracker._run.end(*how_it_ended(end, last_line))
        if self._console is not None:
            keep = self._has_metrics or self._tracker is not None
            self._try("what it prints", functools.partial(self._console.close, keep=keep))
        patch = b"" if self._patch is None else self._patch.text()
        for run in filter(os.path.exists, self._runs):
            self._try("its patch", functools.partial(write_patch, run, patch))
            record = functools.partial(record_exit, run, self._command, end, last_line)
            self._try("its end", record)

    def _try(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:
            self.problems[what] = f"{what} could not be recorded: {error_text(error)}"
        else:
            self.problems.pop(what, None)  # of the disk, which takes all again

    def _log_metrics(self, data: bytes, *, is_end: bool = False) -> None:
        if self._tracker is None:
            return
        for row in self._log.feed(data, is_end=is_end):
            self._has_metrics = True
            self._tracker.log_metrics(row.pop(PLACE), metrics=row)
        if self._log.settings != self._settings:
            self._settings = self._log.settings
            self._tracker.update_config(self._settings)

    def _look_at_reports(self) -> None:
        for path in self._reports.new():
            self._runs.append(path)
            if self._console is not None:
                self._console.add(path)
            if self._tracker is not None:
                self._give_way(self._tracker)

    def _give_way(self, tracker: ExperimentTracker) -> None:
        """The command writes runs by itself."""
        self._tracker = None
        tracker.finish()
        if self._has_metrics:
            self._runs.append(tracker.path)
        else:
            with contextlib.suppress(OSError):
                tracker.path.unlink()
