"""The roots in one place: what a person named, and what is below each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePath

from traintop.run_ids import Location, is_below, parts_of, stem_of
from traintop.store.liveness import ObservedRun


class PlaceRoots:
    """Directories and files of one place, as a person named them.

    ``paths`` are within the ``place``, whose address stands before them outside.
    """

    def __init__(self, place: str, paths: Sequence[str]) -> None:
        self.addresses = tuple(str(Location(place, path)) for path in paths)
        self.paths = [parts_of(path)[0] for path in paths]
        self.named: dict[str, set[str]] = {}
        """The runs that were named, by the files that hold many."""
        for run_id in paths:
            holder, key = parts_of(run_id)
            if key:
                self.named.setdefault(holder, set()).add(run_id)
        self._innermost_first = sorted(self.paths, key=len, reverse=True)
        self._address_of = dict(zip(self.paths, self.addresses, strict=True))

    def address_above(self, run_id: str) -> str:
        """The address of the root below which a run was found."""
        return self._address_of.get(self._root_of(run_id), "")

    def name_of(self, run: ObservedRun) -> str:
        """What a run is called whose files give it no name: its path below its root."""
        if parts_of(run.id)[1]:
            return stem_of(run.id)
        path, is_file = PurePath(run.id), run.entries[0].id == run.id
        root = self._root_of(run.id)
        below = path.relative_to(root) if root else path
        if not below.name:
            return os.path.basename(os.path.abspath(run.id))
        return str(below.with_suffix("") if is_file else below)

    def _root_of(self, run_id: str) -> str:
        return next((root for root in self._innermost_first if is_below(run_id, root)), "")
