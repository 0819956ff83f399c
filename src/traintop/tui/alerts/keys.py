"""The keys of the log of notices, and the one that opens it."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

KEYS = (
    *group(
        "Runs",
        (Place.RUNS,),
        Key("notices", "N", "notices", "past notices: NaN, stall, crash, best"),
    ),
    *group(
        "Notices",
        (Place.NOTICES,),
        Key("notice_down", "j,down", "move_notice(1)", "older notice"),
        Key("notice_up", "k,up", "move_notice(-1)", "newer notice"),
        Key("notice_run", "enter", "go_to_run", "go to its run", "run"),
        Key("close_notices", "escape|N,q,ctrl+c", "close", "back to the list", "close"),
        needs=(),
    ),
)
