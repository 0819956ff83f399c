"""Zoom, pan and cursor as pure steps, and the places of charts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from traintop.tui.chart_view import (
    ChartView,
    Extent,
    focus_next,
    limits_of_view,
    pan,
    put_cursor,
    without_window,
    zoom,
)
from traintop.tui.plots.grid import arrange

EXTENT = Extent(0.0, 1000.0, 1.0)
LONGER = Extent(0.0, 1200.0, 1.0)


def test_zooming_in_keeps_the_newest_and_follows_it():
    view = zoom(ChartView(), EXTENT, 0.5)
    assert limits_of_view(view, EXTENT) == (500, 1000)
    assert limits_of_view(view, LONGER) == (700, 1200)
    assert zoom(view, EXTENT, 2.0) == ChartView()


def test_zooming_keeps_the_cursor_where_it_is_on_the_screen():
    view = zoom(ChartView(cursor=200.0), EXTENT, 0.5)
    assert limits_of_view(view, EXTENT) == (100, 600)
    assert limits_of_view(view, LONGER) == (100, 600)
    assert limits_of_view(zoom(view, EXTENT, 0.5), EXTENT) == (150, 400)
    assert limits_of_view(zoom(ChartView(), EXTENT, 0.5, around=0.0), EXTENT) == (0, 500)


def test_panning_stops_at_the_ends_and_follows_the_newest():
    view = zoom(ChartView(), EXTENT, 0.25)
    earlier = pan(view, EXTENT, -1.0)
    assert limits_of_view(earlier, EXTENT) == (500, 750)
    assert limits_of_view(earlier, LONGER) == (500, 750)
    assert limits_of_view(pan(earlier, EXTENT, -9.0), EXTENT) == (0, 250)
    assert pan(earlier, EXTENT, 9.0) == view
    assert pan(ChartView(), EXTENT, 1.0) == ChartView()


def test_the_view_goes_with_the_cursor():
    view = zoom(ChartView(), EXTENT, 0.25)
    assert limits_of_view(put_cursor(view, EXTENT, 600.0), EXTENT) == (600, 850)
    later = put_cursor(pan(view, EXTENT, -9.0), EXTENT, 300.0)
    assert limits_of_view(later, EXTENT) == (50, 300)
    assert put_cursor(ChartView(), EXTENT, 9e9).cursor == 1000
    assert without_window(later) == ChartView()


def test_the_closest_view_still_shows_some_records():
    view = ChartView()
    for _ in range(40):
        view = zoom(view, EXTENT, 0.5)
    assert view.span == 4.0


steps = st.lists(
    st.one_of(
        st.tuples(st.just("zoom"), st.sampled_from([0.5, 2.0])),
        st.tuples(st.just("pan"), st.sampled_from([-0.25, 0.25])),
        st.tuples(st.just("cursor"), st.floats(-2000, 2000)),
    ),
    max_size=30,
)


@given(steps, st.floats(-1e6, 1e6), st.floats(0, 1e9), st.floats(0, 10))
def test_no_steps_lead_out_of_the_records(steps, low, width, spacing):
    extent = Extent(low, low + width, spacing)
    view = ChartView()
    for name, amount in steps:
        if name == "zoom":
            view = zoom(view, extent, amount)
        elif name == "pan":
            view = pan(view, extent, amount)
        else:
            view = put_cursor(view, extent, amount)
        start, end = limits_of_view(view, extent)
        slack = 1e-6 * (1 + abs(low) + width)
        assert extent.low - slack <= start <= end <= extent.high + slack
        if name == "cursor":
            assert start - slack <= view.cursor <= end + slack


def test_the_focus_wraps_around():
    view = focus_next(ChartView(), ("loss", "lr"), 1)
    assert view.focus == "lr"
    assert focus_next(view, ("loss", "lr"), 1).focus == "loss"
    assert focus_next(replace(view, focus="gone"), ("loss", "lr"), -1).focus == "loss"
    assert focus_next(view, (), 1) == view


@pytest.mark.parametrize(
    ("size", "count", "shapes"),
    [
        ((68, 45), 6, [(68, 18), (68, 9), (68, 9), (68, 9)]),
        ((68, 45), 2, [(68, 30), (68, 15)]),
        ((68, 45), 1, [(68, 45)]),
        ((79, 21), 6, [(79, 14), (79, 7)]),
        ((79, 20), 6, [(79, 20)]),
        ((98, 17), 6, [(49, 17), (49, 17)]),
        ((160, 45), 5, [(53, 22), (53, 22), (54, 22), (53, 23), (53, 23)]),
        ((3, 1), 6, [(3, 1)]),
        ((0, 9), 6, []),
    ],
)
def test_as_many_charts_as_can_be_read(size, count, shapes):
    assert [(box.width, box.height) for box in arrange(*size, count)] == shapes


@given(st.integers(0, 400), st.integers(0, 120), st.integers(0, 40))
def test_charts_never_overlap_and_never_leave_the_pane(width, height, count):
    boxes = arrange(width, height, count)
    assert len(boxes) <= count
    cells = [
        (x, y)
        for box in boxes
        for x in range(box.x, box.x + box.width)
        for y in range(box.y, box.y + box.height)
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < width and 0 <= y < height for x, y in cells)
