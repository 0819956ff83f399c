"""How fast a run logs, and for how long it does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from traintop.model import MetricsSnapshot, Pauses

_KEPT = 64
_RECENT = 5
_WINDOW_SECONDS = 60.0


def median(values: Iterable[float]) -> float:
    """The middle value (the upper one of two); the module of statistics takes long to import."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


class RunningMedian:
    """The median of up to 64 values that are evenly spread over all that were added."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._stride = 1
        self.count = 0

    def add(self, value: float) -> None:
        """Add the next value."""
        if self.count % self._stride == 0:
            self._kept.append(value)
            if len(self._kept) > _KEPT:
                self._kept = self._kept[::2]
                self._stride *= 2
        self.count += 1

    @property
    def value(self) -> float | None:
        """``None`` before the first value."""
        return median(self._kept) if self._kept else None


class LoggingPace:
    """The pauses and the pace of one process that logs a run.

    ``longest`` is the longest pause of the processes before it, and ``began`` when this one began
    to count, in seconds of the run.
    """

    def __init__(self, began: float = 0.0, longest: float | None = None) -> None:
        self._called_at = self._iteration_at = began
        self._longest = longest
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._usual = RunningMedian()
        self._iteration: float | None = None
        self._highest: MetricsSnapshot | None = None
        self._reached: deque[tuple[float, float]] = deque()

    def add(self, record: MetricsSnapshot) -> None:
        """What was logged next, for whichever iteration."""
        now, iteration = record.wallclock_time, record.iteration
        if self._iteration is not None:
            self._longest = max(now - self._called_at, self._longest or 0.0)
            if iteration != self._iteration:
                self._recent.append(now - self._iteration_at)
                self._usual.add(now - self._iteration_at)
        if iteration != self._iteration:
            self._iteration, self._iteration_at = iteration, now
        self._called_at = now
        if self._highest is None or iteration >= self._highest.iteration:
            self._highest = record

    def rewind(self) -> None:
        """The iterations start again from a lower one."""
        self._highest = None
        self._reached.clear()

    def pauses(self, now: float) -> Pauses:
        """Those so far, ``now`` seconds into the run."""
        recent = median(self._recent) if self._recent else None
        known = (recent, self._usual.value, self._longest)
        rounded = (None if one is None else round(one, 6) for one in known)
        return Pauses(round(max(now - self._called_at, 0.0), 6), *rounded)

    def iterations_per_second(self) -> float | None:
        """The pace of the last minute, evaluations and checkpoints included."""
        if self._highest is None:
            return None
        now = (self._highest.wallclock_time, float(self._highest.iteration))
        if not self._reached or self._reached[-1] != now:
            self._reached.append(now)
        while len(self._reached) > 2 and now[0] - self._reached[1][0] > _WINDOW_SECONDS:
            self._reached.popleft()
        seconds = now[0] - self._reached[0][0]
        iterations = now[1] - self._reached[0][1]
        return iterations / seconds if seconds > 0 and iterations > 0 else None
