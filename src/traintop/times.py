"""The times of log files: local ISO 8601, as ``datetime.now().isoformat()`` writes them.

Local is where a run was written, which its file says by ``run.utc_offset``. Readers bring such
times to their own zone first, so that all of them are of one time line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_SECONDS_PER_DAY = 86_400

UNIT_SECONDS: Mapping[str, float] = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""The units of a length of time, by their letters."""

_LENGTH = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?)?"
)


def seconds_of(length: str) -> float:
    """A length of time such as "90", "5m", "1h30m" or "2 days", in seconds.

    Raises ``ValueError`` for any other text.
    """
    text = length.strip()
    parts = list(_LENGTH.finditer(text))
    if not parts or _LENGTH.sub("", text).strip():
        raise ValueError(f"{length!r} is no length of time such as 90s, 5m, 6h or 2d")
    return sum(float(part[1]) * UNIT_SECONDS[(part[2] or "s")[0]] for part in parts)


def utc_offset(time: datetime) -> int:
    """Seconds east of UTC of a naive local time."""
    offset = time.astimezone().utcoffset()
    return round(offset.total_seconds()) if offset else 0


def in_local_time(text: str | None, written_at: object) -> str | None:
    """A time that was written so many seconds east of UTC, as it is in this process's zone.

    It carries its offset where it would stand for another moment without: in the hour that comes
    twice when summer time ends. It stays as it is where nobody knows its offset.
    """
    if text is None:
        return None
    try:
        if type(written_at) is int and written_at == _offset_at(text[:13]):
            return text
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            if type(written_at) is not int or not abs(written_at) < _SECONDS_PER_DAY:
                return text
            time = time.replace(tzinfo=timezone(timedelta(seconds=written_at)))
        local = time.astimezone()
        plain = local.replace(tzinfo=None, fold=0)
        return (plain if plain.astimezone() == local else local).isoformat()
    except (ValueError, OverflowError, OSError):
        return text


@lru_cache(maxsize=4096)
def _offset_at(hour: str) -> int:
    """Seconds east of UTC in this process's zone in an hour such as "2025-02-22T14"."""
    return utc_offset(datetime.fromisoformat(f"{hour}:00"))


def iso_time(seconds: float) -> str | None:
    """The moment so many seconds after 1970, with its offset; ``None`` for none after it."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def parse_time(text: str | None) -> datetime | None:
    """A log file's time as a naive local time, ``None`` where it is missing or malformed."""
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo is None else time.astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def time_text(text: str, timespec: str = "minutes") -> str:
    """A log file's time as a person reads it, in local time: "2025-02-22 14:05"."""
    time = parse_time(text)
    return text[:16] if time is None else time.isoformat(" ", timespec)


@lru_cache(maxsize=20_000)  # of starts, which stay; a live run has another end four times a second
def posix_time(text: str | None) -> float | None:
    """The moment that a time stands for, in seconds since 1970; by it, times are in order."""
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except (ValueError, OverflowError, OSError):
        return None


def age_seconds(start: str | None, now: datetime) -> float | None:
    """Seconds since ``start``; 0 for a start in the future, as clocks of two hosts can yield."""
    started = posix_time(start)
    return None if started is None else max(now.timestamp() - started, 0.0)
