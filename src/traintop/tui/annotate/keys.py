"""The keys that add to runs from outside."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

KEYS = group(
    "Runs",
    (Place.RUNS, Place.ZOOM),
    Key("note", "n", "note", "edit the note", "note"),
    Key("tags", "t", "tags", "edit the tags", "tag"),
    Key("archive", "a", "archive", "archive or restore the run"),
    Key("archived", "A", "show_archived", "show archived runs", places=(Place.RUNS,)),
)
