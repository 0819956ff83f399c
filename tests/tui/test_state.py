import math

import pytest
from msgspec.structs import replace
from tests.runs import NOW, make_run, make_runs

from traintop.model import MetricStats, RunStatus
from traintop.store.snapshot import Snapshot
from traintop.tui.rows import RunRows
from traintop.tui.session import Session
from traintop.tui.view import (
    MOST_PLOTTED,
    SMOOTHING_LEVELS,
    Pane,
    SortOrder,
    ViewState,
    mark_all,
    mark_to_here,
    move_by,
    move_to,
    next_pane,
    smooth_by,
    sort_by,
    sort_next,
    sort_runs,
    toggle_baseline,
    toggle_mark,
    with_rows,
)


def names(rows):
    return [run.name for run in rows.runs]


def with_loss(name, loss):
    return make_run(name, stats={"train_loss": MetricStats(count=1, last=loss)}, last=None)


def test_missing_and_nan_values_come_last_in_both_directions():
    losses = {"a": math.nan, "b": 2.0, "c": None, "d": 1.0, "e": math.inf}
    runs = [with_loss(name, loss) for name, loss in losses.items()]
    assert names(sort_runs(runs, SortOrder("train_loss"), NOW)) == ["d", "b", "a", "e", "c"]
    assert names(sort_runs(runs, SortOrder("train_loss", reverse=True), NOW)) == [
        "b",
        "d",
        "a",
        "e",
        "c",
    ]


def test_the_newest_run_is_first_at_the_start():
    runs = make_runs(5)
    assert names(sort_runs(runs[::-1], ViewState().sort, NOW)) == names(RunRows(runs))


def test_sorting_by_status_puts_running_runs_first():
    runs = [make_run(status.value, status=status) for status in RunStatus]
    assert names(sort_runs(runs, SortOrder("status"), NOW))[0] == "running"


def test_ties_keep_their_order():
    runs = [make_run(name, loss=1.0) for name in "zyx"]
    assert names(sort_runs(runs, SortOrder("train_loss"), NOW)) == ["z", "y", "x"]
    assert names(sort_runs(runs, SortOrder("train_loss", reverse=True), NOW)) == ["z", "y", "x"]


def test_cursor_and_marks_stay_on_their_runs_in_a_changing_list():
    runs = make_runs(5)
    before = RunRows(runs)
    state = toggle_mark(move_to(ViewState(), before, 2))
    after = sort_runs([make_run("new", age=1.0), *runs], SortOrder("train_loss", reverse=True), NOW)
    state = with_rows(state, before, after)
    assert after.run(state.selected).name == "run-2"
    assert [after.run(path).name for path in state.marks] == ["run-2"]


def test_a_vanished_run_passes_its_cursor_to_its_neighbour():
    runs = make_runs(3)
    before = RunRows(runs)
    state = toggle_mark(move_to(ViewState(), before, 2))
    after = RunRows(runs[:2])
    state = with_rows(state, before, after)
    assert after.run(state.selected).name == "run-1"
    assert state.marks == ()
    assert with_rows(state, after, RunRows()).selected is None


def test_the_first_rows_select_the_first_run():
    rows = RunRows(make_runs(2))
    assert with_rows(ViewState(), RunRows(), rows).selected == rows.runs[0].id


def test_an_awaited_run_is_selected_even_if_a_filter_hides_it():
    first, second = make_runs(2)
    session = Session(lambda: NOW, ViewState(filter="run-0"))
    session.awaited = second.id
    for runs in ((first,), (first, second)):
        session.take_snapshot(Snapshot(runs, (), (), revision=1), "live")
        session.list_runs()
    assert session.selected is second
    assert session.view.filter == ""
    assert session.rows.position(second.id) is not None


