"""Which colour a run has, the same wherever it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from traintop.model import RunSummary

COLORS = 8
"""How many series colours the palette of the charts has."""

_INDICES = 3 * COLORS
"""So many curves get markers of their own, where these are letters."""


def assign_colors(known: Mapping[Path, int], runs: Iterable[RunSummary]) -> dict[Path, int]:
    """A palette index per run: the next one for each new run, in the order of their starts.

    Runs that started one after the other, as a sweep does, so differ, and a run keeps its colour
    whatever appears later.
    """
    assigned = {run.path: known[run.path] for run in runs if run.path in known}
    fresh = [run for run in runs if run.path not in assigned]
    fresh.sort(key=lambda run: (run.start_time or "", str(run.path)))
    following = max(known.values(), default=-1) + 1
    for offset, run in enumerate(fresh):
        assigned[run.path] = following + offset
    return assigned


def distinct_colors(assigned: Mapping[Path, int], charted: Sequence[Path]) -> dict[Path, int]:
    """The palette indices of the charted runs, told apart as long as there are colours.

    Beyond that colours repeat, by further indices that have other markers. The marked runs come
    first in the choice, so that moving the cursor never recolours them.
    """
    chosen: dict[Path, int] = {}
    used: set[int] = set()
    for path in [*charted[1:], *charted[:1]]:
        wanted = assigned.get(path, 0) % COLORS
        turned = [(wanted + step) % COLORS for step in range(COLORS)]
        again = range(wanted + COLORS, _INDICES, COLORS)
        choices = (*turned, *again, *range(COLORS, _INDICES))
        chosen[path] = next((index for index in choices if index not in used), wanted)
        used.add(chosen[path])
    return chosen
