"""Where a key can be pressed, and what one entry of the table of keys says."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Place(StrEnum):
    """Where the person is; the value is the heading of the help."""

    RUNS = "runs"
    ZOOM = "one chart"
    COLUMNS = "columns"
    CHARTS = "charts to show"
    FILTER = "filter"
    ENTRY = "text entry"
    COMPARE = "comparison"
    BEST = "best runs"
    CHOICE = "choice"
    NOTICES = "notices"
    PROGRESS = "progress"
    HELP = "help"


class Need(StrEnum):
    """What must be there for a key to make sense."""

    RUNS = "runs"
    MARKS = "marks"
    FILTER = "filter"


INTERRUPT = "ctrl+c"
"""Quits, or leaves the dialog that is open, whatever other keys a person has for that."""


class Key(msgspec.Struct, frozen=True):
    """One binding. ``keys`` are Textual's names of them, ``shown`` is how they are written.

    ``label`` is the word in the footer, empty for keys that only the help lists.
    """

    name: str
    keys: str
    shown: str
    action: str
    label: str
    help: str
    group: str
    places: tuple[Place, ...] = (Place.RUNS, Place.ZOOM)
    needs: tuple[Need, ...] = (Need.RUNS,)
