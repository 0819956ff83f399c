"""The keys of exports."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

KEYS = (
    *group(
        "Runs",
        (Place.RUNS, Place.ZOOM),
        Key("export", "e", "export", "export runs as CSV", "csv"),
    ),
    *group(
        "Progress",
        (Place.PROGRESS,),
        Key("stop_export", "escape|ctrl+c", "stop", "cancel the export"),
        needs=(),
    ),
)
