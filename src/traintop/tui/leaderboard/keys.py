"""The keys of the leaderboard."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

_BEST = (Place.BEST,)

KEYS = (
    *group(
        "Move",
        _BEST,
        Key("best_down", "j,down", "move(1)", "next run"),
        Key("best_up", "k,up", "move(-1)", "previous run"),
        Key("best_page_down", "pagedown|ctrl+d", "page(1)", "a page down"),
        Key("best_page_up", "pageup|ctrl+u", "page(-1)", "a page up"),
        Key("best_first", "g,home", "go_to_end(-1)", "the best run"),
        Key("best_last", "G,end", "go_to_end(1)", "the worst run"),
    ),
    *group(
        "Best",
        _BEST,
        Key("go_to_run", "enter", "go_to_run", "back to the list, at this run", "go to"),
        Key("mark_best", "space", "mark", "mark: overlay its curves", "mark"),
        Key("compare_best", "c", "compare", "the marked runs side by side", "compare"),
        Key("best_metric", "m", "next_metric(1)", "next metric", "metric"),
        Key("previous_best_metric", "M", "next_metric(-1)", "previous metric"),
        Key("flip", "i", "flip", "the lowest or the highest is the best", "min/max"),
        Key("limit", "t", "next_limit", "the top 10, the top 25, or all", "top"),
        Key("close_best", "escape|b,q,ctrl+c", "close", "back to the runs", "back"),
    ),
)
