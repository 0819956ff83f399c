"""The spread of a metric over a run: its median and other percentiles, over all records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from traintop.store.history import History


def percentile(history: History, metric: str, share: float) -> float | None:
    """The value below which ``share`` per cent of a metric's finite values lie; 50 is the median.

    Interpolated linearly between the nearest ranks; ``None`` when no value is finite.
    """
    values = history.columns.get(metric)
    finite = values[np.isfinite(values)] if values is not None else ()
    return float(np.percentile(finite, share)) if len(finite) else None
