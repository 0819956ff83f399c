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
    FILTER = "filter"
    ENTRY = "text entry"
    HELP = "help"


class Need(StrEnum):
    """What must be there for a key to make sense."""

    RUNS = "runs"
    MARKS = "marks"
    FILTER = "filter"


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
    Key("export", "e", "e", "export", "csv", "write the selected run as CSV", "Runs"),
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
    Key("x_axis", "x", "x", "next_x_axis", "axis", "x axis: iteration, step, or time", "Charts"),
    Key("log_y", "l", "l", "toggle_log", "log", "logarithmic y axis", "Charts"),
    Key("outliers", "r", "r", "toggle_robust", "", "let outliers stretch the y axis", "Charts"),
    Key(
        "smoother",
        "plus,equals_sign",
        "+",
        "smooth(1)",
        "smooth",
        "smooth the curves more",
        "Charts",
    ),
    Key("rougher", "minus,underscore", "-", "smooth(-1)", "", "smooth less", "Charts"),
    Key("help", "question_mark,f1", "?", "help", "help", "this help", "Program", needs=()),
    Key("palette", "ctrl+p", "ctrl+p", "palette", "", "find any action", "Program", needs=()),
    Key(
        "repaint",
        "ctrl+l",
        "ctrl+l",
        "repaint",
        "",
        "draw the whole screen again",
        "Program",
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
        needs=(),
    ),
    Key("quit", "q,ctrl+c", "q", "app.quit", "quit", "quit", "Program", needs=()),
    Key(
        "keep_filter",
        "enter",
        "enter",
        "keep_filter",
        "keep",
        "list what the filter matches",
        "Filter",
        places=(Place.FILTER,),
        needs=(),
    ),
    Key(
        "drop_filter",
        "escape",
        "esc",
        "drop_filter",
        "back",
        "back to the list as it was",
        "Filter",
        places=(Place.FILTER,),
        needs=(),
    ),
    Key(
        "confirm_entry",
        "enter",
        "enter",
        "confirm_entry",
        "keep",
        "keep the text",
        "Text",
        places=(Place.ENTRY,),
        needs=(),
    ),
    Key(
        "close_entry",
        "escape",
        "esc",
        "close",
        "back",
        "leave it as it was",
        "Text",
        places=(Place.ENTRY,),
        needs=(),
    ),
    Key("filter_down", "down", "↓", "move(1)", "", "next run", "Filter", places=(Place.FILTER,)),
    Key("filter_up", "up", "↑", "move(-1)", "", "previous run", "Filter", places=(Place.FILTER,)),
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
