"""The keys of the charts, and of the choice of them."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

_MAIN = (Place.RUNS, Place.ZOOM)

KEYS = (
    *group(
        "Charts",
        (*_MAIN, Place.COMPARE),
        Key("zoom", "z", "toggle_zoom", "one chart full screen", "zoom", _MAIN),
        Key("unzoom", "escape|q,ctrl+c", "unzoom", "back to all panes", "back", (Place.ZOOM,)),
        Key("metric", "m", "next_chart(1)", "next chart, and its page", "metric", _MAIN),
        Key("previous_metric", "M", "next_chart(-1)", "previous chart", places=_MAIN),
        Key("charts", "O", "choose_charts", "choose which charts are shown", places=_MAIN),
        Key("x_axis", "x", "next_x_axis", "x axis: iteration, time, epoch …", "axis"),
        Key("log_x", "L", "toggle_log_x", "logarithmic x axis"),
        Key("log_y", "l", "toggle_log", "logarithmic y axis", "log"),
        Key("outliers", "r", "toggle_robust", "let outliers stretch the y axis"),
        Key("smoother", "+|=", "smooth(1)", "smooth the curves more", "smooth"),
        Key("rougher", "-|_", "smooth(-1)", "smooth the curves less"),
        Key("chart_file", "E", "export_chart", "export the chart as SVG or text"),
        Key("zoom_in", "]", "zoom_x(1)", "zoom in on x", "closer"),
        Key("zoom_out", "[", "zoom_x(-1)", "zoom out on x", "wider"),
        Key("pan_left", "{", "pan(-1)", "pan left"),
        Key("pan_right", "}", "pan(1)", "pan right"),
        Key("reset_x", "0", "reset_x", "reset zoom and cursor"),
        Key(
            "cursor_left",
            "left",
            "move_cursor(-1)",
            "cursor to the left: exact values",
            places=_MAIN,
        ),
        Key("cursor_right", "right", "move_cursor(1)", "cursor to the right", places=_MAIN),
        Key("cursor_far_left", "shift+left|ctrl+left", "move_cursor(-10)", "ten columns left"),
        Key("cursor_far_right", "shift+right|ctrl+right", "move_cursor(10)", "ten columns right"),
    ),
    *group(
        "Charts",
        (Place.CHARTS,),
        Key("next_choice", "j,down", "move_choice(1)", "next chart"),
        Key("prev_choice", "k,up", "move_choice(-1)", "previous chart"),
        Key("choose_chart", "space", "toggle_chart", "show or hide"),
        Key("reset_charts", "0", "reset_charts", "reset to the defaults"),
        Key("search_charts", "/", "search", "search"),
        Key("keep_charts", "enter", "keep", "back"),
        Key("close_charts", "escape|O,q,ctrl+c", "close", "end the search, then close"),
        needs=(),
    ),
)
