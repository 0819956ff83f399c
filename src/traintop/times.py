"""The times of log files: local ISO 8601, as ``datetime.now().isoformat()`` writes them."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache


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
