"""The keys of the list of runs, of its filter and of its columns."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Need, Place, group

_LIST = (Place.RUNS,)
_MAIN = (Place.RUNS, Place.ZOOM)

KEYS = (
    *group(
        "Move",
        _MAIN,
        Key("down", "j,down", "move(1)", "next run"),
        Key("up", "k,up", "move(-1)", "previous run"),
        Key("page_down", "pagedown|ctrl+d", "page(1)", "a page down"),
        Key("page_up", "pageup|ctrl+u", "page(-1)", "a page up"),
        Key("first", "g,home", "go_to_end(-1)", "first run"),
        Key("last", "G,end", "go_to_end(1)", "last run"),
        Key("next_pane", "tab", "next_pane(1)", "next pane", "pane", _LIST),
        Key("previous_pane", "shift+tab", "next_pane(-1)", "previous pane", places=_LIST),
    ),
    *group(
        "Runs",
        _MAIN,
        Key("open_run", "enter", "open_run", "one run and its records", "open", _LIST),
        Key("mark", "space", "mark", "mark: overlay its curves", "mark"),
        Key("mark_range", "v", "mark_to_here", "mark from the last mark to here"),
        Key("mark_all", "*", "mark_all", "mark all listed runs, or none"),
        Key("unmark_all", "u", "unmark_all", "remove all marks", "unmark", needs=(Need.MARKS,)),
        Key("compare", "c", "compare", "compare the marked runs", "compare"),
        Key("best", "b", "best", "rank the runs by any metric", "best"),
        Key("pin", "p", "pin", "pin as the baseline of comparisons"),
        Key("filter", "/", "filter", "filter runs", "filter"),
        Key(
            "unfilter", "escape", "step_back", "back, or clear filter", "back", _LIST, (Need.BACK,)
        ),
        Key("sort", "s", "sort_next", "sort by the next column", "sort", _LIST),
        Key("reverse", "S", "sort_reverse", "reverse the order", places=_LIST),
        Key("columns", "o", "columns", "choose the columns", "columns", _LIST),
        Key("list_only", "w", "list_only", "full-width list", places=_LIST),
        Key("copy", "y", "copy", "copy the path of the run"),
    ),
    *group(
        "One run",
        (Place.RUN,),
        Key("record_down", "j,down", "scroll(1)", "newer records"),
        Key("record_up", "k,up", "scroll(-1)", "older records"),
        Key("records_down", "pagedown|ctrl+d,space", "scroll_pages(1)", "a page down"),
        Key("records_up", "pageup|ctrl+u", "scroll_pages(-1)", "a page up"),
        Key("first_record", "g|home", "go_to_end(-1)", "the first record"),
        Key("last_record", "G|end", "go_to_end(1)", "the newest record; follows the run", "newest"),
        Key("metrics_left", "left", "shift_metrics(-1)", "metrics to the left"),
        Key("metrics_right", "right", "shift_metrics(1)", "metrics to the right", "metrics"),
        Key("run_layout", "tab|z", "next_part", "details, records, or both", "layout"),
        Key("close_run", "escape|enter,q,ctrl+c", "close", "back to the list", "back"),
    ),
    *group(
        "Filter",
        (Place.FILTER,),
        Key("keep_filter", "enter", "keep_filter", "apply the filter", "apply", needs=()),
        Key("drop_filter", "escape|ctrl+c", "drop_filter", "cancel", "back", needs=()),
        Key("filter_down", "down", "move(1)", "next run"),
        Key("filter_up", "up", "move(-1)", "previous run"),
    ),
    *group(
        "Columns",
        (Place.COLUMNS,),
        Key("next_column", "j,down", "move_choice(1)", "next column"),
        Key("prev_column", "k,up", "move_choice(-1)", "previous column"),
        Key("columns_down", "pagedown", "move_choice(10)", "ten down"),
        Key("columns_up", "pageup", "move_choice(-10)", "ten up"),
        Key("choose", "space", "toggle_column", "show or hide it"),
        Key("later", "J|shift+down", "shift_column(1)", "move it right"),
        Key("earlier", "K|shift+up", "shift_column(-1)", "move it left"),
        Key("wider", ">", "widen_column(1)", "wider"),
        Key("narrower", "<", "widen_column(-1)", "narrower"),
        Key("sort_by_it", "s", "sort_by_column", "sort by it, or reverse the order"),
        Key("reset_columns", "0", "reset_columns", "reset to the defaults"),
        Key("search_columns", "/", "search", "search"),
        Key("keep_columns", "enter", "keep", "back"),
        Key("close_columns", "escape|o,q,ctrl+c", "close", "end the search, then close"),
        needs=(),
    ),
)
