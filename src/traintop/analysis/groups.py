"""Groups: runs whose configurations differ only in the seed, and the mean of their curves."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from traintop.analysis.compare import Column, ComparisonRun
from traintop.analysis.differences import is_seed, settings_key
from traintop.analysis.naming import free_name
from traintop.analysis.series import FloatArray, finite
from traintop.values import flat_settings

SEED = "seed"
"""What runs are grouped over unless something else is named."""

GRID_POINTS = 20_000
"""At how many x a curve of a group is worked out at most; a screen shows far fewer."""

_TRAILING = re.compile(r"[\W_]+(seed|s|run)?[\W_]*$", re.IGNORECASE)


def grouped(runs: Iterable[ComparisonRun], over: Collection[str] = (SEED,)) -> list[Column]:
    """A column for each group, in the order in which the groups begin.

    Runs belong together when their configurations are the same but for the experiment's name and
    the settings ``over`` which they are grouped; ``seed`` means all seeds, ``data.seed`` too. So a
    repetition with the same seed counts as well.
    """
    groups: dict[bytes, list[ComparisonRun]] = {}
    for run in runs:
        settings = flat_settings(run.summary.config)
        chosen = {
            name: settings_key(value).decode("utf-8", "replace")
            for name, value in settings.items()
            if not (name in over or (SEED in over and is_seed(name)))
        }
        groups.setdefault(settings_key(chosen), []).append(run)
    taken: set[str] = set()
    columns = []
    for members in groups.values():
        name = members[0].name if len(members) == 1 else _common_name(members)
        name = free_name(name, taken, " ({})")
        taken.add(name)
        columns.append(Column(name, tuple(members)))
    return columns


@dataclass(frozen=True, eq=False, slots=True)
class GroupCurve:
    """The mean of several curves at each x, over the ``n`` of them that reach it.

    ``std`` is the sample standard deviation (n - 1), NaN where there is only one.
    """

    x: FloatArray
    mean: FloatArray
    std: FloatArray
    n: FloatArray


def group_curve(curves: Iterable[tuple[FloatArray, FloatArray]]) -> GroupCurve:
    """The mean curve of x and y arrays, which may have different x.

    The x are all those at which any curve has a finite value; of more than ``GRID_POINTS`` that
    many are taken, evenly spaced by rank, with the first and the last. At each of them a curve
    counts with the value it has there, or else with the one on the straight line between its
    neighbouring points. Before its first and after its last point it does not count: nothing is
    extrapolated. So where all curves have the same x, their values are averaged as they are.
    """
    points = [pair for pair in (_ascending(*finite(x, y)) for x, y in curves) if len(pair[0])]
    grid = _grid([x for x, _ in points])
    count, mean, squares = np.zeros((3, len(grid)))
    # One curve at a time (Welford 1962), so that memory does not grow with the number of runs.
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308
        for x, y in points:
            inside = slice(*np.searchsorted(grid, [x[0], np.nextafter(x[-1], np.inf)]))
            values = np.interp(grid[inside], x, y)
            count[inside] += 1
            deviation = values - mean[inside]
            mean[inside] += deviation / count[inside]
            squares[inside] += deviation * (values - mean[inside])
        std = np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
    mean[count == 0] = np.nan
    return GroupCurve(grid, mean, std, count)


def _ascending(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One point for each x, the last of those that share it; x is in order already."""
    if len(x) == 0 or (x[1:] > x[:-1]).all():
        return x, y
    last = np.append(x[1:] != x[:-1], True)
    return x[last], y[last]


def _grid(axes: Sequence[FloatArray]) -> FloatArray:
    """All different x, or as many of them as a group's curve has."""
    if not axes:
        return np.empty(0)
    # Each axis is thinned first: a million x of each of many runs are not worth sorting.
    merged = np.unique(np.concatenate([_evenly(x) for x in axes]))
    return _evenly(merged)


def _evenly(values: FloatArray) -> FloatArray:
    if len(values) <= GRID_POINTS:
        return values
    chosen: FloatArray = values[np.linspace(0, len(values) - 1, GRID_POINTS).astype(np.intp)]
    return chosen


def _common_name(runs: Sequence[ComparisonRun]) -> str:
    """What the experiments' names have in common, without the words that announce a seed."""
    names = [run.summary.title for run in runs]
    if len(set(names)) == 1:
        return names[0]
    shared = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    prefix = "".join(letters[0] for letters in shared)
    if any(name[len(prefix) : len(prefix) + 1].isdigit() for name in names):
        prefix = prefix.rstrip("0123456789")  # 1 is not what 10 and 11 have in common
    return _TRAILING.sub("", prefix) or names[0]
