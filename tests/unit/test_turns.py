"""Work on many things that asks together."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from tests.waiting import wait_until

from traintop.store.files import AwayError
from traintop.store.files.turns import LARGEST_BATCH, in_turns, together, wait_for_others


class Oracle:
    """Answers numbers by their squares."""

    def __init__(self) -> None:
        self.asked: list[Sequence[int]] = []

    def squares(self, numbers: Sequence[int]) -> Sequence[int]:
        self.asked.append(numbers)
        return [number**2 for number in numbers]

    def negatives(self, numbers: Sequence[int]) -> Sequence[int]:
        return [-number for number in numbers]


def test_the_work_on_many_things_asks_as_often_as_that_on_one() -> None:
    oracle = Oracle()

    def work(number: int) -> int:
        [square] = together(oracle.squares, [number])
        return together(oracle.squares, [square, 0])[0]

    assert in_turns(work, range(100)) == [number**4 for number in range(100)]
    assert [len(asked) for asked in oracle.asked] == [100, 200]


def test_who_asks_nothing_waits_for_nobody() -> None:
    oracle, done = Oracle(), []

    def work(number: int) -> None:
        if number % 2:
            together(oracle.squares, [number])
        done.append(number)

    in_turns(work, range(10))
    assert done[:5] == [0, 2, 4, 6, 8]
    assert sorted(done) == [*range(10)]
    assert len(oracle.asked) == 1


def test_only_one_is_at_work_at_a_time() -> None:
    oracle, at_work, most = Oracle(), 0, 0

    def work(number: int) -> None:
        nonlocal at_work, most
        for _ in range(3):
            at_work += 1
            most = max(most, at_work)
            time.sleep(0.0001)  # so that others would come to work, too
            at_work -= 1
            together(oracle.squares, [number])

    in_turns(work, range(50))
    assert most == 1


def test_questions_of_two_kinds_get_their_own_answers() -> None:
    oracle = Oracle()

    def work(number: int) -> Sequence[int]:
        ask = oracle.squares if number % 2 else oracle.negatives
        return together(ask, [number, number + 1])

    assert in_turns(work, [2, 3, 4]) == [[-2, -3], [9, 16], [-4, -5]]
    assert oracle.asked == [[3, 4]]


def test_no_more_is_asked_for_at_once_than_is_bearable() -> None:
    oracle = Oracle()
    size = LARGEST_BATCH // 2 - 1
    in_turns(lambda number: together(oracle.squares, [number], size), range(5))
    assert [len(asked) for asked in oracle.asked] == [2, 2, 1]
    in_turns(lambda number: together(oracle.squares, [number], 2 * LARGEST_BATCH), range(2))
    assert [len(asked) for asked in oracle.asked[3:]] == [1, 1]


def test_who_needs_what_another_asked_for_waits_for_it_alone() -> None:
    begun: list[int] = []

    def begun_so_far(numbers: Sequence[int]) -> Sequence[list[int]]:
        return [[*begun] for _ in numbers]

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            assert together(begun_so_far, [7]) == [[0, 1]]
        elif number == 1:
            assert wait_for_others(begun_so_far)

    in_turns(work, range(4))
    assert begun == [0, 1, 2, 3]
    assert not wait_for_others(begun_so_far)


def test_a_place_that_does_not_answer_ends_all_work() -> None:
    ended = []

    def away(numbers: Sequence[int]) -> Sequence[int]:
        raise AwayError("no route to host")

    def work(number: int) -> None:
        try:
            together(away, [number])
        finally:
            ended.append(number)

    others = {*threading.enumerate()}
    with pytest.raises(AwayError, match="no route to host"):
        in_turns(work, range(20))
    assert sorted(ended) == [*range(20)]
    wait_until(lambda: others.issuperset(threading.enumerate()))


def test_the_first_mistake_is_raised_and_nothing_else_is_begun() -> None:
    oracle, begun = Oracle(), []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise KeyError("a mistake")
        with pytest.raises(AwayError):
            together(oracle.squares, [number])

    with pytest.raises(KeyError, match="a mistake"):
        in_turns(work, range(20))
    assert begun == [0, 1, 2, 3]
    assert not oracle.asked


def test_ctrl_c_ends_the_work_that_waits() -> None:
    waiting: list[str] = []

    def interrupted(numbers: Sequence[int]) -> Sequence[int]:
        raise KeyboardInterrupt

    def work(number: int) -> None:
        try:
            together(interrupted, [number])
        except AwayError:
            waiting.append("ended")

    with pytest.raises(KeyboardInterrupt):
        in_turns(work, range(5))
    assert waiting == ["ended"] * 5


def test_few_threads_do_all_work_where_no_more_are_to_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, oracle, started = threading.Thread.start, Oracle(), []

    def limited(thread: threading.Thread) -> None:
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    found = in_turns(lambda number: together(oracle.squares, [number])[0], range(10))
    assert found == [number**2 for number in range(10)]
    assert len(oracle.asked) > 1
