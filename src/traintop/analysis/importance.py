"""Which settings go with a good result, over all runs of a leaderboard: statistics of ranks.

The runs are ranked by the best value that each reached, and each setting is asked how much of that
order it explains. Ranks make no difference between a setting and its logarithm, and one run that
diverged counts no more than as the worst.

* Of a number it is Spearman's rank correlation (1904), ties with their mean rank; above 0, higher
  values go with better results.
* Of a category it is the share of the variance of ranks that lies between the values: epsilon
  squared of Kruskal and Wallis (1952), ``H / (n - 1)``. So it is of a number where that says more,
  as it does where values in the middle are the best; numbers that are of a few runs each are taken
  in up to 5 stretches of equally many runs.

Both are turned into one ``share``: the squared correlation, or epsilon squared, less what chance
explains, ``1 - (1 - r2) (n - 1) / (n - k)`` (Ezekiel 1930; of Kruskal-Wallis it is
``(H - k + 1) / (n - k)``, Tomczak & Tomczak 2014), with k = 2 for a correlation. A share may be
chance where ``(n - 1) r2``, which is chi-squared with k - 1 degrees of freedom if the setting means
nothing, would be met in one of 20 such comparisons of as many settings (Bonferroni).

A correlation is no cause: settings that vary together cannot be told apart, and are named.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from traintop.analysis.differences import (
    ABSENT,
    differing,
    is_seed,
    run_settings,
    settings_key,
)
from traintop.analysis.ranking import Leader
from traintop.analysis.series import FloatArray
from traintop.direction import Direction
from traintop.model import ALIVE
from traintop.text import Default, counted, safe_text
from traintop.values import as_number

_FEWEST = 3
_FEW = 10
_CHANCE = 0.05
_ALIKE = 0.9  # a rank correlation from which on two settings vary together
_MOST_COMPARED = 30  # settings that are compared with one another
_MOST_NAMED = 4
_EXACT = 1e-9
_MOST_STRETCHES = 5
_LEAST_STRETCH = 5  # runs


class SettingImportance(msgspec.Struct, frozen=True):
    """How a setting goes with the result of the ``n`` runs in which a person gave it.

    ``share`` is from 0 to 1. ``correlation`` is Spearman's, above 0 where higher values go with
    better results, and ``None`` of a category. Where ``share`` is that of the values, and not of
    the correlation, ``best`` is the value whose runs are the best on average, or the lowest and the
    highest of a stretch of values. ``defaults`` are the runs that have a default.
    """

    name: str
    share: float
    correlation: float | None
    n: int
    values: int
    defaults: int
    best: Any = None
    by_value: bool = False
    chance: float = 1.0
    """How likely the strongest of as many settings that mean nothing explains as much."""
    varies_with: tuple[str, ...] = ()
    varies_alone: bool = True
    """Whether any two runs differ in this setting and in no other, seeds aside."""

    @property
    def may_be_chance(self) -> bool:
        """Whether chance explains as much in more than one of 20 such comparisons."""
        return self.chance > _CHANCE


class Importance(msgspec.Struct, frozen=True):
    """The settings of ``n`` ranked runs, the strongest first, and what to beware of."""

    n: int
    settings: tuple[SettingImportance, ...]
    warnings: tuple[str, ...]


def importance_of(leaders: Sequence[Leader], direction: Direction) -> Importance:
    """Which settings go with a good place among these runs.

    Settings count where a person gave them. Seeds are left out, and texts that each run has for
    itself, such as the directory of its checkpoints.
    """
    results = np.array([leader.value for leader in leaders])
    goodness = ranks(-results if direction == "lower" else results)
    settings = [run_settings(leader.run) for leader in leaders]
    columns = [
        column
        for name in differing(settings)
        if not is_seed(name)
        and (column := _Column(name, [one.get(name, ABSENT) for one in settings])).says_something
    ]
    found = [(_judged(column, goodness), column) for column in columns]
    found.sort(key=lambda pair: -pair[0].share)
    alone = _varying_alone(columns)
    compared = len({(*one.rows.tolist(), *one.ranks.tolist()) for one in columns})
    known = [
        replace(one, varies_alone=alone[one.name], chance=min(one.chance * compared, 1.0))
        for one, _ in found
    ]
    judged = _with_company([*zip(known, (column for _, column in found), strict=True)])
    return Importance(len(leaders), judged, (*_warnings(leaders, judged),))


# Rank statistics.


def ranks(values: FloatArray) -> FloatArray:
    """The ranks of values from 1 on; equal ones have the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: FloatArray = np.cumsum(counts) - (counts - 1) / 2
    return means[places]


