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
        Key("go_to_run", "enter", "go_to_run", "show this run in the list", "go to"),
        Key("mark_best", "space", "mark", "mark: overlay its curves", "mark"),
        Key("compare_best", "c", "compare", "compare the marked runs", "compare"),
        Key("best_metric", "m", "next_metric(1)", "next metric", "metric"),
        Key("previous_best_metric", "M", "next_metric(-1)", "previous metric"),
        Key("flip", "i", "flip", "rank by lowest or by highest", "min/max"),
        Key("limit", "t", "next_limit", "show the top 10, the top 25, or all", "top"),
        Key("best_view", "v", "next_view", "runs, settings that matter, their coordinates", "view"),
        Key("close_best", "escape|b,q,ctrl+c", "close", "back to the runs", "back"),
    ),
)
