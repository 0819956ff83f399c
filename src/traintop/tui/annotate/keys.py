"""The keys that add to runs from outside."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

KEYS = group(
    "Runs",
    (Place.RUNS, Place.ZOOM),
    Key("note", "n", "note", "add a note beside the run", "note"),
    Key("tags", "t", "tags", "tag the run", "tag"),
    Key("archive", "a", "archive", "archive or restore the run"),
    Key("archived", "A", "show_archived", "list archived runs too", places=(Place.RUNS,)),
)
