"""The keys of exports."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

KEYS = (
    *group(
        "Runs",
        (Place.RUNS, Place.ZOOM),
        Key("export", "e", "export", "write runs as CSV", "csv"),
    ),
    *group(
        "Progress",
        (Place.PROGRESS,),
        Key("stop_export", "escape|ctrl+c", "stop", "stop, and keep nothing"),
        needs=(),
    ),
)
