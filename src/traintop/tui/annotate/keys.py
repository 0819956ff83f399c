"""The keys that add to runs from outside."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

_WITH_RUN = (Place.RUNS, Place.ZOOM, Place.RUN)

KEYS = group(
    "Runs",
    (Place.RUNS, Place.ZOOM),
    Key("note", "n", "note", "edit the note", "note", _WITH_RUN),
    Key("tags", "t", "tags", "edit the tags", "tag", _WITH_RUN),
    Key("archive", "a", "archive", "archive or restore the run", places=_WITH_RUN),
    Key("archived", "A", "show_archived", "show archived runs", places=(Place.RUNS,)),
)
