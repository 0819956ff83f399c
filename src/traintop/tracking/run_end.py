"""How a run ended: as given to ``finish``, or as an exception shows."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from traintop.tracking.run_clock import RunClock
from traintop.values import jsonable

_LONGEST_ERROR = 10_000
_LONGEST_NOTES = 500_000  # in bytes of JSON, for readers look for a tail in the last 4 MiB

EndStatus = Literal["finished", "failed", "interrupted"]


class RunEnd(NamedTuple):
    """How and when a run ended, with what was given to ``finish``."""

    status: EndStatus
    end_time: str
    duration_seconds: float
    gradient_step: int
    train_loss: float | None = None
    val_loss: float | None = None
    notes: str = ""
    error: str = ""


def run_end(
    status: EndStatus,
    error: str,
    clock: RunClock,
    moment: float,
    *,
    gradient_step: int,
    train_loss: float | None = None,
    val_loss: float | None = None,
    notes: object = "",
) -> RunEnd:
    """The end of a run at a moment of ``time.monotonic``; texts are cut to what may be written."""
    return RunEnd(
        status,
        clock.time_at(moment),
        clock.at(moment),
        gradient_step,
        train_loss,
        val_loss,
        bounded_notes(notes),
        str(jsonable(error[:_LONGEST_ERROR])),
    )


def bounded_notes(notes: object) -> str:
    """As much of a text as may be written: a control character takes six bytes."""
    text = str(jsonable("" if notes is None else str(notes)[:_LONGEST_NOTES]))
    while len(written := msgspec.json.encode(text)) > _LONGEST_NOTES:
        text = text[: len(text) * _LONGEST_NOTES // len(written)]
    return text


def status_of(exception: BaseException | None) -> tuple[EndStatus, str]:
    """Status and error text of a run that ended with this exception, or with none."""
    if exception is None or (isinstance(exception, SystemExit) and not exception.code):
        return "finished", ""
    # Ctrl-C, sys.exit, a generator that is closed, a task that is cancelled.
    interrupted = not isinstance(exception, Exception)
    try:
        text = str(exception)
    except Exception:  # an exception of the training loop may have a broken __str__
        text = "(its text is not available)"
    error = f"{type(exception).__name__}: {text}" if text else type(exception).__name__
    return ("interrupted" if interrupted else "failed"), error