@pytest.mark.parametrize("placed", [False, True])
def test_the_cursor_is_at_the_top_until_it_is_placed(placed):
    first, second, third = make_runs(3)
    session = Session(lambda: NOW, ViewState())
    session.take_snapshot(Snapshot((second, third), (), (), revision=1, unread=1), "live")
    session.list_runs()
    assert session.selected is second
    if placed:
        session.change(move_to(session.view, session.rows, 1))
        session.change(move_to(session.view, session.rows, 0))
    session.take_snapshot(Snapshot((first, second, third), (), (), revision=2), "live")
    session.list_runs()
    assert session.selected is (second if placed else first)
    newest = make_run("newest", age=0.0)
    session.take_snapshot(Snapshot((newest, first, second, third), (), (), revision=3), "live")
    session.list_runs()
    assert session.selected is (second if placed else first)


def test_moving_stops_at_the_ends():
    rows = RunRows(make_runs(3))
    state = move_to(ViewState(), rows, 0)
    assert move_by(state, rows, -5) == state
    assert move_by(state, rows, 99).selected == rows.runs[-1].id
    assert move_by(ViewState(), RunRows(), 1) == ViewState()


def test_marks_toggle_and_the_selected_run_is_charted_first():
    rows = RunRows(make_runs(3))
    a, b, _ = (run.id for run in rows.runs)
    state = toggle_mark(move_to(ViewState(), rows, 0))
    state = toggle_mark(move_to(state, rows, 1))
    assert state.marks == (a, b)
    assert state.plotted == (b, a)
    assert toggle_mark(state).marks == (a,)
    assert toggle_mark(ViewState()) == ViewState()


def test_sort_cycles_through_visible_columns_and_reverses():
    state = sort_next(ViewState(sort=SortOrder("age")), ("status", "name", "age"))
    assert state.sort == SortOrder("status")
    assert sort_next(state, ("train_loss",)).sort == SortOrder("train_loss")
    assert sort_by(state, "status").sort == SortOrder("status", reverse=True)
    assert sort_by(state, "train_loss").sort == SortOrder("train_loss")
    assert SortOrder("tokens_per_sec").descending
    assert not SortOrder("tokens_per_sec", reverse=True).descending


def test_choices_wrap_around_or_stop_at_the_end():
    state = ViewState()
    assert smooth_by(state, -1) == state
    assert smooth_by(state, 99).smoothing_weight == SMOOTHING_LEVELS[-1]
    assert next_pane(state, (Pane.CHARTS, Pane.SUMMARY)).pane is Pane.CHARTS
    assert next_pane(state, tuple(Pane), -1).pane is Pane.SUMMARY


def test_the_baseline_is_pinned_moved_unpinned_and_can_vanish():
    rows = RunRows(make_runs(3))
    paths = [run.id for run in rows.runs]
    pinned = toggle_baseline(ViewState(selected=paths[0]))
    assert pinned.baseline == paths[0]
    moved = toggle_baseline(replace(pinned, selected=paths[1]))
    assert moved.baseline == paths[1]
    assert toggle_baseline(moved).baseline is None
    assert with_rows(moved, rows, RunRows(rows.runs[:1])).baseline is None


def test_a_range_is_marked_from_the_last_mark_to_the_cursor():
    rows = RunRows(make_runs(6))
    paths = [run.id for run in rows.runs]
    state = mark_to_here(ViewState(selected=paths[4], marks=(paths[1],)), rows)
    assert set(state.marks) == set(paths[1:5])
    assert mark_to_here(ViewState(selected=paths[2]), rows).marks == (paths[2],)
    assert mark_to_here(ViewState(), rows).marks == ()


def test_all_listed_runs_are_marked_and_then_none():
    rows = RunRows(make_runs(3))
    everything = mark_all(ViewState(), rows)
    assert len(everything.marks) == 3
    assert mark_all(everything, rows).marks == ()


def test_the_number_of_curves_is_limited():
    paths = tuple(run.id for run in make_runs(100))
    plotted = ViewState(selected=paths[0], marks=paths).plotted
    assert len(plotted) == MOST_PLOTTED
    assert plotted[0] == paths[0]


def test_the_trend_does_not_sort():
    state = ViewState(sort=SortOrder("age"))
    assert sort_by(state, "trend") == state
    assert sort_next(state, ["age", "trend", "name"]).sort.column == "name"
    runs = make_runs(3)
    assert sort_runs(runs, SortOrder("trend"), NOW).runs == tuple(runs)
