import math
from queue import Empty, Queue

import pytest
from tests.runs import OpenedRun, make_run, make_runs, reader_of
from tests.waiting import TIMEOUT, settle
from tui_runs import showing

from traintop import ExperimentConfig, ExperimentTracker
from traintop.model import RunStatus
from traintop.store.history import History
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
    trends = posted.get(timeout=TIMEOUT).trends
    assert trends[missing.id] == ""
    assert len(trends[str(path)]) == TREND_WIDTH
    assert unreadable.id not in trends
    loader.show([OpenedRun(path).summary()])
    with pytest.raises(Empty):
        posted.get(timeout=0.2)


async def test_a_taller_list_requests_sparklines_for_its_new_rows(monkeypatch):
    asked = []
    monkeypatch.setattr(TrendLoader, "show", lambda self, runs: asked.append(runs))
    async with showing(make_runs(60), (160, 20)) as (app, pilot):
        table = app.screen.query_one(RunTable)
        await pilot.resize_terminal(160, 60)
        await settle(pilot, lambda: asked and len(asked[-1]) == table.page_rows > 20)
