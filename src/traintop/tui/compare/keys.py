"""The keys of the comparison."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

_COMPARE = (Place.COMPARE,)

KEYS = (
    *group(
        "Move",
        _COMPARE,
        Key("column_left", "left", "move_column(-1)", "column to the left"),
        Key("column_right", "right", "move_column(1)", "column to the right", "column"),
        Key("row_down", "j,down", "scroll_rows(1)", "scroll a row down"),
        Key("row_up", "k,up", "scroll_rows(-1)", "scroll a row up"),
        Key("rows_page_down", "pagedown|ctrl+d,space", "scroll_pages(1)", "a page down"),
        Key("rows_page_up", "pageup|ctrl+u", "scroll_pages(-1)", "a page up"),
    ),
    *group(
        "Compare",
        _COMPARE,
        Key("close_compare", "escape|c,q,ctrl+c", "close", "back to where you came from", "back"),
        Key("group", "g", "toggle_groups", "group over seeds: mean ±std", "seeds"),
        Key("compared_metric", "m", "next_metric(1)", "next metric", "metric"),
        Key("previous_compared_metric", "M", "next_metric(-1)", "previous metric"),
        Key("target", "t", "ask_target", "set the target value", "target"),
        Key("pin_column", "p", "pin_column", "make its run the baseline", "baseline"),
        Key("export_comparison", "e", "export", "export as CSV or Markdown", "export"),
        Key("compare_layout", "tab|z", "next_part", "show table, chart, or both"),
    ),
)
