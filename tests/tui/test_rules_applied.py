"""The rules of the settings file in the UI: they act once, and their notices are like others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs import Writer, record, write_run
from tests.waiting import settle
from tui_runs import screen_text, toasts

from traintop.analysis.alerts import Measured
from traintop.model import RunSummary
from traintop.rule import Rule
from traintop.settings import Settings
from traintop.tui import app as app_module
from traintop.tui.app import TraintopApp

Watching = Callable[..., TraintopApp]


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watching:
    """Makes an App that watches a directory by some rules, in the folder that commands run in."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()

    def app(*rules: Rule) -> TraintopApp:
        return TraintopApp([tmp_path / "logs"], settings=Settings(rules=rules))

    return app


def titles(app: TraintopApp) -> list[str]:
    return [toast.title for toast in toasts(app)]


async def test_a_rule_is_raised_and_acts_once(tmp_path: Path, watching: Watching) -> None:
    writer = Writer(tmp_path / "logs" / "experiment_a.json", config={"experiment_name": "a"})
    rule = Rule("train_loss > 3", do=("notify", "exec: sh -c 'cat >> got.json'"))
    app = watching(rule)
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == 1)
        writer.flush(record(0, train_loss=4.0))
        await settle(pilot, lambda: titles(app) == ["a: train_loss > 3"])
        await settle(pilot, (tmp_path / "got.json").exists)
        await pilot.press("N")
        await settle(pilot, lambda: "train_loss 4, iteration 0" in screen_text(app))
    app.finish_actions()
    opened_again = watching(rule)
    async with opened_again.run_test(notifications=True) as pilot:
        await settle(pilot, lambda: titles(opened_again) == ["a: train_loss > 3"])
    opened_again.finish_actions()
    assert (tmp_path / "got.json").read_text().count("\n") == 1


async def test_no_snapshot_waits_for_what_a_rule_reads(
    tmp_path: Path, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hangs(run: RunSummary) -> list[Measured]:
        asked.set()
        answers.wait()
        return []

    def add(name: str) -> None:
        path = tmp_path / "logs" / f"experiment_{name}.json"
        Writer(path, config={"experiment_name": name}).flush(record(0, train_loss=4.0))

    monkeypatch.setattr(app_module, "recent_records", lambda reader_of: hangs)
    add("a")
    app = watching()
    try:
        async with app.run_test() as pilot:
            await settle(pilot, asked.is_set)
            add("b")
            await settle(pilot, lambda: len(app.main_screen.rows) == 2)
    finally:
        answers.set()


async def test_a_rule_with_a_length_is_raised_without_a_change(
    tmp_path: Path, watching: Watching
) -> None:
    writer = Writer(tmp_path / "logs" / "experiment_a.json", config={"experiment_name": "a"})
    writer.flush(record(0, train_loss=4.0))
    app = watching(Rule("train_loss > 3", "1s"))
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot, lambda: titles(app) == ["a: train_loss > 3"])


async def test_what_went_wrong_with_a_rule_is_told(tmp_path: Path, watching: Watching) -> None:
    writer = Writer(tmp_path / "logs" / "experiment_a.json", config={"experiment_name": "a"})
    app = watching(Rule("train_loss <"), Rule("train_loss > 3", do=("signal: SIGTERM",)))
    async with app.run_test(notifications=True) as pilot:
        messages = lambda: [toast.message for toast in toasts(app)]  # noqa: E731
        await settle(pilot, lambda: len(messages()) == 1)
        assert "rule 'train_loss <': something is missing" in messages()[0]
        writer.flush(record(0, train_loss=4.0))
        await settle(pilot, lambda: len(messages()) == 2)
        assert "it is not known which process" in messages()[1]


async def test_an_alert_without_a_notice_is_muted(tmp_path: Path, watching: Watching) -> None:
    def write(name: str, **tail: object) -> None:
        path = tmp_path / "logs" / f"experiment_{name}.json"
        write_run(path, config={"experiment_name": name}, start_time="2025-02-22T14:00:00", **tail)

    write("a", status="finished")
    write("b", status="finished")
    app = watching(Rule("failed", do=()))
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == 2)
        write("a", status="failed", error="boom")
        await settle(pilot, lambda: "fail" in screen_text(app))
        assert titles(app) == []
