"""The spread of a metric over a run: its median and other percentiles, over all records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from traintop.store.history import History


def percentiles(history: History, metric: str, shares: Sequence[float]) -> tuple[float | None, ...]:
    """The values below which each of ``shares`` per cent of a metric's finite values lie.

    50 is the median. Interpolated linearly between the nearest ranks; ``None`` for each when no
    value is finite.
    """
    values = history.columns.get(metric)
    finite = values[np.isfinite(values)] if values is not None else ()
    if not len(finite):
        return (None,) * len(shares)
    with np.errstate(over="ignore", invalid="ignore"):  # values up to 1e308
        return tuple(np.percentile(finite, shares).tolist())
