"""A curve in few points, which has its lowest and highest values still."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from traintop.analysis.run import Run
from traintop.analysis.series import FloatArray, finite, thin

FEWEST_POINTS = 4


class CurvePoints(msgspec.Struct, frozen=True, eq=False):
    """The points that are kept of a run's metric, all of them measured.

    ``measured`` counts all values, ``nonfinite`` those that are NaN or infinite, of which
    ``first_nonfinite`` is the iteration of the first; none of these is a point.
    """

    run: str
    metric: str
    iterations: FloatArray
    values: FloatArray
    measured: int
    nonfinite: int
    first_nonfinite: float | None

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """Each iteration, an integer where it is whole, and the value there."""
        points = zip(self.iterations.tolist(), self.values.tolist(), strict=True)
        return [(whole(iteration), value) for iteration, value in points]

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "run": self.run,
            "metric": self.metric,
            "measured": self.measured,
            "nonfinite": self.nonfinite,
            "first_nonfinite": self.first_nonfinite,
            "points": self.pairs,
        }


def curve_points(run: Run, metric: str, points: int) -> CurvePoints:
    """At most ``points`` of a metric, ``FEWEST_POINTS`` or more: the ends, spikes and dips survive.

    Raises ``UnknownNameError`` for a metric that was not logged, and ``UnreadableRunError``.
    """
    iterations, values = run[metric]
    bad = np.flatnonzero(~np.isfinite(values))
    x, y = finite(iterations, values)
    if len(x) > points:
        x, y = thin(x, y, (points - 2) // 2)  # two points a column, and both ends
    first = float(iterations[bad[0]]) if len(bad) else None
    return CurvePoints(run.name, metric, x, y, len(values), len(bad), first)


def whole(iteration: float) -> float:
    """An iteration, as an integer where it is one."""
    return int(iteration) if iteration.is_integer() else iteration
