"""Time of one run, which a step of the wall clock cannot turn backwards."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from traintop.times import utc_offset


class RunClock:
    """Counts a run's seconds on the monotonic clock, from ``seconds_before`` on.

    A run that was resumed has trained for ``seconds_before``; the pause does not count.
    """

    def __init__(self, seconds_before: float = 0.0) -> None:
        self._origin = time.monotonic()
        self._origin_time = datetime.now()
        self._seconds_before = seconds_before

    @property
    def origin(self) -> float:
        """When this process started to count, on the monotonic clock."""
        return self._origin

    @property
    def started(self) -> datetime:
        """The local time at which this process started to count."""
        return self._origin_time

    @property
    def utc_offset(self) -> int:
        """Seconds east of UTC of its local times."""
        return utc_offset(self._origin_time)

    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self.at(time.monotonic())

    def at(self, moment: float) -> float:
        """``elapsed`` at a moment of ``time.monotonic``."""
        return self._seconds_before + moment - self._origin

    def now(self) -> str:
        """The local time as ISO 8601, as ``datetime.now().isoformat()`` would write it."""
        return self.time_at(time.monotonic())

    def time_at(self, moment: float) -> str:
        """``now`` at a moment of ``time.monotonic``."""
        passed = timedelta(seconds=moment - self._origin)
        return (self._origin_time + passed).isoformat(timespec="microseconds")

    def zoned_time_at(self, moment: float) -> str:
        """``time_at`` with its offset, which holds whoever goes on with the run."""
        zone = timezone(timedelta(seconds=self.utc_offset))
        return datetime.fromisoformat(self.time_at(moment)).replace(tzinfo=zone).isoformat()
