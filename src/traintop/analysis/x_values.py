"""Where the records of a run lie on an x axis, and which of its metrics may be one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from traintop.analysis.axes import X_AXES, XAxis, counted_by, counting_metrics
from traintop.analysis.series import FloatArray, finite
from traintop.metrics import METRICS, direction_of, in_order, logged_name, standard_name
from traintop.system_metrics import is_system_metric

if TYPE_CHECKING:
    from traintop.store.history import History

_COUNTERS = ("iteration", "gradient_step", "wallclock_time")
_MOST_METRICS = 3
"""How many metrics that are no standard axis are offered as one: all are gone through by a key."""

_SAMPLE = 256


class XValues(NamedTuple):
    """The place of each record, the finite ones in ascending order, and where they are from."""

    each: FloatArray
    ordered: FloatArray
    source: str


def x_values(
    history: History, x_axis: XAxis, tokens_per_iteration: float | None, *, counts_epochs: bool
) -> XValues | None:
    """The places of the records on an axis; ``None`` where none has one.

    A record without the metric that the axis shows lies between its neighbours that have it, if the
    metric never falls: then its value there was between theirs. Before the first and after the last
    of these, and on the axis of a metric that falls, it has no place (NaN). A logarithmic axis has
    none for what is not above 0.
    """
    each, source = _x_values(history, x_axis.name, tokens_per_iteration, counts_epochs)
    if each is not None and x_axis.log:
        each = np.log10(each, out=np.full(len(each), np.nan), where=each > 0)
    ordered = np.empty(0) if each is None else finite(each, each)[0]
    return XValues(each, ordered, source) if each is not None and len(ordered) else None


def _x_values(
    history: History, x_axis: str, tokens_per_iteration: float | None, counts_epochs: bool
) -> tuple[FloatArray | None, str]:
    columns = history.columns
    if x_axis in _COUNTERS:
        return columns[x_axis], ""
    iteration = columns["iteration"]
    if x_axis not in X_AXES:
        name = logged_name(x_axis, history.metrics)
        if name is None:
            return None, ""
        return (_filled(iteration, columns[name]) if _rises(columns[name]) else columns[name]), ""
    # One that falls counts each batch or epoch anew.
    for metric in counting_metrics(x_axis, history.metrics):
        if _rises(columns[metric]):
            return _filled(iteration, columns[metric]), "logged" if x_axis == "tokens" else ""
    if x_axis == "epoch" and counts_epochs:
        return iteration, ""
    if x_axis == "tokens" and tokens_per_iteration is not None:
        return (iteration + 1.0) * tokens_per_iteration, "it × batch × context"
    return None, ""


def _rises(column: FloatArray) -> bool:
    """Whether a metric never falls, and rises where it was measured more than once."""
    seen = column[np.isfinite(column)]
    if len(seen) < 2:
        return len(seen) == 1
    return bool(seen[-1] > seen[0] and (seen[1:] >= seen[:-1]).all())


def _filled(iteration: FloatArray, column: FloatArray) -> FloatArray:
    """A metric that rises, with what it was between two measurements: on a line between them."""
    known = np.isfinite(column)
    if known.all():
        return column
    return np.interp(iteration, iteration[known], column[known], left=np.nan, right=np.nan)


def metric_axes(histories: Iterable[History]) -> list[str]:
    """The metrics that are likely wanted as an x axis beside the standard ones, a few at most.

    They have no direction, never fall, and rise from most records to the next: so does what counts
    how far a run is (frames, FLOPs, joules), and no peak of the memory or best value so far.
    """
    found: dict[str, None] = {}
    for history in histories:
        for name in history.metrics:
            if name not in found and _may_be_axis(name, history.columns[name]):
                found[name] = None
    return in_order(found)[:_MOST_METRICS]


def _may_be_axis(metric: str, column: FloatArray) -> bool:
    if counted_by(metric) or direction_of(metric) or standard_name(metric) in METRICS:
        return False
    if is_system_metric(metric):  # energy counts, but few ask for it
        return False
    sample = column[:: max(len(column) // _SAMPLE, 1)]
    sample = sample[np.isfinite(sample)]
    if (sample[1:] < sample[:-1]).any() or not _rises(column):  # most metrics fall soon
        return False
    steps = np.diff(column[np.isfinite(column)])
    return bool(np.count_nonzero(steps > 0) * 2 > len(steps) > 0)
