"""How a process that trains ends, or becomes two: exit, SIGTERM, fork."""

from __future__ import annotations

import atexit
import functools
import os
import sys
import time
import weakref
from typing import Protocol

from traintop.tracking.ending import EndStatus, outcome_of

_EXIT_SECONDS = 10.0


class Attended(Protocol):
    """A run that is to be ended with its process."""

    def leave(self, status: EndStatus, error: str, timeout: float) -> None:
        """The process ends."""

    def become_silent(self) -> None:
        """This process is a forked child."""


_attended: weakref.WeakValueDictionary[int, Attended] = weakref.WeakValueDictionary()


def attend(run: Attended) -> None:
    """Have a run ended when the process ends, and silenced in forked children."""
    from traintop.tracking.sigterm import record_sigterm  # not at the cost of every import

    _attended[id(run)] = run
    record_sigterm(functools.partial(_leave, "interrupted", "SIGTERM"))


def _runs() -> list[Attended]:
    # In one step, for another thread may start a run meanwhile.
    return [run for reference in _attended.valuerefs() if (run := reference()) is not None]


def _leave(status: EndStatus, error: str, timeout: float) -> None:
    """End all runs, within so many seconds together: a disk may hang."""
    deadline = time.monotonic() + timeout
    for run in _runs():
        run.leave(status, error, max(deadline - time.monotonic(), 0.0))


def _exit() -> None:
    """End all runs; if an exception that nobody caught ends the process, they tell it."""
    uncaught = getattr(sys, "last_value", None)
    if uncaught is None:
        _leave("interrupted", "the process ended without finish()", _EXIT_SECONDS)
    else:
        _leave(*outcome_of(uncaught), _EXIT_SECONDS)


def _become_silent() -> None:
    for run in _runs():
        run.become_silent()
    _attended.clear()


atexit.register(_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_become_silent)
