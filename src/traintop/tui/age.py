"""How long ago a run started, in words so coarse that they change once a minute at most."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


@lru_cache(maxsize=20_000)
def parse_time(text: str | None) -> datetime | None:
    """A log file's time as a naive local time, ``None`` where it is missing or malformed."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo is None else time.astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def age_seconds(start: str | None, now: datetime) -> float | None:
    """Seconds since ``start``; 0 for a start in the future, as clocks of two hosts can yield."""
    started = parse_time(start)
    return None if started is None else max((now - started).total_seconds(), 0.0)


def age_text(seconds: float | None) -> str:
    """An age in at most 4 characters: "now", "59m", "47h", "99d", "2y"."""
    if seconds is None:
        return "–"
    if seconds < _MINUTE:
        return "now"
    unit, letter = _unit(seconds)
    return f"{min(int(seconds // unit), 999)}{letter}"


def seconds_until_older(seconds: float) -> float:
    """Seconds until :func:`age_text` says something else."""
    if seconds < _MINUTE:
        return _MINUTE - seconds
    unit, _ = _unit(seconds)
    return unit - seconds % unit


def _unit(seconds: float) -> tuple[int, str]:
    if seconds < _HOUR:
        return _MINUTE, "m"
    if seconds < 2 * _DAY:
        return _HOUR, "h"
    if seconds < 2 * _YEAR:
        return _DAY, "d"
    return _YEAR, "y"
