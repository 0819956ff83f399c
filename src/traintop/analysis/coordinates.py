"""Parallel coordinates of runs: an axis for each setting and one for the result, a line for a run.

After Inselberg (1985). The places on an axis are those of the different values in their order, so
that neither a logarithm nor a value far away is a question. The best result is at the top.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from traintop.analysis.differences import ABSENT, run_settings, settings_key
from traintop.analysis.ranking import Leader
from traintop.analysis.series import FloatArray
from traintop.field import Field
from traintop.text import MISSING, Default, fit_middle, safe_text, setting_text

_WIDEST_LEVEL = 9


class Axis(msgspec.Struct, frozen=True):
    """One setting, or the result; ``levels`` has the text of each value from the lowest place on.

    Of the result, only those at both ends.
    """

    label: str
    levels: tuple[str, ...]

    def height(self, level: int) -> float:
        """Where a level stands, from 0 to 1."""
        return level / (len(self.levels) - 1) if len(self.levels) > 1 else 0.5


class Coordinates(msgspec.Struct, frozen=True, eq=False):
    """The axes, and for each run its places on them, from 0 to 1: rows are runs."""

    axes: tuple[Axis, ...]
    places: FloatArray


def coordinates_of(leaders: Sequence[Leader], field: Field, names: Sequence[str]) -> Coordinates:
    """The coordinates of ranked runs by some of their settings, which must not be empty.

    Numbers are in their order, other values so that better runs stand higher. A setting that nobody
    gave has a place at the bottom.
    """
    settings = [run_settings(leader.run) for leader in leaders]
    axes, columns = [], []
    for name in names:
        axis, places = _axis(name, [one.get(name, ABSENT) for one in settings])
        axes.append(axis)
        columns.append(places)
    ends = tuple(field.text(leaders[place].value, _WIDEST_LEVEL) for place in (-1, 0))
    axes.append(Axis(field.words, ends))
    columns.append(np.linspace(1.0, 0.0, len(leaders)) if len(leaders) > 1 else np.array([0.5]))
    return Coordinates(tuple(axes), np.stack(columns, axis=1))


def _axis(name: str, values: Sequence[Any]) -> tuple[Axis, FloatArray]:
    is_given = [not isinstance(value, (Default, type(ABSENT))) for value in values]
    keys = [settings_key(v) if given else b"" for v, given in zip(values, is_given, strict=True)]
    known = {key: v for key, v, given in zip(keys, values, is_given, strict=True) if given}
    if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in known.values()):
        ordered = sorted(known, key=lambda key: float(known[key]))
    else:
        means = {key: np.mean([p for p, k in enumerate(keys) if k == key]) for key in known}
        ordered = sorted(known, key=lambda key: -means[key])  # the first runs are the best
    missing = [] if all(is_given) else [b""]
    texts = [MISSING] * len(missing)
    texts += [fit_middle(setting_text(known[key]), _WIDEST_LEVEL) for key in ordered]
    axis = Axis(safe_text(name), tuple(texts))
    level = {key: axis.height(place) for place, key in enumerate([*missing, *ordered])}
    return axis, np.array([level[key] for key in keys])
