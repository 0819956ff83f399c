"""The table of keys: every binding of the program, in the order in which the footer shows them.

It drives dispatch, the footer, the help and the command palette (:mod:`traintop.tui.keys`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Where the person is; the value is the heading of the help."""

    RUNS = "runs"
    ZOOM = "one chart"
    COLUMNS = "columns"
    COMPARE = "comparison"
    BEST = "best runs"
    CHOICE = "choice"
    HELP = "help"


class Need(StrEnum):
    """What must be there for a key to make sense."""

    RUNS = "runs"
    MARKS = "marks"


@dataclass(frozen=True, slots=True)
class Key:
    """One binding. ``keys`` are Textual's names of them, ``shown`` is how they are written.

    ``label`` is the word in the footer, empty for keys that only the help lists.
    """

    name: str
    keys: str
    shown: str
    action: str
    label: str
    help: str
    group: str
    places: tuple[Place, ...] = (Place.RUNS, Place.ZOOM)
    needs: tuple[Need, ...] = (Need.RUNS,)


_LIST = (Place.RUNS,)
_COLUMNS: tuple[tuple[Place, ...], tuple[Need, ...]] = ((Place.COLUMNS,), ())
_CHARTS = (Place.RUNS, Place.ZOOM, Place.COMPARE)
_SCREENS = (Place.RUNS, Place.ZOOM, Place.COMPARE, Place.BEST)
_COMPARE = (Place.COMPARE,)
_BEST = (Place.BEST,)

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
    Key("compare", "c", "c", "compare", "compare", "the marked runs side by side", "Runs"),
    Key("best", "b", "b", "best", "best", "the best runs by any metric", "Runs"),
    Key("export", "e", "e", "export", "csv", "write the selected run as CSV", "Runs"),
    Key("column_left", "left", "←", "move_column(-1)", "", "column to the left", "Move", _COMPARE),
    Key(
        "column_right",
        "right",
        "← →",
        "move_column(1)",
        "column",
        "column to the right",
        "Move",
        _COMPARE,
    ),
    Key("row_down", "j,down", "j ↓", "scroll_rows(1)", "", "scroll a row down", "Move", _COMPARE),
    Key("row_up", "k,up", "k ↑", "scroll_rows(-1)", "", "scroll a row up", "Move", _COMPARE),
    Key(
        "rows_page_down",
        "pagedown,ctrl+d,space",
        "PgDn",
        "scroll_pages(1)",
        "",
        "a page down",
        "Move",
        _COMPARE,
    ),
    Key(
        "rows_page_up",
        "pageup,ctrl+u",
        "PgUp",
        "scroll_pages(-1)",
        "",
        "a page up",
        "Move",
        _COMPARE,
    ),
    Key(
        "close_compare",
        "escape,c",
        "esc c",
        "close",
        "back",
        "back to the runs",
        "Compare",
        _COMPARE,
    ),
    Key(
        "group",
        "g",
        "g",
        "toggle_groups",
        "seeds",
        "runs that differ only in the seed as one: mean ±std",
        "Compare",
        _COMPARE,
    ),
    Key(
        "compared_metric", "m", "m", "next_metric(1)", "metric", "next metric", "Compare", _COMPARE
    ),
    Key(
        "previous_compared_metric",
        "M",
        "M",
        "next_metric(-1)",
        "",
        "previous metric",
        "Compare",
        _COMPARE,
    ),
    Key(
        "target",
        "t",
        "t",
        "ask_target",
        "target",
        "the value that runs are to reach",
        "Compare",
        _COMPARE,
    ),
    Key(
        "pin_column",
        "p",
        "p",
        "pin_column",
        "baseline",
        "this column's run as the baseline",
        "Compare",
        _COMPARE,
    ),
    Key(
        "export_comparison",
        "e",
        "e",
        "export",
        "export",
        "write this table as CSV or Markdown",
        "Compare",
        _COMPARE,
    ),
    Key(
        "compare_layout",
        "tab,z",
        "tab",
        "next_part",
        "",
        "table and chart, or one of them",
        "Compare",
        _COMPARE,
    ),
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
    Key("best_down", "j,down", "j ↓", "move(1)", "", "next run", "Move", _BEST),
    Key("best_up", "k,up", "k ↑", "move(-1)", "", "previous run", "Move", _BEST),
    Key("best_page_down", "pagedown,ctrl+d", "PgDn", "page(1)", "", "a page down", "Move", _BEST),
    Key("best_page_up", "pageup,ctrl+u", "PgUp", "page(-1)", "", "a page up", "Move", _BEST),
    Key("best_first", "g,home", "g Home", "go_to_end(-1)", "", "the best run", "Move", _BEST),
    Key("best_last", "G,end", "G End", "go_to_end(1)", "", "the worst run", "Move", _BEST),
    Key(
        "go_to_run",
        "enter",
        "enter",
        "go_to_run",
        "go to",
        "back to the list, at this run",
        "Best",
        _BEST,
    ),
    Key("mark_best", "space", "space", "mark", "mark", "mark: overlay its curves", "Best", _BEST),
    Key(
        "compare_best",
        "c",
        "c",
        "compare",
        "compare",
        "the marked runs side by side",
        "Best",
        _BEST,
    ),
    Key("best_metric", "m", "m", "next_metric(1)", "metric", "next metric", "Best", _BEST),
    Key("previous_best_metric", "M", "M", "next_metric(-1)", "", "previous metric", "Best", _BEST),
    Key(
        "flip", "i", "i", "flip", "min/max", "the lowest or the highest is the best", "Best", _BEST
    ),
    Key("close_best", "escape,b", "esc b", "close", "back", "back to the runs", "Best", _BEST),
    Key(
        "choice_down",
        "j,down,tab",
        "j ↓",
        "move(1)",
        "",
        "next choice",
        "Choice",
        (Place.CHOICE,),
        (),
    ),
    Key(
        "choice_up",
        "k,up,shift+tab",
        "k ↑",
        "move(-1)",
        "",
        "previous choice",
        "Choice",
        (Place.CHOICE,),
        (),
    ),
    Key(
        "choose", "enter", "enter", "choose", "", "take this choice", "Choice", (Place.CHOICE,), ()
    ),
    Key(
        "close_choice",
        "escape,q",
        "esc",
        "close",
        "",
        "close without a choice",
        "Choice",
        (Place.CHOICE,),
        (),
    ),
    Key(
        "scroll_help_down",
        "j,down",
        "j ↓",
        "scroll_help(1)",
        "",
        "a line down",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "scroll_help_up",
        "k,up",
        "k ↑",
        "scroll_help(-1)",
        "",
        "a line up",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "page_help_down",
        "pagedown,space",
        "PgDn",
        "scroll_help(10)",
        "",
        "a page down",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "page_help_up",
        "pageup",
        "PgUp",
        "scroll_help(-10)",
        "",
        "a page up",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "close_help",
        "escape,question_mark,f1,q",
        "esc",
        "close_help",
        "close",
        "close the help",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key("next_column", "j,down", "j ↓", "move_choice(1)", "", "next column", "Columns", *_COLUMNS),
    Key("prev_column", "k,up", "k ↑", "move_choice(-1)", "", "previous", "Columns", *_COLUMNS),
    Key("columns_down", "pagedown", "PgDn", "move_choice(10)", "", "ten on", "Columns", *_COLUMNS),
    Key("columns_up", "pageup", "PgUp", "move_choice(-10)", "", "ten back", "Columns", *_COLUMNS),
    Key("choose", "space", "space", "toggle_column", "", "show or hide it", "Columns", *_COLUMNS),
    Key("later", "J,shift+down", "J", "shift_column(1)", "", "move it on", "Columns", *_COLUMNS),
    Key("earlier", "K,shift+up", "K", "shift_column(-1)", "", "move it back", "Columns", *_COLUMNS),
    Key("wider", "greater_than_sign", ">", "widen_column(1)", "", "wider", "Columns", *_COLUMNS),
    Key("narrower", "less_than_sign", "<", "widen_column(-1)", "", "thinner", "Columns", *_COLUMNS),
    Key(
        "sort_by_it",
        "s",
        "s",
        "sort_by_column",
        "",
        "sort by it, or turn round",
        "Columns",
        *_COLUMNS,
    ),
    Key("reset_columns", "0", "0", "reset_columns", "", "as at first", "Columns", *_COLUMNS),
    Key("close_columns", "escape,enter,o,q", "esc", "close", "", "back", "Columns", *_COLUMNS),
)
