"""What each of very many runs has, computed once: what did not change still has the same.

A filter that is being typed, and a list that is sorted again with each snapshot, ask the same of
all runs several times a second.
"""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from traintop.model import RunSummary

_Value = TypeVar("_Value")

MANY_RUNS = 1000
"""Of fewer it is computed anew each time."""

_MOST_COLUMNS = 24


class _Column(NamedTuple):
    runs: tuple[RunSummary, ...]
    values: list[Any]


_columns: dict[Hashable, _Column] = {}  # the one that was used last comes last
_lock = threading.Lock()  # never held while something is computed


def column(
    runs: Iterable[RunSummary], what: Hashable, get: Callable[[RunSummary], _Value]
) -> list[_Value]:
    """``get`` of each run, in order. ``what`` names it: it depends on nothing but the run.

    Any thread may ask; what two of them do at the same time is done twice.
    """
    runs = tuple(runs)
    if len(runs) < MANY_RUNS:
        return [get(run) for run in runs]
    with _lock:
        kept = _columns.pop(what, None) or _Column((), [])
    values, is_new = _brought_up_to_date(kept, runs, get)
    # Some of the runs may be all that a filter left: what is known of the others stays.
    is_kept = is_new and 2 * len(runs) > len(kept.runs)
    with _lock:
        _columns[what] = _Column(runs, values) if is_kept else kept
        while len(_columns) > _MOST_COLUMNS:
            del _columns[next(iter(_columns))]
    return values


def changed_runs(runs: Sequence[RunSummary], before: Sequence[RunSummary]) -> Iterable[RunSummary]:
    """Those of some runs that may be others than before; at the same place, all others are not."""
    if len(runs) != len(before):
        return runs
    return itertools.compress(runs, map(operator.is_not, runs, before))


def _brought_up_to_date(
    kept: _Column, runs: tuple[RunSummary, ...], get: Callable[[RunSummary], _Value]
) -> tuple[list[_Value], bool]:
    """The values of some runs, and whether some of these were not known."""
    if len(kept.runs) == len(runs):
        others = itertools.compress(itertools.count(), map(operator.is_not, runs, kept.runs))
        changed = list(itertools.islice(others, MANY_RUNS))
        if len(changed) < MANY_RUNS:
            values = kept.values.copy() if changed else kept.values
            for place in changed:
                values[place] = get(runs[place])
            return values, bool(changed)
    known = dict(zip(map(id, kept.runs), kept.values, strict=True))
    is_new = any(id(run) not in known for run in runs)
    return [known[id(run)] if id(run) in known else get(run) for run in runs], is_new


class Names(NamedTuple):
    """By which names something can be asked of a run."""

    stats: tuple[str, ...]
    last: tuple[str, ...]
    """The further metrics of its last record."""
    config: tuple[str, ...]
    environment: tuple[str, ...]
    given: tuple[str, ...] | None
    """The settings that a person gave; ``None`` where all were."""


_shared: dict[Names, Names] = {}
_asked_last: tuple[tuple[RunSummary, ...], tuple[Names, ...]] = (), ()


def shared(names: Names) -> Names:
    """The same object for all that are equal."""
    if len(_shared) > MANY_RUNS:
        _shared.clear()
    return _shared.setdefault(names, names)


def names_of_run(run: RunSummary) -> Names:
    """By which names something can be asked of one run."""
    known = getattr(run, "names", None)  # where they were computed when it was read
    if isinstance(known, Names):
        return known
    last = run.last.metrics if run.last else ()
    stats, further, config, environment = map(tuple, (run.stats, last, run.config, run.environment))
    return shared(Names(stats, further, config, environment, run.given_names))


def names_of(runs: Iterable[RunSummary]) -> Sequence[Names]:
    """The names of some runs, without those that others have the same of, in order."""
    global _asked_last
    runs = tuple(runs)  # the same one if it is one
    known_runs, found = _asked_last
    if runs is not known_runs or not runs:
        found = (*{id(names): names for names in map(names_of_run, runs)}.values(),)
        if len(runs) >= MANY_RUNS:
            _asked_last = runs, found
    return found
