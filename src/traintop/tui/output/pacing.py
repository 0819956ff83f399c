"""When the next frame may go to the terminal, and how large it may be."""

from __future__ import annotations

import math

_PAUSE = 0.25
"""Seconds between frames that nobody waits for."""

_SHARE = 6_000.0
"""Bytes a second, at most, for what changes by itself, however fast the line is."""

_LONGEST_PAUSE = 2.0

_IN_FLIGHT = 0.15
"""Seconds that a frame may take on the line: a key that is pressed meanwhile waits for it."""

_ANSWER_SECONDS = 1.0
"""How long after a key all that changes is taken for its answer."""

_FIRST_ROOM, _LEAST_ROOM, _MOST_ROOM = 6_000, 400, 1 << 16
"""Bytes of a frame: while the line is not known, on a thin one, and on a free one."""

_UNTIL_SILENT = 1.0
"""Seconds after which a terminal that never answered is taken for one that does not."""

_UNTIL_ASKED_AGAIN = 4.0
"""Seconds after which a query is repeated: another program may have had the answer."""

_UNMEASURED = 100_000.0
"""Bytes a second that are sent to a terminal that does not answer, while it takes them."""

_LEAST = 2_000.0
"""Bytes a second that any line takes: whatever took less was not moving, and goes on some time."""

_SLOW, _FAST = 32_000.0, 64_000.0
"""Bytes a second below which a line is slow, and above which it is not any more."""

_LONG_ROUND_TRIP = 0.5
_LEAST_SECONDS = 0.002
"""A time below this says nothing but that the line is fast."""

_BLOCKED = 0.02
"""Seconds; a write that takes longer waits for the terminal."""


class LinePace:
    """What is known of the line to the terminal, and what follows for the frames.

    After each frame the terminal is asked for its status, and the line is free when the answer is
    there: it has crossed every buffer between. A terminal that does not answer, or for which a
    program between answers (tmux, screen), gets as much as should have passed meanwhile.

    Times are seconds of a clock that only goes forward.
    """

    def __init__(self, now: float, *, answers: bool | None = None) -> None:
        """``answers`` is false where answers say nothing, and ``None`` where that is unknown."""
        self.answers = answers
        self._rate = math.inf  # bytes a second that the line takes
        self._round_trip = math.inf
        self._slow = False
        self._queried = self._sent = now
        self._last_size = self._before_query = 0
        self.in_flight = False
        """Whether an answer is to come."""
        self._key = now

    @property
    def slow(self) -> bool:
        """Whether less can be sent than a person would like to see."""
        return self._slow or (self._round_trip > _LONG_ROUND_TRIP and bool(self.answers))

    @property
    def room(self) -> int:
        """Bytes that the next frame may have."""
        if math.isinf(self._rate):
            return _MOST_ROOM if self.answers is False else _FIRST_ROOM
        return int(min(max(self._rate * _IN_FLIGHT, _LEAST_ROOM), _MOST_ROOM))

    def is_awaited(self, now: float) -> bool:
        """Whether somebody waits for what changes now: it follows from a key."""
        return now - self._key < _ANSWER_SECONDS

    def pressed(self, now: float) -> None:
        """Take note of a key."""
        self._key = now

    def sends(self, now: float, size: int) -> None:
        """Take note of a frame of ``size`` bytes, with a query, before it is written.

        The answer may be there before the write returns.
        """
        self._sent, self._last_size = now, size
        if self.answers is not False:
            self.queried(now, size)

    def wrote(self, now: float) -> None:
        """Take note that the frame is written, which takes long where the terminal is behind."""
        seconds, self._sent = now - self._sent, now
        if self.answers is not False:
            return
        if seconds > _BLOCKED:
            self._measured(0.7 * self._last_size / seconds)  # less, so that what piled up goes
        elif self._rate < math.inf:
            self._measured(1.2 * self._rate)

    def queried(self, now: float, size: int = 0) -> None:
        """Take note of a query behind ``size`` bytes."""
        self._queried, self._before_query, self.in_flight = now, size, True

    def answered(self, now: float) -> None:
        """Take note of an answer; one that comes late shows that the terminal is not silent."""
        self.answers = True
        if not self.in_flight:
            return
        self.in_flight = False
        seconds = now - self._queried
        self._round_trip = min(1.01 * self._round_trip, seconds)
        size = self._before_query
        if size >= min(self.room, _FIRST_ROOM) / 4:
            self._measured(size / max(seconds - self._round_trip, _LEAST_SECONDS))

    def renewed(self, now: float) -> None:
        """Take note that another terminal may be there: one that had a query may never answer."""
        if self.in_flight and now - self._queried > _UNTIL_SILENT:
            self.in_flight = False
            self.answers = None

    def waited(self, now: float) -> None:
        """Take note that time has passed: who never answered for so long is silent."""
        if self.in_flight and self.answers is None and now - self._queried > _UNTIL_SILENT:
            self.answers, self.in_flight = False, False

    def wait(self, now: float) -> float:
        """Seconds until a frame may go out, 0 for now."""
        return _UNTIL_SILENT if self.in_flight else self.rest(now)

    def rest(self, now: float) -> float:
        """Seconds until a frame may go out if no answer were to come."""
        free = self._sent
        if self.answers is False:
            free += self._last_size / min(self._rate, _UNMEASURED)
        if not self.is_awaited(now):
            share = min(_SHARE, self._rate / 2)
            free = max(free, self._sent + min(max(_PAUSE, self._last_size / share), _LONGEST_PAUSE))
        return max(0.0, free - now)

    def asks_again(self, now: float) -> bool:
        """Whether an answer is overdue, so that it should be asked for once more."""
        return self.in_flight and bool(self.answers) and now - self._queried > _UNTIL_ASKED_AGAIN

    def _measured(self, rate: float) -> None:
        rate = max(rate, _LEAST)
        if self._rate < math.inf:
            rate = (self._rate + min(rate, 4 * self._rate)) / 2
        self._rate = rate
        self._slow = rate < (_FAST if self._slow else _SLOW)
