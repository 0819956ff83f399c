"""When frames go to the terminal, over lines of any speed, to terminals that answer or not.

The clock is a number here, and the line is one that passes so many bytes a second.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from traintop.tui.output.pacing import LinePace
from traintop.tui.output.screen import QUERY

STEP = 0.002
KEY_FRAME = 1_500  # bytes that answer a key
NEWS = 20_000.0  # bytes a second that change by themselves


@dataclass
class Line:
    """A line of a rate, in bytes a second, and a delay each way, with a terminal at its end."""

    rate: float
    delay: float = 0.0
    answers: bool = True
    now: float = 0.0
    free: float = 0.0
    """When all that was sent has left."""
    answering: deque[float] = field(default_factory=deque)

    def send(self, size: int) -> float:
        """When what is sent now arrives."""
        self.free = max(self.now, self.free) + size / self.rate
        if self.answers:
            self.answering.append(self.free + 2 * self.delay)
        return self.free + self.delay

    @property
    def queued(self) -> float:
        """Bytes that have not left yet."""
        return max(0.0, self.free - self.now) * self.rate

    def step(self, pace: LinePace) -> None:
        """Let time pass, and what is answered meanwhile arrive."""
        self.now += STEP
        while self.answering and self.answering[0] <= self.now:
            self.answering.popleft()
            pace.answered(self.now)
        pace.waited(self.now)


def asked(line: Line) -> LinePace:
    """A pace that has begun to ask."""
    pace = LinePace(0.0)
    pace.queried(0.0)
    line.send(len(QUERY))
    return pace


def answered() -> LinePace:
    """A pace that had an answer within 10 ms."""
    pace = LinePace(0.0)
    pace.queried(0.0)
    pace.answered(0.01)
    return pace


def key_delays(line: Line, pace: LinePace) -> list[float]:
    """How long each key takes to be seen within a minute while news want twenty kB/s."""
    waiting, pressed, delays = 0.0, [], []
    keys = random.Random(1)
    next_key = 3.0
    while line.now < 60.0:
        line.step(pace)
        waiting = min(waiting + NEWS * STEP, 30_000)
        if line.now >= next_key:
            pressed.append(line.now - line.delay)
            pace.pressed(line.now)
            next_key += 1.2 + keys.random()
        if pace.wait(line.now) > 0:
            continue
        size = int(min(waiting + (KEY_FRAME if pressed else 0), pace.room))
        waiting = max(0.0, waiting - size)
        assert not line.answers or not line.queued
        blocked = max(0.0, line.queued + size - 8_000) / line.rate  # a pty holds some
        pace.sends(line.now, size)
        arrives = line.send(size)
        line.now += blocked
        pace.wrote(line.now)
        # What a key changes is small, so that it is in the first frame that follows.
        delays += [arrives - moment for moment in pressed]
        pressed.clear()
    return sorted(delays)


def worst(delays: list[float]) -> float:
    return delays[int(len(delays) * 0.9)]


@pytest.mark.parametrize(
    ("rate", "delay", "most"),
    [(8_000, 0.0, 1.5), (20_000, 0.0, 0.5), (100_000, 0.0, 0.3), (1e7, 0.0, 0.1), (1e7, 0.15, 0.7)],
)
def test_a_key_is_seen_soon_on_any_line(rate, delay, most):
    line = Line(rate, delay)
    assert worst(key_delays(line, asked(line))) <= most


def test_nothing_piles_up_before_a_silent_terminal():
    line = Line(8_000, answers=False)
    assert worst(key_delays(line, asked(line))) <= 1.5


def test_a_multiplexer_is_paced_by_what_it_takes():
    line = Line(8_000, answers=False)
    assert worst(key_delays(line, LinePace(0.0, answers=False))) <= 1.5


def test_what_changes_by_itself_takes_a_share_of_the_line():
    line, sent = Line(1e7), 0
    pace = asked(line)
    while line.now < 20.0:
        line.step(pace)
        if not pace.wait(line.now):
            pace.sends(line.now, 4_000)
            line.send(4_000)
            sent += 4_000 if line.now > 2.0 else 0
            pace.wrote(line.now)
    assert sent / 18.0 <= 6_500


def test_one_frame_is_under_way_and_no_more():
    pace = answered()
    pace.pressed(0.02)
    pace.sends(0.02, 3_000)
    assert pace.wait(0.9) > 0
    pace.answered(0.95)
    assert pace.wait(0.95) == 0


def test_a_lost_answer_is_asked_for_again():
    pace = answered()
    pace.sends(1.0, 100)
    assert not pace.asks_again(2.0)
    assert pace.asks_again(10.0)
    pace.queried(10.0)
    assert not pace.asks_again(10.1)
    pace.answered(10.2)
    assert pace.wait(11.0) == 0


def test_a_terminal_that_answers_late_is_not_silent():
    pace = LinePace(0.0)
    pace.queried(0.0)
    pace.waited(0.5)
    assert pace.wait(0.5) > 0
    pace.waited(1.5)
    assert pace.wait(1.5) == 0
    assert pace.answers is False
    pace.answered(2.0)
    pace.pressed(2.0)
    pace.sends(2.0, 100)
    assert pace.wait(2.5) > 0
    pace.answered(3.5)
    assert pace.wait(3.5) == 0


def test_another_terminal_may_have_taken_the_place():
    pace = answered()
    pace.sends(1.0, 100)
    pace.renewed(30.0)
    assert pace.wait(30.0) == 0


def test_a_line_is_slow_until_it_is_fast_again():
    pace = answered()
    assert not pace.slow
    moment, size = 1.0, 4_000
    for _ in range(3):
        pace.sends(moment, size)
        pace.answered(moment + size / 8_000)
        moment += 1.0
    assert pace.slow
    assert pace.room <= 8_000 * 0.2
    for _ in range(20):
        pace.sends(moment, pace.room)
        pace.answered(moment + 0.011)
        moment += 1.0
    assert not pace.slow
    assert pace.room > 10_000


def test_news_rest_after_a_frame_and_keys_do_not():
    pace = answered()
    pace.sends(2.0, 3_000)
    assert pace.rest(2.1) == pytest.approx(0.4)
    pace.pressed(2.1)
    assert pace.rest(2.1) == 0


def test_a_line_that_stood_still_is_not_slow_for_long():
    pace = LinePace(0.0, answers=False)
    pace.sends(1.0, 6_000)
    pace.wrote(601.0)
    assert pace.wait(601.0) <= 3.0
    moment = 604.0
    for _ in range(5):
        pace.sends(moment, pace.room)
        pace.wrote(moment)
        assert pace.wait(moment) <= 0.5
        moment += 1.0
