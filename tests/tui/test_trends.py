import math
from queue import Empty, Queue
from types import SimpleNamespace

import pytest
from tests.runs import OpenedRun, make_run, make_runs, reader_of
from tests.waiting import TIMEOUT, settle
from tui_runs import showing

from traintop import ExperimentConfig, ExperimentTracker
from traintop.model import RunStatus
from traintop.store.history import History
from traintop.tui.main import trends
from traintop.tui.main.run_table import RunTable
from traintop.tui.main.trends import TREND_WIDTH, TrendLoader, trend_text


def history(losses):
    return History.from_columns({"iteration": range(len(losses)), "train_loss": losses})


def test_a_falling_loss_falls_and_nan_is_marked():
    assert (
        trend_text(history([(8.0 - i) ** 2 for i in range(1, 9)]), ascii_only=False) == "█▇▆▅▄▃▂▁"
    )
    assert trend_text(history([2.0, 1.0, math.nan]), ascii_only=False).endswith("!")
    assert trend_text(history([None, None]), ascii_only=False) == ""
    assert trend_text(history([4.0, 1.0]), ascii_only=True).isascii()


def test_a_constant_loss_is_a_level_line():
    assert len(set(trend_text(history([2.7] * 100), ascii_only=False))) == 1


@pytest.fixture
def posted():
    return Queue()


@pytest.fixture
def loader(posted):
    loader = TrendLoader(reader_of, posted.put, ascii_only=False)
    yield loader
    loader.stop()


def test_visible_runs_are_sampled_once_despite_a_bad_file(tmp_path, loader, posted):
    tracker = ExperimentTracker(ExperimentConfig(experiment_name="a"), tmp_path, quiet=True)
    tracker.start()
    for i in range(100):
        tracker.log_metrics(i, 100.0 - i)
    path = tracker.save()
    tracker.finish()
    whole = OpenedRun(path).summary()
    missing = make_run("gone", id=str(tmp_path / "gone.json"), root=whole.root)
    bad = str(tmp_path / "bad.json")
    unreadable = make_run("bad", id=bad, root=whole.root, status=RunStatus.UNREADABLE)
    loader.show([missing, unreadable, whole])
    loader.start()
    loaded = posted.get(timeout=TIMEOUT).trends
    assert loaded[missing.id] == ""
    assert len(loaded[str(path)]) == TREND_WIDTH
    assert unreadable.id not in loaded
    loader.show([OpenedRun(path).summary()])
    with pytest.raises(Empty):
        posted.get(timeout=0.2)


def test_a_live_run_is_sampled_again_when_it_looks_otherwise(monkeypatch, posted):
    sampled = []

    def reader(run_id):
        sampled.append(run_id)
        return SimpleNamespace(sample=lambda points: history([2.0, 1.0]))

    monkeypatch.setattr(trends, "RESAMPLE_SECONDS", 0.0)
    loader = TrendLoader(reader, posted.put, ascii_only=False)
    loader.start()

    def show(records, status=RunStatus.RUNNING):
        loader.show([make_run("a", iteration=records - 1, status=status)])

    try:
        show(1000)
        posted.get(timeout=TIMEOUT)
        for records in (1001, 1060):
            show(records)
            with pytest.raises(Empty):
                posted.get(timeout=0.05)
        show(1070)
        posted.get(timeout=TIMEOUT)
        show(1071, RunStatus.FINISHED)
        posted.get(timeout=TIMEOUT)
    finally:
        loader.stop()
    assert len(sampled) == 3


async def test_a_taller_list_requests_sparklines_for_its_new_rows(monkeypatch):
    asked = []
    monkeypatch.setattr(TrendLoader, "show", lambda self, runs: asked.append(runs))
    async with showing(make_runs(60), (160, 20)) as (app, pilot):
        table = app.screen.query_one(RunTable)
        await pilot.resize_terminal(160, 60)
        await settle(pilot, lambda: asked and len(asked[-1]) == table.page_rows > 20)
