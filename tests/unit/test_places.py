"""Roots fail alone: one that does not answer hides nothing of the others, and comes back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from tests.listener import Listener
from tests.places import Box
from tests.runs import records, write_run
from tests.unit.catalog_runs import Clock
from tests.waiting import wait_until

import traintop
from traintop.analysis.events import EventKind, RunEvents
from traintop.analysis.rules import RuleWatch
from traintop.analysis.waiting import Waiting
from traintop.cli import main
from traintop.commands.wait import TIMED_OUT
from traintop.model import RunSummary
from traintop.progress import eta_seconds
from traintop.rule import Rule
from traintop.store import catalog
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.formats import UnreadableRunError
from traintop.store.snapshot import state_of
from traintop.store.watch import CatalogWatcher

REASON = "no route to host"


@pytest.fixture
def roots(tmp_path: Path, box: Box) -> tuple[str, str]:
    """A directory, and one of a box elsewhere, with a run each."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f"experiment_{name}_20250222_140530.json"
        write_run(path, records(9), config={"experiment_name": name}, status="finished")
    return str(tmp_path / "here"), f"ssh://box{tmp_path}/there"


def stems(runs: tuple[RunSummary, ...]) -> set[str]:
    return {run.stem.split("_")[1] for run in runs}


def test_what_was_known_stays_while_a_place_is_away(roots: tuple[str, str], box: Box) -> None:
    runs = RunCatalog(roots)
    assert runs.refresh().is_complete
    box.reason = REASON
    snapshot = runs.refresh()
    assert stems(snapshot.runs) == {"here", "there"}
    (state,) = snapshot.places
    assert (state.place, state.roots, state.reason) == ("box", roots[1:], REASON)
    assert state.words.startswith("away")
    known = {run.stem: state_of(run.id, snapshot.places) is None for run in snapshot.runs}
    assert sorted(known.values()) == [False, True]
    box.reason = ""
    assert runs.refresh().is_complete


def test_what_is_beside_a_run_is_unknown_while_it_is_away(roots: tuple[str, str], box: Box) -> None:
    runs = RunCatalog(roots)
    there = next(run.id for run in runs.refresh().runs if run.id.startswith("ssh:"))
    assert runs.patch(there) is None
    console = runs.console(there)
    assert not console.follow()
    box.reason = REASON
    with pytest.raises(UnreadableRunError, match=REASON):
        runs.patch(there)
    with pytest.raises(UnreadableRunError, match=REASON):
        console.follow()


def test_a_place_comes_back_by_itself(roots: tuple[str, str], box: Box) -> None:
    box.reason = REASON
    listener = Listener()
    watcher = CatalogWatcher(RunCatalog(roots), listener)
    watcher.start()
    try:
        away = listener.wait_for(lambda one: bool(one.places and one.places[0].reason))
        assert stems(away.runs) <= {"here"}
        wait_until(lambda: watcher.mode == "live")  # nothing is said of how a place away is watched
        box.reason = ""
        listener.wait_for(lambda one: stems(one.runs) == {"here", "there"} and one.is_complete)
    finally:
        watcher.stop()


def test_nothing_is_said_of_how_what_is_silent_is_watched(roots: tuple[str, str], box: Box) -> None:
    box.answers.clear()
    listener = Listener()
    watcher = CatalogWatcher(RunCatalog(roots), listener)
    watcher.start()
    try:
        listener.wait_for(lambda one: stems(one.runs) == {"here"})
        wait_until(lambda: watcher.mode == "live")
        box.answers.set()
        wait_until(lambda: "box polling" in watcher.mode)
    finally:
        box.answers.set()
        watcher.stop()


def test_how_long_a_place_is_away_that_never_answered(roots: tuple[str, str], box: Box) -> None:
    box.reason = REASON
    clock = Clock()
    runs = RunCatalog(roots, clock=clock)
    for _ in range(3):
        snapshot = runs.refresh()
        clock.now += 60.0
    assert snapshot.places[0].words.startswith("away 2m")


