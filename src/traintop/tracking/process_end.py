"""How a process that trains ends, or becomes two: exit, SIGTERM, fork."""

from __future__ import annotations

import atexit
import functools
import os
import time
import weakref
from typing import Protocol

from traintop.tracking.writer import EndStatus

_EXIT_SECONDS = 10.0


class Attended(Protocol):
    """A run that is to be ended with its process."""

    def leave(self, status: EndStatus | None, error: str, timeout: float) -> None:
        """The process ends."""

    def become_silent(self) -> None:
        """This process is a forked child."""


_attended: weakref.WeakValueDictionary[int, Attended] = weakref.WeakValueDictionary()


def attend(run: Attended) -> None:
    """Have a run ended when the process ends, and silenced in forked children."""
    from traintop.tracking.sigterm import record_sigterm  # not at the cost of every import

    _attended[id(run)] = run
    record_sigterm(functools.partial(_leave, "interrupted", "SIGTERM"))


def ending_of(exception: BaseException | None) -> tuple[EndStatus, str]:
    """The status, and the exception's text, of a run that an exception ended, if one did."""
    if exception is None or (isinstance(exception, SystemExit) and not exception.code):
        return "finished", ""
    interrupted = isinstance(exception, (KeyboardInterrupt, SystemExit))
    try:
        text = str(exception)
    except Exception:  # an exception of the training loop may have a broken __str__
        text = "(its text cannot be had)"
    error = f"{type(exception).__name__}: {text}" if text else type(exception).__name__
    return ("interrupted" if interrupted else "failed"), error


def _runs() -> list[Attended]:
    # In one step, for another thread may start a run meanwhile.
    return [run for reference in _attended.valuerefs() if (run := reference()) is not None]


def _leave(status: EndStatus | None, error: str, timeout: float) -> None:
    """End all runs, within so many seconds together: a disk may hang."""
    deadline = time.monotonic() + timeout
    for run in _runs():
        run.leave(status, error, max(deadline - time.monotonic(), 0.0))


def _become_silent() -> None:
    for run in _runs():
        run.become_silent()
    _attended.clear()


atexit.register(_leave, None, "the process ended without finish()", _EXIT_SECONDS)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_become_silent)
