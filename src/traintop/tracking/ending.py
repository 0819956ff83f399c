"""How a run ended: what its owner said of it, or what an exception says."""

from __future__ import annotations

from typing import Literal, NamedTuple

EndStatus = Literal["finished", "failed", "interrupted"]


class Ending(NamedTuple):
    """How and when a run ended, and what its owner said of it."""

    status: EndStatus
    end_time: str
    duration_seconds: float
    train_loss: float | None = None
    val_loss: float | None = None
    notes: str = ""
    error: str = ""


def outcome_of(exception: BaseException | None) -> tuple[EndStatus, str]:
    """The status, and the exception's text, of a run that an exception ended, if one did."""
    if exception is None or (isinstance(exception, SystemExit) and not exception.code):
        return "finished", ""
    # Ctrl-C, sys.exit, a generator that is closed, a task that is cancelled.
    interrupted = not isinstance(exception, Exception)
    try:
        text = str(exception)
    except Exception:  # an exception of the training loop may have a broken __str__
        text = "(its text cannot be had)"
    error = f"{type(exception).__name__}: {text}" if text else type(exception).__name__
    return ("interrupted" if interrupted else "failed"), error