def test_how_long_a_place_is_away_is_true_between_two_tries(
    roots: tuple[str, str], box: Box
) -> None:
    clock = Clock()
    runs = RunCatalog(roots, clock=clock)
    runs.refresh()
    box.reason = REASON
    runs.refresh()
    said = []
    for _ in range(100):
        clock.now += 1.0
        said.append(runs.snapshot().places[0].words)
    lengths = [f"away{length}, tries every 1s" for length in ("", " 10s", " 20s", " 50s", " 1m")]
    assert [said[after] for after in (0, 10, 20, 55, 70)] == lengths
    assert len({*said}) == 7  # so that an idle screen is seldom drawn


def test_doctor_says_why_a_place_is_away(roots: tuple[str, str], box: Box) -> None:
    box.reason = REASON
    done = CliRunner().invoke(main, ["doctor", roots[1]])
    assert (done.exit_code, f"box is away: {REASON}" in done.stdout) == (1, True)


def test_list_shows_the_others_and_fails(roots: tuple[str, str], box: Box) -> None:
    box.reason = REASON
    done = CliRunner().invoke(main, ["list", *roots, "--json"])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [f"traintop: box is away: {REASON}"]
    document = json.loads(done.stdout)
    assert [run["experiment_name"] for run in document["runs"]] == ["here"]
    assert document["away"] == [{"place": "box", "roots": [roots[1]], "reason": REASON}]
    there = CliRunner().invoke(main, ["list", roots[1]])
    assert (there.exit_code, there.stdout) == (1, "")  # nobody knows what is there
    shown = CliRunner().invoke(main, ["show", "-d", roots[1]])
    assert shown.stderr.endswith("Error: nothing could be looked at\n")


def test_no_time_left_is_guessed_of_a_run_whose_place_is_away(tmp_path: Path, box: Box) -> None:
    config = {"experiment_name": "there", "max_iters": 100}
    path = tmp_path / "experiment_there_20250222_140530.json"
    write_run(path, records(9), config=config, status="running", iterations_per_second=2.0)
    opened = traintop.open_runs(f"ssh://box{tmp_path}").opened
    for reason in ("", REASON, ""):
        box.reason = reason
        opened.refresh()
        (run,) = opened.runs
        assert (run.summary.status, run.summary.iteration) == ("running", 8)
        assert (eta_seconds(run.summary) is None) == bool(reason)
        assert (" left" in opened.runs.brief().text()) == (not reason)


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "show",
        "best train_loss",
        "best train_loss --importance",
        "compare",
        "brief",
        "curve here train_loss",
        "why here near",
    ],
)
def test_each_json_document_says_who_is_away(
    roots: tuple[str, str], box: Box, command: str
) -> None:
    write_run(Path(roots[0], "near.json"), records(9), config={"experiment_name": "near"})
    box.reason = REASON
    named = [word for root in roots for word in ("-d", root)]
    done = CliRunner().invoke(main, [*command.split(), *named, "--json"])
    away = [{"place": "box", "roots": [roots[1]], "reason": REASON}]
    assert json.loads(done.stdout)["away"] == away


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("brief", ()),
        ("list_runs", ()),
        ("show_run", ("here",)),
        ("best_runs", ("train_loss",)),
        ("compare_runs", (["here"],)),
        ("curve", ("here", "train_loss")),
        ("why", ("here", "near")),
        ("events", ()),
        ("tag_runs", (["here"], "seen")),
    ],
)
def test_each_tool_of_an_agent_says_who_is_away(
    roots: tuple[str, str], box: Box, tool: str, arguments: tuple[object, ...]
) -> None:
    module = pytest.importorskip("traintop.mcp_server", reason="needs traintop[mcp]")
    write_run(Path(roots[0], "near.json"), records(9), config={"experiment_name": "near"})
    box.reason = REASON
    answer = getattr(module.RunTools(roots), tool)(*arguments)
    away = [{"place": "box", "roots": [roots[1]], "reason": REASON}]
    assert answer[module.DATA]["away"] == away


