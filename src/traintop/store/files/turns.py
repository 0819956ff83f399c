"""Work on many things elsewhere, done side by side: what all of them ask goes in one round trip.

Each piece of work is written as if it were alone: it asks, waits, and goes on. While it waits, the
next one is begun. Once none can go on, or very many wait, the questions of all are asked together.
So the work on a thousand things takes about as many round trips as that on one.

Only one thread is at work at a time, until it asks: no work needs a lock against the others. Who
holds a lock of his own while he asks, would keep all of them waiting for ever.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from traintop.store.files import AwayError

LARGEST_BATCH = 8 << 20
"""Bytes that are got in one round trip, unless one question alone asks for more."""

_MOST_WAITING = 250  # threads at the same time

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")
_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")

_here = threading.local()


def in_turns(work: Callable[[_Job], _Result], jobs: Collection[_Job]) -> list[_Result]:
    """What some work makes of each of the jobs, which are begun in their order.

    Raises what the first one raises that fails; no other is begun then.
    """
    return _Turns(work, jobs).results() if jobs else []


def together(
    ask: Callable[[Sequence[_Question]], Sequence[_Answer]],
    questions: Sequence[_Question],
    size: int = 0,
) -> Sequence[_Answer]:
    """The answers to some questions, asked with those of other work; ``size``: their bytes."""
    turns: _Turns[Any, Any] | None = getattr(_here, "turns", None)
    return ask(questions) if turns is None else turns.answers(_Waiting(ask, questions, size))


def wait_for_others(ask: Callable[[Sequence[_Question]], Sequence[_Answer]]) -> bool:
    """Wait for what others have asked in this way, before more work is begun.

    False where there are no others.
    """
    turns: _Turns[Any, Any] | None = getattr(_here, "turns", None)
    if turns is None:
        return False
    turns.first = ask
    turns.answers(_Waiting(ask, (), 0))
    return True


_Ask = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A thread that waits for answers."""

    ask: _Ask
    questions: Sequence[Any]
    size: int
    answers: Sequence[Any] | None = None


class _Turns(Generic[_Job, _Result]):
    """The threads that do some work, and the one that asks for all of them."""

    def __init__(self, work: Callable[[_Job], _Result], jobs: Collection[_Job]) -> None:
        self._work = work
        self._jobs = enumerate(jobs)
        self._results: dict[int, _Result] = {}
        self._are_all_begun = False
        self._waiting: list[_Waiting] = []
        self._most_waiting = _MOST_WAITING
        self._at_work = 0  # threads that do not wait
        self._error: BaseException | None = None
        turn = threading.Lock()  # held by the one that is at work
        self._all_wait = threading.Condition(turn)
        self._answered = threading.Condition(turn)
        self.first: _Ask | None = None
        """What is to be asked before more work is begun; ``None``: nothing."""

    def results(self) -> list[_Result]:
        with self._all_wait:
            try:
                while self._error is None and (self._waiting or not self._are_all_begun):
                    if self._are_all_begun or self.first or self._is_full:
                        self._answer()
                    else:
                        self._begin()
                    self._all_wait.wait_for(lambda: not self._at_work)
            except BaseException as error:  # a place that does not answer; or ctrl+c
                self._error = error
            if self._error is not None:
                self._wake(len(self._waiting))
                self._all_wait.wait_for(lambda: not self._at_work)
                raise self._error
        return [self._results[number] for number in range(len(self._results))]

    def answers(self, waiting: _Waiting) -> Sequence[Any]:
        """The answers to what a thread asks, which lets others work meanwhile."""
        if self._error is None:
            self._waiting.append(waiting)
            self._rest()
            self._answered.wait_for(lambda: waiting.answers is not None or self._error)
        if waiting.answers is None:
            raise AwayError(f"was not asked: {self._error}")
        return waiting.answers

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) >= self._most_waiting

    def _begin(self) -> None:
        """Let another thread work until it waits, too."""
        try:
            threading.Thread(target=self._do_work, name="traintop-look", daemon=True).start()
            self._at_work += 1
        except RuntimeError:  # this machine grants no more of them
            if not self._waiting:
                raise
            self._most_waiting = len(self._waiting)

    def _do_work(self) -> None:
        _here.turns = self
        with self._all_wait:
            try:
                for number, job in self._jobs:
                    self._results[number] = self._work(job)
                    if self._error is not None:  # which this work did not mind
                        break
                self._are_all_begun = True
            except BaseException as error:
                self._error = self._error or error
            self._rest()

    def _rest(self) -> None:
        self._at_work -= 1
        self._all_wait.notify()

    def _wake(self, threads: int) -> None:
        self._at_work += threads
        self._answered.notify_all()

    def _answer(self) -> None:
        """Ask for those that wait, in their order, as far as it is not too much at once."""
        first, self.first = self.first, None
        several = [one for one in self._waiting if first in (None, one.ask)]
        sizes = itertools.accumulate(one.size for one in several)
        several = several[: max(sum(size <= LARGEST_BATCH for size in sizes), 1)]
        for ask in dict.fromkeys(one.ask for one in several):
            asking = [one for one in several if one.ask == ask]
            questions = [each for one in asking for each in one.questions]
            answers = iter(ask(questions) if questions else ())
            for one in asking:
                one.answers = [*itertools.islice(answers, len(one.questions))]
        self._waiting = [one for one in self._waiting if one.answers is None]
        self._wake(len(several))
