"""Series become lines of styled text: the charts of the terminal UI and of the command line.

plotext draws the frame: axes, ticks and their labels (:mod:`.frame`, the only module that imports
it, and only when the first frame is drawn). The curves are rasterised with numpy into that frame
(:mod:`.canvas`), because plotext spends about 3 ms of Python on each, and a comparison of five
runs with raw and smoothed curves has fifteen of them. So plotext sees positions of cells, never a
measured value: it aborts the process on NaN and refuses infinities.
"""

from traintop.charts.canvas import run_markers
from traintop.charts.draw import chart_text, draw_chart, x_at
from traintop.charts.sparkline import sparkline, sparkline_svg
from traintop.charts.spec import (
    DARK,
    LIGHT,
    ChartSpec,
    Palette,
    Series,
)
from traintop.charts.svg import chart_svg
from traintop.charts.view import Curve, points_for

__all__ = [
    "DARK",
    "LIGHT",
    "ChartSpec",
    "Curve",
    "Palette",
    "Series",
    "chart_svg",
    "chart_text",
    "draw_chart",
    "points_for",
    "run_markers",
    "sparkline",
    "sparkline_svg",
    "x_at",
]