def test_what_leaves_a_place_out_fails(roots: tuple[str, str], box: Box) -> None:
    """Where all runs are meant; a run that is named and found is all that was asked for."""
    box.reason = REASON

    def status(*arguments: str) -> int:
        done = CliRunner().invoke(main, [*arguments, "-d", roots[0], "-d", roots[1]])
        assert f"box is away: {REASON}" in done.stderr
        return done.exit_code

    for command in (["best", "train_loss"], ["brief"], ["export", "--output", "-"], ["wait"]):
        assert status(*command) == 1, command
    assert status("tag", "good", "-f", "train_loss < 100") == 1
    assert status("show", "here") == 0
    assert (status("show"), status("show", "@latest")) == (1, 1)
    box.reason = ""
    assert CliRunner().invoke(main, ["brief", "-d", roots[0], "-d", roots[1]]).exit_code == 0


def test_list_waits_for_no_place_for_ever(
    roots: tuple[str, str], box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_PATIENCE", 0.05)
    box.answers.clear()
    done = CliRunner().invoke(main, ["list", *roots])
    assert "here" in done.stdout
    assert "box connecting" in done.stderr
    assert done.exit_code == 1


def test_runs_are_named_by_their_addresses(roots: tuple[str, str]) -> None:
    address = f"{roots[1]}/experiment_there_20250222_140530.json"
    for arguments in ([address], ["-d", roots[1], "there"], [roots[1]]):
        done = CliRunner().invoke(main, ["show", *arguments, "--json"])
        assert [run["path"] for run in json.loads(done.stdout)["runs"]] == [address]
    (run,) = traintop.open_runs(address)
    assert len(run.history()) == 9
    assert traintop.load_experiment_log(address).config.experiment_name == "there"
    done = CliRunner().invoke(main, ["compare", *roots, "--csv"])
    assert "here" in done.stdout
    assert "there" in done.stdout


def test_a_place_that_is_away_ends_and_removes_no_run(roots: tuple[str, str], box: Box) -> None:
    runs, events, now = RunCatalog(roots), RunEvents(), datetime.now()

    def observed() -> list[EventKind]:
        snapshot = runs.refresh()
        found = events.observe(snapshot.runs, now, places=snapshot.places)
        return [event.kind for event in found]

    assert observed() == []
    box.reason = REASON
    assert observed() == []
    box.reason = ""
    assert observed() == []
    Path(roots[1].removeprefix("ssh://box"), "experiment_there_20250222_140530.json").unlink()
    assert observed() == [EventKind.REMOVED]


def test_what_is_seen_late_was_there_before(roots: tuple[str, str], box: Box) -> None:
    box.reason = REASON
    runs, events, now = RunCatalog(roots), RunEvents(), datetime.now()
    snapshot = runs.refresh()
    assert events.observe(snapshot.runs, now, places=snapshot.places) == []
    box.reason = ""
    snapshot = runs.refresh()
    assert len(snapshot.runs) == 2
    assert events.observe(snapshot.runs, now, places=snapshot.places) == []


def test_no_rule_is_raised_by_what_nobody_sees(roots: tuple[str, str], box: Box) -> None:
    seconds = 0.0
    there = Path(roots[1].removeprefix("ssh://box"), "experiment_there_20250222_140530.json")
    write_run(there, records(9), config={"experiment_name": "there"}, status="running")
    runs = RunCatalog(roots[1:])
    rule = Rule("step == 9", "5m")
    rules, now = RuleWatch(rules=[rule], clock=lambda: seconds), datetime.now()

    def raised() -> list[str]:
        snapshot = runs.refresh()
        alerts = rules.observe(snapshot.runs, now, places=snapshot.places)
        return [alert.kind for alert in alerts if alert.kind == rule.when]

    assert raised() == []
    box.reason, seconds = REASON, 400.0
    assert raised() == []
    box.reason = ""
    assert raised() == [rule.when]
    box.reason = REASON
    assert raised() == []
    box.reason = ""
    assert raised() == []  # once


def test_wait_takes_no_run_for_gone_whose_place_is_away(roots: tuple[str, str], box: Box) -> None:
    seconds = 0.0
    address = f"{roots[1]}/experiment_there_20250222_140530.json"
    waiting = Waiting("failed", [address, f"{roots[0]}/gone.json"], clock=lambda: seconds)
    box.reason = REASON
    snapshot = RunCatalog(roots).refresh()
    for seconds in (0.0, 10.0):  # noqa: B007 - the clock
        waiting.look(waiting.runs_in(snapshot), snapshot, datetime.now(), {})
    assert [*waiting.lost] == [f"{roots[0]}/gone.json"]


def test_a_run_that_may_be_where_nobody_can_look(roots: tuple[str, str], box: Box) -> None:
    words = ["wait", "there", "--appear", "--timeout", "0", "-d", roots[0], "-d", roots[1]]
    box.reason = REASON
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.stderr.splitlines()[1:]) == (
        TIMED_OUT,
        [f"traintop: there was not found: box is away: {REASON}"],
    )
    box.reason = ""
    assert CliRunner().invoke(main, words).exit_code == 0


