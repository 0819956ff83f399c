"""The chart of single runs as one of groups: the mean of each group's curves, with a band."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from traintop.analysis.groups import group_curve
from traintop.charts.spec import ChartSpec, Series


class GroupCurves:
    """Charts of groups; keeps the curve of each as long as its members are the same."""

    def __init__(self) -> None:
        self._curves: dict[tuple[Series, ...], Series] = {}

    def spec(self, spec: ChartSpec, groups: Iterable[tuple[str, Sequence[str]]]) -> ChartSpec:
        """A chart of single runs as one of groups: each the label it gets, and those of its runs.

        A group of several is the mean of its curves, with a band of one standard deviation on
        both sides of it where at least two of them are.
        """
        curves = _by_label(spec)
        made: dict[tuple[Series, ...], Series] = {}
        drawn = []
        for label, labels in groups:
            of_runs = [curves[one] for one in labels if one in curves]
            for place in range(max(map(len, of_runs), default=0)):
                members = tuple(one[place] for one in of_runs if place < len(one))
                made[members] = self._curves.get(members) or _group_series(members)
                drawn.append(replace(made[members], label="" if place else label))
        self._curves = made
        return replace(spec, series=tuple(drawn))


def _by_label(spec: ChartSpec) -> dict[str, list[Series]]:
    """The curves of each run, of which the first has its label."""
    curves: dict[str, list[Series]] = {}
    label = ""
    for series in spec.series:
        if not series.dim:
            label = series.label or label
            curves.setdefault(label, []).append(series)
    return curves


def _group_series(members: tuple[Series, ...]) -> Series:
    if len(members) == 1:
        return members[0]
    curve = group_curve((series.x, series.y) for series in members)
    events = [series.events for series in members if series.events is not None]
    return replace(
        members[0],
        x=curve.x,
        y=curve.mean,
        band=(curve.mean - curve.std, curve.mean + curve.std),
        events=np.concatenate(events) if events else None,
        raw=None,  # that of one member says nothing of the others
    )
