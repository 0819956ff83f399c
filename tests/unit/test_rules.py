"""Rules: raised once for a run until they are over, of what goes on and never of the past."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace
from tests.runs import NOW, history, make_run
from tests.waiting import wait_until

from traintop.analysis import rules
from traintop.analysis.replay import replayed_events
from traintop.analysis.rules import (
    BUILT_IN_RULES,
    RuleWatch,
    condition_text,
    recent_records,
    usable_rules,
)
from traintop.model import MetricStats, RunStatus, RunSummary
from traintop.rule import Rule
from traintop.store.formats import RunReader
from traintop.store.history import History


class Clock:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def run(loss: float, name: str = "a", **changes: Any) -> RunSummary:
    fields = {"best_val_loss": None, "stats": {"train_loss": MetricStats(count=1, last=loss)}}
    return make_run(name, **{**fields, **changes})


def raised(watch: RuleWatch, *runs: RunSummary, now: datetime = NOW) -> list[tuple[str, str]]:
    return [(alert.name, alert.kind) for alert in watch.observe(runs, now)]


HIGH = Rule("train_loss > 3")


def test_a_rule_is_raised_once_until_it_is_over() -> None:
    watch = RuleWatch(rules=[HIGH])
    found = [raised(watch, run(loss)) for loss in (2.0, 4.0, 5.0, 2.0, 4.0)]
    assert found == [[], [("a", HIGH.when)], [], [], [("a", HIGH.when)]]


def test_a_rule_with_a_length_waits_for_it_without_a_change() -> None:
    clock = Clock()
    watch = RuleWatch(rules=[Rule("train_loss > 3", "5m")], clock=clock)
    high = run(4.0)
    assert raised(watch, high) == []
    clock.seconds = 299
    assert raised(watch, high) == []
    clock.seconds = 300
    assert raised(watch, high) == [("a", HIGH.when)]
    low = run(2.0)
    assert raised(watch, low) == []
    assert raised(watch, high) == []


def test_what_ended_before_is_past_and_what_ends_now_is_not() -> None:
    rule = Rule("crashed or train_loss > 3")
    watch = RuleWatch(rules=[rule])
    crashed = {"status": RunStatus.CRASHED, "updated_at": NOW.isoformat()}
    past = run(9.0, "past", **{**crashed, "updated_at": "2025-02-22T14:59:00"})
    assert ("past", rule.when) not in raised(watch, past, run(2.0))
    assert ("a", rule.when) in raised(watch, past, run(2.0, **crashed))
    short = run(2.0, "short", **{**crashed, "updated_at": "2025-02-22T15:00:02"})
    copied = run(2.0, "copied", **{**crashed, "updated_at": "2025-02-20T15:00:02"})
    later = NOW + timedelta(seconds=5)
    found = raised(watch, past, run(2.0, **crashed), short, copied, now=later)
    assert [name for name, kind in found if kind == rule.when] == ["short"]


def test_a_run_that_went_on_when_it_was_seen_is_not_past() -> None:
    watch = RuleWatch()
    crashed = {"status": RunStatus.CRASHED, "updated_at": "2025-02-22T14:59:55"}
    past, seen = run(2.0, "past", **crashed), run(2.0)
    raised(watch, past, seen)
    raised(watch, past, crash := run(2.0, **crashed))
    assert (watch.acts_on(past), watch.acts_on(crash)) == (False, True)


def test_what_began_before_the_end_of_a_run_is_dropped_at_it() -> None:
    clock = Clock()
    watch = RuleWatch(rules=[Rule("train_loss > 3", "5m"), Rule("finished", "5m")], clock=clock)
    finished = run(4.0, status=RunStatus.FINISHED, end_time="2025-02-22T15:00:01")
    assert raised(watch, run(4.0)) == []
    assert raised(watch, finished) == []
    clock.seconds = 1000
    assert raised(watch, finished) == [("a", "finished")]


def test_a_rule_of_your_own_replaces_the_alert_of_its_name() -> None:
    stalled = run(2.0, status=RunStatus.STALLED)
    assert raised(RuleWatch(), stalled) == [("a", "stalled")]
    clock = Clock()
    watch = RuleWatch(rules=[Rule("stalled", "10m", ("exec: page-me",))], clock=clock)
    assert watch.rules["stalled"].do == ("exec: page-me",)
    assert raised(watch, stalled) == []
    clock.seconds = 600
    assert raised(watch, stalled) == [("a", "stalled")]
    assert set(BUILT_IN_RULES) == set(watch.rules)


def test_names_that_no_run_has_yet_are_no_mistake() -> None:
    rule = Rule("train_loss == nan or my/gauge < 10")
    assert usable_rules([rule]) == ((rule,), ())
    watch = RuleWatch(rules=[rule])
    assert raised(watch, run(2.0)) == []
    assert ("a", rule.when) in raised(watch, run(math.nan))
    idle = run(2.0, "b")
    idle = replace(idle, stats={**idle.stats, "my/gauge": MetricStats(last=3.0)})
    assert raised(watch, run(math.nan), idle) == [("b", rule.when)]
    assert condition_text(rule.when, idle) == ("train_loss 2, my/gauge 3, iteration 41")


@pytest.mark.parametrize("when", ["train_loss <", "status == sleeping", "(a", "x < 'y"])
def test_a_condition_that_cannot_be_understood_is_left_out(when: str) -> None:
    usable, (problem,) = usable_rules([Rule(when), HIGH])
    assert usable == (HIGH,)
    assert repr(when) in problem


def test_a_status_word_means_the_status_and_not_a_name() -> None:
    watch = RuleWatch(rules=[Rule("finished")])
    assert raised(watch, run(2.0, "unfinished")) == []


def test_a_replay_says_what_would_have_been_raised_and_when() -> None:
    losses = [2.0] * 1000 + [math.nan] + [5.0] * 999
    rows = history(
        iteration=[*range(2000)], wallclock_time=[float(i) for i in range(2000)], train_loss=losses
    )
    past = run(
        5.0,
        status=RunStatus.CRASHED,
        iteration=1999,
        duration_seconds=1999.0,
        start_time="2025-02-22T10:00:00",
        updated_at="2025-02-22T10:33:19",
    )
    rules = [
        Rule("train_loss > 3", "10m", ("exec: stop",)),
        Rule("crashed", do=("signal: SIGINT",)),
    ]
    found = replayed_events(past, rows, rules)
    assert [(event.alert, rule.do) for event, rule in found] == [
        ("not finite", ("notify",)),
        ("diverged", ("notify",)),
        ("train_loss > 3", ("exec: stop",)),
        ("crashed", ("signal: SIGINT",)),
    ]
    nan, _, high, _ = [event for event, _ in found]
    assert nan.run.iteration == 1000
    assert 1601 <= (high.run.iteration or 0) <= 1610
    assert high.time.hour == 10


def test_a_place_that_answers_nothing_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "LONGEST_LOOK", 0.05)
    answers, asked = threading.Event(), []
    there, here = run(4.0, root="ssh://gpu07/runs"), run(4.0, "here", root="/runs")

    class Reader:
        def __init__(self, run_id: str) -> None:
            self._id = run_id

        def sample(self, points: int) -> History:
            asked.append(self._id)
            if self._id == there.id:
                answers.wait()
            return history(iteration=[0.0, 1.0], train_loss=[4.0, 3.0])

    def reader_of(run_id: str) -> RunReader:
        return cast("RunReader", Reader(run_id))

    sample = recent_records(reader_of)
    assert [sample(there), sample(there)] == [[], []]
    assert len(list(sample(here))) == 2
    assert asked == [there.id, here.id]
    answers.set()
    wait_until(lambda: len(list(sample(there))) == 2)
