"""All runs at one moment, as everybody else gets them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from traintop.model import RunSummary
from traintop.run_ids import is_below


class PlaceState(NamedTuple):
    """A place that cannot be looked at now; what was known of its runs may have changed."""

    place: str
    """What a person calls it."""
    roots: tuple[str, ...]
    words: str
    """How it is: ``away 3m, tries every 20s``, ``connecting``, ``no answer for 20s``."""
    reason: str = ""
    """Why: ``no route to host``."""
    seconds: float = 0.0
    """For how long nothing new was known of its runs."""
    is_first: bool = False
    """Whether it is being looked at for the first time."""

    @property
    def text(self) -> str:
        """How it is, and why."""
        return f"{self.place} {self.words}{self.reason and f': {self.reason}'}"

    @property
    def brief(self) -> str:
        """That it does not answer, in few words; the same as long as it is."""
        if self.is_first:
            return f"{self.place} {self.words}"
        return f"{self.place} {'is away' if self.reason else 'does not answer'}"

    @property
    def trouble(self) -> str:
        """What is wrong, to whoever looks once; the same as long as it is."""
        return f"{self.brief}: {self.reason}" if self.reason else self.brief


def state_of(run_id: str, places: Sequence[PlaceState]) -> PlaceState | None:
    """The state of the place where a run is, if it is among these; else the run is known."""
    return next(
        (one for one in places if any(is_below(run_id, root) for root in one.roots)),
        None,
    )


class Snapshot(msgspec.Struct, frozen=True):
    """All runs at one moment, the newest start first. It never changes.

    ``notices`` says in words what is wrong with the roots. ``revision`` grows only when something
    changed, so equal revisions of one catalog mean equal content. ``unread`` counts the files that
    a first look left for later, and where that ``is_partial``, those that it has not found are not
    among them; ``kept`` runs are as an earlier start has kept them, for nobody has looked at them
    since. ``others`` names what is there where no run is. ``places`` are those that cannot be
    looked at now; their last known runs are among the others.
    """

    runs: tuple[RunSummary, ...]
    roots: tuple[str, ...]
    notices: tuple[str, ...]
    revision: int
    unread: int = 0
    others: str = ""
    places: tuple[PlaceState, ...] = ()
    is_partial: bool = False
    kept: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every run is here, as far as the roots are right."""
        return not (self.unread or self.places)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with the roots and the places, in words."""
        return (*self.notices, *(one.trouble for one in self.places))
