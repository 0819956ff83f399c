"""What there is below the roots of a place, looked at again and again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from traintop.run_ids import Location
from traintop.store.files import Entry, Files
from traintop.store.formats import run_formats
from traintop.store.sidecars import FOLDER
from traintop.store.sources import wanted_names


@dataclass(slots=True)
class Scan:
    """What one walk through the directories found."""

    files: list[Entry]
    sidecars: list[Entry]
    notices: list[str]
    is_partial: bool = False


class PlaceScan:
    """Walks through some directories of a place."""

    def __init__(self, files: Files, place: str, roots: Sequence[str]) -> None:
        self._files = files
        self._place = place
        self._roots = roots
        self._walks: dict[tuple[str, ...], Callable[[], Iterator[Entry]]] = {}  # by patterns
        self.seconds = 0.0
        """How long the last one kept this machine busy."""

    def __call__(self, on_answer: Callable[[], None], until: float = math.inf) -> Scan:
        """What there is; a part of it where that takes until then, by the monotonic clock."""
        # Waiting for another machine costs nobody anything: that says itself when it is busy.
        clock = time.thread_time if self._place else time.monotonic
        started = clock()
        formats, problems, _ = run_formats()
        patterns = wanted_names(formats)
        if patterns not in self._walks:
            self._walks = {patterns: self._files.repeated_walk(self._roots, patterns)}
        scan = Scan([], [], list(problems))
        for entry in self._walks[patterns]():
            on_answer()
            if entry.is_dir and entry.problem:
                scan.notices.append(f"{Location(self._place, entry.id)} {entry.problem}")
            elif FOLDER not in entry.id:
                scan.files.append(entry)
            elif PurePath(entry.id).parent.name == FOLDER:
                scan.sidecars.append(entry)
            elif not entry.id.endswith(f"/{FOLDER}"):
                scan.files.append(entry)
            if time.monotonic() > until:
                scan.is_partial = True
                self._walks.clear()
                break
        self.seconds = clock() - started
        return scan