def test_a_note_waits_for_no_place_that_is_silent(roots: tuple[str, str], box: Box) -> None:
    clock = Clock()
    runs = RunCatalog(roots, clock=clock)
    [there] = [run.id for run in runs.refresh().runs if run.name == "there"]
    box.answers.clear()
    asked = box.asked
    look = Thread(target=runs.places[1].refresh, daemon=True)
    look.start()
    try:
        wait_until(lambda: box.asked > asked)
        clock.now += 20.0
        where = runs.annotate(there, AnnotationChange(note="mine")).where
        assert where == "for you alone, on this machine: box does not answer"
        for question in (runs.reader, runs.console, runs.patch):
            with pytest.raises(UnreadableRunError, match="cannot be read now: box does not answer"):
                question(there)
    finally:
        box.answers.set()
    look.join()
    assert {run.annotations.note for run in runs.refresh().runs} == {"", "mine"}


def test_runs_of_one_name_in_several_places_are_told_apart(
    roots: tuple[str, str], tmp_path: Path
) -> None:
    for day in (21, 23):
        path = tmp_path / "there" / f"experiment_here_202502{day}_140530.json"
        start = f"2025-02-{day}T14:05:30"
        write_run(path, records(9), config={"experiment_name": "here"}, start_time=start)
    names = {run.name for run in traintop.open_runs(*roots)}
    assert names == {"here", "here@20250222_140530", "here@20250221_140530", "there"}
    (tmp_path / "there" / "experiment_here_20250223_140530.json").unlink()
    names = {run.name for run in traintop.open_runs(*roots)}
    assert names == {"here", "here@box", "there"}


def test_a_run_knows_its_root_and_its_host(roots: tuple[str, str]) -> None:
    done = CliRunner().invoke(
        main, ["list", *roots, "-c", "root,host", "--sort", "host", "--json", "-f", "host == box"]
    )
    (run,) = json.loads(done.stdout)["runs"]
    assert run == {"run": "there", "root": roots[1], "host": "box"}
    done = CliRunner().invoke(main, ["list", *roots, "-f", f"root == '{roots[0]}'", "--csv"])
    (header, row) = (line.split(",") for line in done.stdout.splitlines())
    found = dict(zip(header, row, strict=False))
    assert (found["run"], found["root"], found["host"]) == ("here", roots[0], "")


def test_the_root_is_the_nearest_one_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_run(tmp_path / "a" / "experiment_x_20250222_140530.json", records(9))
    write_run(tmp_path / "experiment_y_20250222_140530.json", records(9))
    runs = RunCatalog([tmp_path, tmp_path / "a"]).refresh().runs
    assert {run.stem.split("_")[1]: run.root for run in runs} == {
        "x": str(tmp_path / "a"),
        "y": str(tmp_path),
    }
    for run in RunCatalog([tmp_path]).refresh().runs:
        assert run.root == str(tmp_path)
