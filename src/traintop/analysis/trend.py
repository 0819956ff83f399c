"""Whether a curve still moves: its last part against the part before, beyond its noise."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from traintop.analysis.curve_differences import Points, noise_at

_SHARE = 0.2  # of all iterations, each of the two parts
_FEWEST = 4
_STANDARD_ERRORS = 3.0


class Trend(NamedTuple):
    """What the median of a curve's last part is, and that of the part before.

    Each part is a fifth of the iterations, ``length`` long. ``direction`` is "level" where the
    medians are no further apart than 3 standard errors of such a difference.
    """

    direction: Literal["falling", "level", "rising"]
    before: float
    after: float
    length: float


def trend_of(points: Points) -> Trend | None:
    """The trend of a curve; ``None`` where it has too few points to say."""
    x, y = points
    if len(x) == 0:
        return None
    length = float(x[-1] - x[0]) * _SHARE
    edges = np.searchsorted(x, [x[-1] - 2 * length, x[-1] - length])
    earlier, later = y[edges[0] : edges[1]], y[edges[1] :]
    if min(len(earlier), len(later)) < _FEWEST:
        return None
    before, after = float(np.median(earlier)), float(np.median(later))
    noise = float(np.median(noise_at(x[edges[0] :], points)))
    error = noise * math.sqrt(math.pi / 2 * (1 / len(earlier) + 1 / len(later)))
    if abs(after - before) <= _STANDARD_ERRORS * error:
        return Trend("level", before, after, length)
    return Trend("rising" if after > before else "falling", before, after, length)
