"""Which colour a run has, the same wherever it is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from traintop.model import RunSummary

COLORS = 8
"""How many series colours the palette of the charts has."""

_INDICES = 3 * COLORS
"""So many curves get markers of their own, where these are letters."""


def assign_colors(known: Mapping[str, int], runs: Iterable[RunSummary]) -> dict[str, int]:
    """A palette index per run: the next one for each new run, in the order of their starts.

    Runs that started one after the other, as a sweep does, so differ, and a run keeps its colour
    whatever appears later.
    """
    assigned = {run.id: known[run.id] for run in runs if run.id in known}
    fresh = [run for run in runs if run.id not in assigned]
    fresh.sort(key=lambda run: (run.start_time or "", run.id))
    following = max(known.values(), default=-1) + 1
    for offset, run in enumerate(fresh):
        assigned[run.id] = following + offset
    return assigned


def distinct_colors(assigned: Mapping[str, int], charted: Sequence[str]) -> dict[str, int]:
    """The palette indices of the charted runs, told apart as long as there are colours.

    Beyond that colours repeat, by further indices that have other markers. The marked runs come
    first in the choice, so that moving the cursor never recolours them.
    """
    chosen: dict[str, int] = {}
    used: set[int] = set()
    for run_id in [*charted[1:], *charted[:1]]:
        wanted = assigned.get(run_id, 0) % COLORS
        turned = [(wanted + step) % COLORS for step in range(COLORS)]
        again = range(wanted + COLORS, _INDICES, COLORS)
        choices = (*turned, *again, *range(COLORS, _INDICES))
        chosen[run_id] = next((index for index in choices if index not in used), wanted)
        used.add(chosen[run_id])
    return chosen
