"""What happens to runs when their process exits, is sent SIGTERM, or forks."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import time
import weakref
from pathlib import Path
from typing import Protocol

from traintop.model import ExperimentConfig
from traintop.tracking.run_end import EndStatus, status_of

_EXIT_SECONDS = 10.0


class TrackedRun(Protocol):
    """A run that must not outlive its process."""

    def end_at_exit(self, status: EndStatus, error: str, timeout: float) -> None:
        """The process ends: record it within ``timeout`` seconds."""

    def disable(self) -> None:
        """This process is a forked child: write nothing more."""

    def suspend_if_abandoned(self) -> None:
        """Say that the run ended, unless it logs again, when its loop seems to be gone."""

    def is_instead_of(self, config: ExperimentConfig, moment: float) -> bool:
        """Whether this run was started after a moment, and seems to be in the place of another."""

    def give_way(self, path: Path) -> None:
        """Another run goes on with this file."""


_registered: weakref.WeakValueDictionary[int, TrackedRun] = weakref.WeakValueDictionary()


def register(run: TrackedRun) -> None:
    """Have a run ended when the process ends, and disabled in forked children."""
    _registered[id(run)] = run
    with contextlib.suppress(OSError, RuntimeError):  # no descriptor or no thread is left
        from traintop.tracking.sigterm import record_sigterm  # not at the cost of every import

        record_sigterm(functools.partial(_end_all, "interrupted", "SIGTERM"))


def runs_of_process() -> list[TrackedRun]:
    """All runs that were started here and are still known to anyone."""
    # In one step, for another thread may start a run meanwhile.
    return [run for reference in _registered.valuerefs() if (run := reference()) is not None]


def exception_that_left(tracker: object) -> BaseException | None:
    """The exception that an interactive Python showed last, if it left a frame with a tracker."""
    error = getattr(sys, "last_value", None)
    traceback = error.__traceback__ if isinstance(error, BaseException) else None
    while traceback is not None:
        frame = traceback.tb_frame
        code = frame.f_code
        names = {*code.co_names, *code.co_varnames, *code.co_cellvars, *code.co_freevars}
        with contextlib.suppress(Exception):  # a class body may have any mapping for its names
            if any(frame.f_locals.get(name) is tracker for name in names):
                return error
        traceback = traceback.tb_next
    return None


def _end_all(status: EndStatus, error: str, timeout: float) -> None:
    """End all runs, within so many seconds together: a disk may hang."""
    deadline = time.monotonic() + timeout
    for run in runs_of_process():
        run.end_at_exit(status, error, max(deadline - time.monotonic(), 0.0))


def _at_exit() -> None:
    """End all runs; an exception that ends the process because nobody caught it is recorded."""
    uncaught = getattr(sys, "last_value", None)
    if hasattr(sys, "ps1"):  # an interactive Python goes on after any exception
        uncaught = None
        for run in runs_of_process():
            run.suspend_if_abandoned()
    if uncaught is None:
        _end_all("interrupted", "the process ended without finish()", _EXIT_SECONDS)
    else:
        _end_all(*status_of(uncaught), _EXIT_SECONDS)


def _in_forked_child() -> None:
    for run in runs_of_process():
        run.disable()
    _registered.clear()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
