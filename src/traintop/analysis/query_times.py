"""The times of a query: ``2025-02-22``, ``2025-02-22 14:05``, ``today``, ``3h ago``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from traintop.times import parse_time, posix_time

DAYS: Mapping[str, int] = {"yesterday": -1, "today": 0, "tomorrow": 1}
"""Words for days, by how far they are from today."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ONE_DIGIT = re.compile(r"[ T](?=\d:)")
_LASTS = (timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1))
"""How long a period is, by the number of colons in its text."""


class Period(msgspec.Struct, frozen=True):
    """A time that lasts, as a day does, from ``begin`` to before ``end``."""

    begin: datetime
    end: datetime

    @classmethod
    def written(cls, text: str) -> Period | None:
        """A day, minute or second in ISO 8601; ``None`` for any other text."""
        begin = parse_time(_ONE_DIGIT.sub(" 0", text)) if _DATE.match(text) else None
        return cls._lasting(begin, _LASTS[min(text[:19].count(":"), 2)])

    @classmethod
    def named(cls, word: str, now: datetime) -> Period | None:
        """One of ``DAYS``, or now."""
        if word == "now":
            return cls.ago(0, now)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return cls._lasting(midnight + timedelta(days=DAYS[word]), _LASTS[0])

    @classmethod
    def ago(cls, seconds: float, now: datetime) -> Period | None:
        """The moment so many seconds ago, whatever clocks show; ``None`` before all calendars."""
        try:
            moment = datetime.fromtimestamp(now.timestamp() - seconds, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        return cls(moment, moment)

    @classmethod
    def _lasting(cls, begin: datetime | None, lasts: timedelta) -> Period | None:
        try:
            return None if begin is None else cls(begin, begin + lasts)
        except OverflowError:
            return None

    def compares(self, time: str | None, sign: str) -> bool:
        """Whether this comparison with the period holds for a log file's time."""
        moment, seconds = parse_time(time), posix_time(time)
        if moment is None or seconds is None:
            return False
        if self.begin.tzinfo is not None:
            moment = datetime.fromtimestamp(seconds, UTC)
        if sign in (">", ">="):
            return moment >= self.begin
        if sign in ("<", "<="):
            return moment < (self.begin if sign == "<" else self.end)
        return (self.begin <= moment < self.end) is not (sign == "!=")
