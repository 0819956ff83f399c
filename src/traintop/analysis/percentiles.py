"""The spread of a metric over a run: its median and other percentiles, over all records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from traintop.metrics import column_name

if TYPE_CHECKING:
    from traintop.store.history import History

Percentiles: TypeAlias = tuple[float | None, ...]

PACE_SHARES = (50.0, 5.0, 95.0)
"""The median, and what the slowest and the fastest twentieth of the records reach."""


class Pace(NamedTuple):
    """How fast a run went: the percentiles of :data:`PACE_SHARES` of each of the two measures."""

    tokens_per_sec: Percentiles
    iter_time_ms: Percentiles


def pace_of(history: History) -> Pace:
    """The pace over all records; reads each of them, so call it off the UI thread."""
    return Pace(*(percentiles(history, metric, PACE_SHARES) for metric in Pace._fields))


def percentiles(history: History, metric: str, shares: Sequence[float]) -> Percentiles:
    """The values below which each of ``shares`` per cent of a metric's finite values lie.

    50 is the median. Interpolated linearly between the nearest ranks; ``None`` for each when no
    value is finite.
    """
    values = history.columns.get(column_name(metric, history.metrics))
    finite = values[np.isfinite(values)] if values is not None else ()
    if not len(finite):
        return (None,) * len(shares)
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308
        return tuple(np.percentile(finite, shares).tolist())
