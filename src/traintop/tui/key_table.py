"""The table of keys: every binding of the program, in the order in which the footer shows them.

It drives dispatch, the footer, the help and the command palette (:mod:`traintop.tui.keys`).
"""

from __future__ import annotations

from traintop.tui.dialog_keys import DIALOG_KEYS
from traintop.tui.overlay_keys import OVERLAY_KEYS
from traintop.tui.places import Key, Need, Place

__all__ = ["KEYS", "Key", "Need", "Place"]


_LIST = (Place.RUNS,)
_CHARTS = (Place.RUNS, Place.ZOOM, Place.COMPARE)
_SCREENS = (Place.RUNS, Place.ZOOM, Place.COMPARE, Place.BEST)

KEYS: tuple[Key, ...] = (
    Key("down", "j,down", "j ↓", "move(1)", "", "next run", "Move"),
    Key("up", "k,up", "k ↑", "move(-1)", "", "previous run", "Move"),
    Key("page_down", "pagedown,ctrl+d", "PgDn", "page(1)", "", "a page down", "Move"),
    Key("page_up", "pageup,ctrl+u", "PgUp", "page(-1)", "", "a page up", "Move"),
    Key("first", "g,home", "g Home", "go_to_end(-1)", "", "first run", "Move"),
    Key("last", "G,end", "G End", "go_to_end(1)", "", "last run", "Move"),
    Key("next_pane", "tab", "tab", "next_pane(1)", "pane", "next pane", "Move", places=_LIST),
    Key(
        "previous_pane",
        "shift+tab",
        "shift+tab",
        "next_pane(-1)",
        "",
        "previous pane",
        "Move",
        places=_LIST,
    ),
    Key("mark", "space", "space", "mark", "mark", "mark: overlay its curves", "Runs"),
    Key("mark_range", "v", "v", "mark_to_here", "", "mark from the last mark to here", "Runs"),
    Key("mark_all", "asterisk", "*", "mark_all", "", "mark all listed runs, or none", "Runs"),
    Key(
        "unmark_all",
        "u",
        "u",
        "unmark_all",
        "unmark",
        "remove all marks",
        "Runs",
        needs=(Need.MARKS,),
    ),
    Key("pin", "p", "p", "pin", "", "pin as the baseline of comparisons", "Runs"),
    Key("sort", "s", "s", "sort_next", "sort", "sort by the next column", "Runs", places=_LIST),
    Key("reverse", "S", "S", "sort_reverse", "", "turn the order round", "Runs", places=_LIST),
    Key("columns", "o", "o", "columns", "columns", "choose the columns", "Runs", _LIST),
    Key("list_only", "w", "w", "list_only", "", "the list alone, or with details", "Runs", _LIST),
    Key("filter", "slash", "/", "filter", "filter", "list some runs only", "Runs"),
    Key(
        "unfilter",
        "escape",
        "esc",
        "unfilter",
        "all runs",
        "list all runs again",
        "Runs",
        places=_LIST,
        needs=(Need.FILTER,),
    ),
    Key("note", "n", "n", "note", "note", "add a note beside the run", "Runs"),
    Key("tags", "t", "t", "tags", "tag", "tag the run", "Runs"),
    Key("archive", "a", "a", "archive", "", "put away into the archive, or back", "Runs"),
    Key("archived", "A", "A", "show_archived", "", "list archived runs too", "Runs", _LIST),
    Key("notices", "N", "N", "notices", "", "past notices: NaN, stall, crash, best", "Runs", _LIST),
    Key("compare", "c", "c", "compare", "compare", "the marked runs side by side", "Runs"),
    Key("best", "b", "b", "best", "best", "the best runs by any metric", "Runs"),
    Key("export", "e", "e", "export", "csv", "write runs as CSV", "Runs"),
    *OVERLAY_KEYS,
    Key("zoom", "z", "z", "toggle_zoom", "zoom", "one chart full screen", "Charts"),
    Key(
        "unzoom",
        "escape",
        "esc",
        "unzoom",
        "back",
        "back to all panes",
        "Charts",
        places=(Place.ZOOM,),
    ),
    Key("metric", "m", "m", "next_chart(1)", "metric", "next metric", "Charts"),
    Key("previous_metric", "M", "M", "next_chart(-1)", "", "previous metric", "Charts"),
    Key(
        "x_axis",
        "x",
        "x",
        "next_x_axis",
        "axis",
        "x axis: iteration, step, or time",
        "Charts",
        _CHARTS,
    ),
    Key("log_y", "l", "l", "toggle_log", "log", "logarithmic y axis", "Charts", _CHARTS),
    Key(
        "outliers",
        "r",
        "r",
        "toggle_robust",
        "",
        "let outliers stretch the y axis",
        "Charts",
        _CHARTS,
    ),
    Key(
        "smoother",
        "plus,equals_sign",
        "+",
        "smooth(1)",
        "smooth",
        "smooth the curves more",
        "Charts",
        _CHARTS,
    ),
    Key("rougher", "minus,underscore", "-", "smooth(-1)", "", "smooth less", "Charts", _CHARTS),
    Key(
        "help", "question_mark,f1", "?", "help", "help", "this help", "Program", _SCREENS, needs=()
    ),
    Key(
        "palette",
        "ctrl+p",
        "ctrl+p",
        "palette",
        "",
        "find any action",
        "Program",
        _SCREENS,
        needs=(),
    ),
    Key(
        "repaint",
        "ctrl+l",
        "ctrl+l",
        "repaint",
        "",
        "draw the whole screen again",
        "Program",
        _SCREENS,
        needs=(),
    ),
    Key(
        "suspend",
        "ctrl+z",
        "ctrl+z",
        "app.suspend_process",
        "",
        "back to the shell; fg returns",
        "Program",
        _SCREENS,
        needs=(),
    ),
    Key("quit", "q,ctrl+c", "q", "app.quit", "quit", "quit", "Program", _SCREENS, needs=()),
    *DIALOG_KEYS,
)
