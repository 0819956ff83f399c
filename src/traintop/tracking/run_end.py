"""How a run ended: as given to ``finish``, or as an exception shows."""

from __future__ import annotations

from typing import Literal, NamedTuple

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
