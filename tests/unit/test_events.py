"""Events: what happens to runs, once, in order, and none lost or told twice across a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from tests.runs import make_run

from traintop.analysis.events import Cursor, Event, EventKind, RunEvents
from traintop.model import MetricStats, RunStatus, RunSummary
from traintop.rule import Rule

BEGAN = datetime.fromisoformat("2025-02-22T15:00:00")


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def run(name: str, status: RunStatus = RunStatus.RUNNING, **times: Any) -> RunSummary:
    """A run that started, and ended or was updated, so many seconds after the test began."""
    written = {
        key: None if value is None else at(value).isoformat() for key, value in times.items()
    }
    fields = {"start_time": at(-3600).isoformat(), "updated_at": None, **written}
    return make_run(name, status=status, best_val_loss=None, **fields)


def ended(name: str, status: RunStatus, end: float, start: float = -3600.0) -> RunSummary:
    is_crash = status is RunStatus.CRASHED
    return run(name, status, start_time=start, **{"updated_at" if is_crash else "end_time": end})


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.name, event.kind.value, event.alert) for event in events]


def observed(watcher: RunEvents, *states: tuple[float, list[RunSummary]]) -> list[Event]:
    return [event for seconds, runs in states for event in watcher.observe(runs, at(seconds))]


OLD = ended("old", RunStatus.FINISHED, -7200, -9000)
A, B = run("a"), run("b")
A_ENDED, B_CRASHED = ended("a", RunStatus.FINISHED, 9), ended("b", RunStatus.CRASHED, 2)
C = run("c", start_time=8)
D_ENDED = ended("d", RunStatus.FAILED, 9.5, 8.5)
STATES = [
    (0.0, [OLD, A, B]),
    (10.0, [OLD, A_ENDED, B_CRASHED, C, D_ENDED]),
    (20.0, [OLD, A_ENDED, B_CRASHED, replace(C, status=RunStatus.STALLED), D_ENDED]),
    (30.0, [OLD, A_ENDED, B_CRASHED, C, D_ENDED, run("e", start_time=25)]),
    (400.0, [OLD, A_ENDED, C, D_ENDED, ended("e", RunStatus.FINISHED, 390, 25)]),
]
STORY = [
    ("b", "ended", "crashed"),
    ("c", "started", ""),
    ("d", "started", ""),
    ("a", "ended", ""),
    ("d", "ended", "failed"),
    ("c", "alert", "stalled"),
    ("c", "recovered", "stalled"),
    ("e", "started", ""),
]


def test_runs_start_stall_recover_end_and_vanish() -> None:
    found = told(observed(RunEvents(), *STATES))
    assert found[:6] == STORY[:6]
    assert set(found[6:8]) == set(STORY[6:8])
    assert set(found[8:]) == {("e", "ended", ""), ("b", "removed", "")}


def test_nothing_is_lost_or_told_twice_across_a_restart() -> None:
    whole = observed(RunEvents(), *STATES[:4])
    assert len(whole) == len(STORY)
    for place, event in enumerate(whole):
        again = RunEvents(since=Cursor.parse(event.cursor, at(30)))
        rest = observed(again, STATES[3])
        # A stall that was over before the restart left nothing in the files.
        expected = [one for one in told(whole[place + 1 :]) if one[0] != "c" or one[1] == "started"]
        known = [one for one in told(rest) if one[2] != "stalled"]
        assert sorted(known) == sorted(expected), event
        assert ("c", "alert", "stalled") not in told(rest)


def test_a_stall_that_is_over_after_a_restart_is_told() -> None:
    stalled = observed(RunEvents(), *STATES[:3])[-1]
    again = RunEvents(since=Cursor.parse(stalled.cursor, at(30)))
    assert ("c", "recovered", "stalled") in told(observed(again, STATES[3]))
    assert told(observed(RunEvents(since=Cursor.parse(stalled.cursor, at(21))), STATES[2])) == []


def test_clocks_ahead_and_files_seen_late_tell_nothing_twice() -> None:
    ahead = ended("f", RunStatus.FINISHED, 3600, 15)  # by the clock of another machine
    watcher = RunEvents()
    events = observed(watcher, (0.0, [A]), (16.0, [A, ahead]), (300.0, [A, ahead]))
    again = RunEvents(since=Cursor.parse(watcher.cursor, at(310)))
    assert told(events) == [("f", "started", ""), ("f", "ended", "")]
    assert observed(again, (310.0, [A, ahead])) == []


def test_what_ends_unwatched_by_a_clock_that_is_behind_is_told() -> None:
    watcher = RunEvents()
    events = observed(watcher, (0.0, [A]), (200.0, [A, run("f", start_time=199)]))
    behind = ended("g", RunStatus.FINISHED, 190, 180)  # at 230 and 220 by our clock
    again = RunEvents(since=Cursor.parse(events[-1].cursor, at(240)))
    found = told(observed(again, (240.0, [A, run("f", start_time=199), behind])))
    assert found == [("g", "started", ""), ("g", "ended", "")]


def test_a_time_stands_for_a_cursor() -> None:
    runs = STATES[3][1]
    since = RunEvents(since=Cursor.parse(at(5).isoformat(), at(30)))
    assert sorted(told(observed(since, (30.0, runs)))) == sorted(
        [*STORY[1:5], ("e", "started", "")]
    )
    assert Cursor.parse("2h", at(0)).moment == at(-7200).timestamp()
    assert Cursor.parse("2 hours ago", at(0)).moment == at(-7200).timestamp()
    assert Cursor.parse("1~", at(0)).reported == {}
    for nonsense in ("", "soon", "~", "12x"):
        with pytest.raises(ValueError, match="no cursor"):
            Cursor.parse(nonsense, at(0))


def test_nan_and_own_rules_are_alerts_once_until_they_are_over() -> None:
    def with_loss(loss: float, bad: int) -> RunSummary:
        stats = MetricStats(count=1, last=loss, nonfinite=bad)
        return replace(A, stats={"train_loss": stats}, count=bad)

    nan, fine = float("nan"), 2.0
    watcher = RunEvents(rules=[Rule("train_loss == nan"), Rule("not finite", do=())])
    events = observed(
        watcher,
        (0, [with_loss(fine, 0)]),
        (1, [with_loss(nan, 1)]),
        (2, [with_loss(nan, 2)]),
        (3, [with_loss(fine, 2)]),
        (4, [with_loss(nan, 3)]),
    )
    own = [event.kind for event in events if event.alert == "train_loss == nan"]
    assert own == [EventKind.ALERT, EventKind.RECOVERED, EventKind.ALERT]
    again = RunEvents(
        rules=[Rule("train_loss == nan")], since=Cursor.parse(events[-1].cursor, at(5))
    )
    assert "train_loss == nan" not in {e.alert for e in observed(again, (5, [with_loss(nan, 3)]))}


def test_a_directory_that_is_away_for_a_while_removes_no_runs() -> None:
    watcher = RunEvents()
    watcher.observe([A, B], at(0))
    assert watcher.observe([], at(1), complete=False) == []
    assert watcher.observe([replace(A, count=50), replace(B)], at(2)) == []
    assert told(watcher.observe([A], at(3))) == [("b", "removed", "")]


def test_a_cursor_stays_short_whatever_was_told() -> None:
    many = [ended(f"r{place}", RunStatus.FINISHED, place, place - 5) for place in range(1000)]
    watcher = RunEvents()
    events = observed(watcher, (0, []), (1200, many), (2000, [*many, run("new")]))
    assert len(events) == 2001
    assert len(events[-1].cursor) < 40
