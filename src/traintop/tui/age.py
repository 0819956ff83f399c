"""How long ago a run started, in words so coarse that they change once a minute at most."""

from __future__ import annotations

from traintop.text import MISSING

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


def age_text(seconds: float | None) -> str:
    """An age in at most 4 characters: "now", "59m", "47h", "99d", "2y"."""
    if seconds is None:
        return MISSING
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
