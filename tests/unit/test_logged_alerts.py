"""Alerts that a program logs itself: in its file, and told once to whoever watches."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.runs import OpenedRun, make_run, new_tracker, saved_document, write_run

from traintop import ExperimentTracker
from traintop.actions.claims import Claims
from traintop.analysis.events import Cursor, Event, RunEvents
from traintop.analysis.rules import BUILT_IN_RULES, RuleWatch
from traintop.model import LoggedAlert, RunStatus, RunSummary
from traintop.rule import Rule
from traintop.store.catalog import RunCatalog

NOW = datetime.fromisoformat("2025-02-22T15:00:00")


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def logged(seconds: float, title: str = "Low") -> LoggedAlert:
    time = NOW + timedelta(seconds=seconds)
    return LoggedAlert(time.astimezone().isoformat(), 7, title, "accuracy 0.2")


def run(*alerts: LoggedAlert, status: RunStatus = RunStatus.RUNNING, **times: str) -> RunSummary:
    started = (NOW - timedelta(hours=1)).isoformat()
    fields = {"start_time": started, "updated_at": None, **times}
    return make_run("a", status=status, best_val_loss=None, alerts=alerts, **fields)


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.alert or event.kind.value, event.text) for event in events]


def test_an_alert_reaches_an_event_while_training_goes_on(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.log_metrics(iteration=7, train_loss=1.0)
    tracker.save()
    events, catalog = RunEvents(), RunCatalog([tmp_path])
    assert events.observe(catalog.refresh().runs, datetime.now()) == []
    tracker.alert("Low", "accuracy 0.2")
    tracker.save()
    found = events.observe(catalog.refresh().runs, datetime.now())
    assert told(found) == [("alert", "Low: accuracy 0.2, iteration 7")]
    assert events.observe(catalog.refresh().runs, datetime.now()) == []
    tracker.finish()


def test_an_alert_is_in_the_file_also_of_a_run_that_is_resumed(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.alert("early")  # starts the run
    tracker.log_metrics(iteration=7, train_loss=1.0)
    tracker.alert("Low", "accuracy")
    tracker.finish()
    resumed = ExperimentTracker.resume(tracker.path, quiet=True)
    resumed.alert("again", None)
    [early, low, again] = saved_document(resumed)["alerts"]
    assert (early["title"], early["text"], early["iteration"]) == ("early", "", None)
    assert (low["title"], low["text"], low["iteration"]) == ("Low", "accuracy", 7)
    assert datetime.fromisoformat(low["time"]).tzinfo is not None
    assert (again["title"], again["text"], again["iteration"]) == ("again", "", 7)
    resumed.finish()
    assert len(OpenedRun(tracker.path).summary().alerts) == 3


HOSTILE = [Broken(), "\ud800\0\x1b[31m", None, 10**5000, {"a": Broken()}, b"\xff"]


@pytest.mark.parametrize("given", HOSTILE, ids=lambda given: type(given).__name__)
def test_no_alert_raises_whatever_it_is_given(tmp_path: Path, given: object) -> None:
    tracker = new_tracker(tmp_path)
    tracker.alert(given, given)
    assert len(saved_document(tracker)["alerts"]) == 1
    tracker.finish()
    tracker.alert("too late")
    assert len(saved_document(tracker)["alerts"]) == 1


def test_alerts_take_little_room_in_the_file(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    for number in range(50):
        tracker.alert(number, "x" * 10_000)
    alerts = saved_document(tracker)["alerts"]
    assert [one["title"] for one in alerts] == [str(number) for number in range(30, 50)]
    assert {len(one["text"]) for one in alerts} == {300}
    tracker.finish()


def test_of_a_run_first_seen_only_recent_alerts_are_told() -> None:
    alerts = (logged(-3600, "old"), logged(-60, "new"), LoggedAlert("gibberish"))
    found = RunEvents().observe([run(*alerts)], NOW)
    assert told(found) == [("alert", "new: accuracy 0.2, iteration 7")]
    ended = run(*alerts, status=RunStatus.FINISHED, end_time=NOW.isoformat())
    assert RunEvents().observe([ended], NOW) == []


@pytest.mark.parametrize("time", ["", "x", "0001-01-01", "9999-12-31T23:59:59", "1969-01-01"])
def test_an_alert_of_an_impossible_time_is_left_out(time: str) -> None:
    events = RunEvents()
    assert events.observe([run(LoggedAlert(time, title="a"))], NOW) == []
    found = events.observe([run(LoggedAlert(time, title="b"), logged(1))], NOW)
    assert [event.document()["text"] for event in found] == ["Low: accuracy 0.2, iteration 7"]


def test_no_more_alerts_are_read_than_a_tracker_writes(tmp_path: Path) -> None:
    path = write_run(tmp_path / "experiment_a.json", alerts=[logged(i) for i in range(5000)])
    assert len(OpenedRun(path).summary().alerts) == 20


def test_each_alert_is_told_once_also_across_a_restart() -> None:
    one, two, three = logged(1), logged(2), logged(700)
    events = RunEvents()
    first = events.observe([run()], NOW)
    first += events.observe([run(one, two)], NOW + timedelta(seconds=3))
    assert told(first) == [("alert", "Low: accuracy 0.2, iteration 7")] * 2
    later = NOW + timedelta(seconds=2000)
    for place, rest in ((0, 2), (1, 1)):  # behind each of the two
        again = RunEvents(since=Cursor.parse(first[place].cursor, later))
        ended = run(one, two, three, status=RunStatus.FINISHED, end_time=later.isoformat())
        found = told(again.observe([ended], later))
        assert [kind for kind, _ in found] == ["alert"] * rest + ["ended"]
        assert again.observe([replace(ended, notes="seen")], later) == []


def test_alerts_that_give_way_to_newer_ones_leave_the_cursor() -> None:
    events, sizes = RunEvents(), []
    events.observe([run()], NOW)
    for number in range(10):
        found = events.observe([run(logged(number), logged(number + 1))], NOW)
        assert {event.kind.value for event in found} == {"alert"}
        sizes.append(len(events.cursor))
    assert sizes == sizes[:1] * 10


def test_a_rule_of_a_person_takes_the_place_of_the_built_in_one() -> None:
    assert "alert" in BUILT_IN_RULES
    own = Rule("alert", do=("exec: ./tell.sh",))
    watch = RuleWatch(rules=[own])
    assert watch.observe([run()], NOW) == ()
    raised = watch.observe([run(logged(1), logged(2))], NOW)
    assert [watch.rules[alert.kind] for alert in raised] == [own, own]
    assert not watch.standing("a")
    assert watch.observe([run(logged(1), logged(2))], NOW) == ()


def test_a_rule_acts_once_for_each_alert(tmp_path: Path) -> None:
    rule = Rule("alert", do=("exec: ./tell.sh",))
    asked = [Claims(tmp_path).claim(rule, "a", moment) for moment in ("1", "2", "1")]
    assert asked == [True, True, False]
