"""All runs at one moment, as everybody else gets them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from traintop.model import RunSummary


class PlaceState(NamedTuple):
    """A place that cannot be looked at now; what was known of its runs may have changed."""

    place: str
    """What a person calls it."""
    roots: tuple[str, ...]
    words: str
    """Why its runs are not known as they are now: ``away 3m, next try 20s: no route to host``."""


class Snapshot(msgspec.Struct, frozen=True):
    """All runs at one moment, the newest start first. It never changes.

    ``notices`` says in words what is wrong with the roots. ``revision`` grows only when something
    changed, so equal revisions of one catalog mean equal content. ``unread`` counts the files that
    a first look left for later. ``others`` names what is there where no run is. ``places`` are
    those that cannot be looked at now; their last known runs are among the others.
    """

    runs: tuple[RunSummary, ...]
    roots: tuple[str, ...]
    notices: tuple[str, ...]
    revision: int
    unread: int = 0
    others: str = ""
    places: tuple[PlaceState, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every run is here as it is now, so that one that is not here is gone."""
        return not (self.unread or self.notices or self.places)