def spearman(x: FloatArray, y: FloatArray) -> float:
    """Spearman's rank correlation of two series of equal length; 0 where one is constant."""
    return _correlation(ranks(x), ranks(y))


def _correlation(x: FloatArray, y: FloatArray) -> float:
    a, b = x - x.mean(), y - y.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return min(max(float(a @ b) / scale, -1.0), 1.0) if scale else 0.0


def epsilon_squared(groups: NDArray[np.intp], y: FloatArray) -> float:
    """The share of the variance of the ranks of ``y`` between groups, given by number from 0 on.

    It is ``H / (n - 1)`` with the H of Kruskal and Wallis, corrected for ties.
    """
    deviations = ranks(y) - (len(y) + 1) / 2
    total = float(deviations @ deviations)
    sums, counts = np.bincount(groups, deviations), np.bincount(groups)
    between = float((sums**2 / np.maximum(counts, 1)).sum())
    return min(between / total, 1.0) if total else 0.0


def beyond_chance(r2: float, n: int, groups: int) -> float:
    """A share of variance less what chance explains of it; at least 0."""
    return max(1 - (1 - r2) * (n - 1) / (n - groups), 0.0) if n > groups else 0.0


def by_chance(r2: float, n: int, groups: int) -> float:
    """How likely a share of variance is at least as large where the groups mean nothing.

    By the chi-squared distribution of ``(n - 1) r2``, whose tail is that of a normal distribution
    for two groups and by Wilson and Hilferty (1931) for more.
    """
    statistic, degrees = (n - 1) * r2, groups - 1
    if degrees == 1:
        return 2 * NormalDist().cdf(-math.sqrt(statistic))
    spread = 2 / (9 * degrees)
    deviation = ((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return NormalDist().cdf(-deviation)


# Settings.


class _Column:
    """One setting: which of the runs have the same value, and those in which a person gave it.

    ``codes`` numbers the different values in all runs; ``groups`` those of the runs in ``rows``, of
    which ``values`` has the first. ``numbers`` is ``None`` unless all of these are finite numbers.
    """

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name = name
        first_rows: dict[object, int] = {}
        keys = (_key(value) for value in values)
        firsts = np.array([first_rows.setdefault(key, row) for row, key in enumerate(keys)])
        self.codes = np.unique(firsts, return_inverse=True)[1]
        given = np.array([not isinstance(one, (Default, type(ABSENT))) for one in values])
        self.rows = np.flatnonzero(given)
        _, places, groups = np.unique(firsts[self.rows], return_index=True, return_inverse=True)
        self.groups: NDArray[np.intp] = groups
        self.values = [values[self.rows[place]] for place in places]
        self.defaults = sum(isinstance(value, Default) for value in values)

    @cached_property
    def numbers(self) -> FloatArray | None:
        """The values of the runs in ``rows``."""
        if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in self.values):
            return None
        numbers = np.array([as_number(value) for value in self.values], np.float64)[self.groups]
        return numbers if np.isfinite(numbers).all() else None

    @cached_property
    def ranks(self) -> FloatArray:
        """The ranks of the numbers, or the numbers of the groups: judged alike where alike."""
        return self.groups.astype(np.float64) if self.numbers is None else ranks(self.numbers)

    @property
    def says_something(self) -> bool:
        """Whether enough runs have it, it differs among them, and does not just name each run."""
        names_runs = self.numbers is None and len(self.values) == len(self.rows)
        return len(self.rows) >= _FEWEST and len(self.values) > 1 and not names_runs

    @property
    def repeats(self) -> bool:
        """Whether any value is that of several runs."""
        return int(self.codes.max()) + 1 < len(self.codes)


def _key(value: Any) -> object:
    """The same for values that are the same; see ``settings_key``, which most do without."""
    if isinstance(value, Default):
        value = value.value
    is_plain = type(value) in (int, str) or (type(value) is float and value == value)
    return value if is_plain else settings_key(value)


def _judged(column: _Column, goodness: FloatArray) -> SettingImportance:
    y, n = goodness[column.rows], len(column.rows)
    one = SettingImportance(column.name, 0.0, None, n, len(column.values), column.defaults)
    if column.numbers is not None:
        correlation = _correlation(column.ranks, ranks(y))
        share, chance = beyond_chance(correlation**2, n, 2), by_chance(correlation**2, n, 2)
        one = replace(one, share=share, correlation=correlation, chance=chance)
    groups = column.groups if column.numbers is None else _stretches(column)
    k = int(groups.max()) + 1
    between = epsilon_squared(groups, y)
    share = beyond_chance(between, n, k)
    if one.correlation is not None:
        if k < _FEWEST:
            return one
        one = replace(one, chance=2 * one.chance)  # two ways are tried
        if share <= one.share + _EXACT:
            return one
    means = np.bincount(groups, y) / np.bincount(groups)
    best = [column.values[group] for group in column.groups[groups == means.argmax()]]
    found = (min(best), max(best)) if column.numbers is not None else (best[0], best[0])
    values = found[0] if found[0] == found[1] else found
    chance = by_chance(between, n, k) * (1 if one.correlation is None else 2)
    return replace(one, share=share, chance=chance, best=values, by_value=True)


def _stretches(column: _Column) -> NDArray[np.intp]:
    """The numbers of a setting in groups: its values, or stretches of equally many runs.

    Where each value is that of few runs, groups of single values would explain anything.
    """
    n = len(column.rows)
    if len(column.values) <= min(_MOST_STRETCHES, n // 2):
        return column.groups
    count = min(n // _LEAST_STRETCH, _MOST_STRETCHES)
    if count < _FEWEST:
        return np.zeros(n, np.intp)
    stretches = ((column.ranks - 1) * count / n).astype(np.intp)
    return np.unique(stretches, return_inverse=True)[1]


def _varying_alone(columns: Sequence[_Column]) -> dict[str, bool]:
    """For each setting, whether two runs differ in it and in no other one that is compared.

    One that only follows it, as the least learning rate that is a tenth of the greatest, is none.
    A run's settings together are a sum of random numbers, one for each value (Zobrist 1970).
    """
    random = np.random.default_rng(0)
    parts = [
        random.integers(2**63, size=len(column.values) + len(column.codes), dtype=np.uint64)[
            column.codes
        ]
        for column in columns
    ]
    whole = np.sum(parts, axis=0, dtype=np.uint64) if parts else np.zeros(0, np.uint64)
    found = {}
    for column, part in zip(columns, parts, strict=True):
        others = whole - part
        for other, of_other in zip(columns, parts, strict=True):
            if other is not column and _split_alike(column, other):
                others = others - of_other
        alike = np.unique(others, return_inverse=True)[1]
        pairs = np.unique(alike * len(alike) + column.codes)
        found[column.name] = len(pairs) > int(alike.max()) + 1
    return found


def _split_alike(a: _Column, b: _Column) -> bool:
    """Whether two settings have the same values in the same runs, and these repeat."""
    different = int(a.codes.max())
    if different != int(b.codes.max()) or not a.repeats:
        return False
    return len(np.unique(a.codes * (different + 1) + b.codes)) == different + 1


def _with_company(
    found: Sequence[tuple[SettingImportance, _Column]],
) -> tuple[SettingImportance, ...]:
    """The settings, the strongest of them with those that vary together with each."""
    compared = found[:_MOST_COMPARED]
    company: dict[str, list[str]] = {one.name: [] for one, _ in found}
    for (one, a), (other, b) in itertools.combinations(compared, 2):
        if _vary_together(a, b):
            company[one.name].append(other.name)
            company[other.name].append(one.name)
    return tuple(replace(one, varies_with=tuple(company[one.name])) for one, _ in found)


def _vary_together(a: _Column, b: _Column) -> bool:
    if _split_alike(a, b):
        return True
    if a.numbers is None or b.numbers is None:
        return False
    if np.array_equal(a.rows, b.rows):
        return abs(_correlation(a.ranks, b.ranks)) >= _ALIKE
    shared, in_a, in_b = np.intersect1d(a.rows, b.rows, assume_unique=True, return_indices=True)
    enough = len(shared) >= _FEWEST
    return enough and abs(spearman(a.numbers[in_a], b.numbers[in_b])) >= _ALIKE


def _warnings(leaders: Sequence[Leader], settings: Sequence[SettingImportance]) -> list[str]:
    """What to beware of, in sentences."""
    said = []
    if len(leaders) < _FEW:
        said.append(f"{counted(len(leaders), 'run')} are few: chance alone can look like this.")
    alive = sum(leader.run.status in ALIVE for leader in leaders)
    if alive:
        said.append(f"{alive:,} of {counted(len(leaders), 'run')} go on, and may get better.")
    together = {
        tuple(sorted((one.name, *one.varies_with))): None for one in settings if one.varies_with
    }
    for names in itertools.islice(together, _MOST_NAMED):
        said.append(f"{_listed(names)} vary together: their effects cannot be told apart.")
    mixed = [one.name for one in settings if not one.varies_alone]
    if settings and len(mixed) == len(settings) > 1:
        said.append("No two runs differ in one setting alone: several were changed at once.")
    elif mixed:
        said.append(f"Never changed without another setting: {_listed(mixed)}.")
    return said


def _listed(names: Sequence[str]) -> str:
    shown = [safe_text(name, 60) for name in names[:_MOST_NAMED]]
    more = len(names) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more:,} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
