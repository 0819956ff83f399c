"""What a plot may be of, drawn on demand by matplotlib."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from traintop.analysis.axes import X_AXES
from traintop.analysis.chart_names import LOSS_CHART

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from traintop.analysis.run import Run
    from traintop.analysis.run_groups import Groups


class Plottable(ABC):
    """What ``traintop.plot`` draws, and matplotlib where it is installed."""

    @abstractmethod
    def _plotted(self) -> Sequence[Run] | Groups:
        """Whose curves these are."""

    def plot(
        self,
        metric: str = LOSS_CHART,
        ax: Axes | None = None,
        *,
        x: str = X_AXES[0],
        log: bool = False,
        log_x: bool = False,
        smooth: float = 0.0,
    ) -> Axes:
        """Plot a metric with matplotlib, on its current axes if ``ax`` is ``None``; returns them.

        The options are those of ``traintop.plot``, which needs no matplotlib. Raises ``ValueError``
        for what no run has, ``ImportError`` where matplotlib is not installed.
        """
        from traintop.notebook.plots import plot_on_axes

        return plot_on_axes(self._plotted(), metric, ax, x=x, log=log, log_x=log_x, smooth=smooth)
