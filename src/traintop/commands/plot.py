"""`traintop plot`: a chart in the terminal, or as an SVG file."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traintop.analysis.axes import X_AXES, XAxis
from traintop.commands.output import (
    STANDARD_OUTPUT,
    LocalPath,
    failure,
    output_file,
    print_text,
    warn,
)
from traintop.commands.runs import MOST_RUNS, complete_metrics, runs_as_arguments, selected_runs

if TYPE_CHECKING:
    from traintop.charts import ChartSpec

_HEIGHTS = (12, 30)
"""The lines that a chart takes at least and at most, where none are asked for."""


@click.command()
@runs_as_arguments
@click.option(
    "--metric",
    default="loss",
    show_default=True,
    metavar="NAME",
    shell_complete=complete_metrics,
    help="Any metric; loss is the train and the validation loss.",
)
@click.option(
    "--x",
    "x_axis",
    default=X_AXES[0],
    show_default=True,
    metavar="NAME",
    help=f"X axis: {', '.join(X_AXES)}, or any metric.",
)
@click.option("--log-x", is_flag=True, help="Use a logarithmic x axis.")
@click.option("--log", "log_y", is_flag=True, help="Use a logarithmic y axis.")
@click.option("--outliers", is_flag=True, help="Let a few outliers stretch the y axis.")
@click.option(
    "--smooth",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="WEIGHT",
    help="Weight of the moving average, at least 0 and below 1, such as 0.9.",
)
@click.option(
    "--width", type=click.IntRange(1, 1000), help="Width in cells (default: the terminal's)."
)
@click.option("--height", type=click.IntRange(1, 1000), help="Height in lines.")
@click.option(
    "--svg",
    type=LocalPath(dir_okay=False, allow_dash=True),
    help="Write an SVG file instead; an existing one is replaced. - is standard output.",
)
@click.option("--dark", is_flag=True, help="Give the SVG a dark background.")
def command(
    roots: tuple[str, ...],
    references: tuple[str, ...],
    query: str,
    metric: str,
    x_axis: str,
    log_x: bool,
    log_y: bool,
    outliers: bool,
    smooth: float,
    width: int | None,
    height: int | None,
    svg: Path | None,
    dark: bool,
) -> None:
    """Print a chart of the newest runs, or of those named."""
    from traintop.charts import DARK, LIGHT, chart_svg
    from traintop.charts.curves import ChartOptions
    from traintop.charts.run_chart import chart_of

    runs = selected_runs(roots, references, query, most=MOST_RUNS)
    try:
        options = ChartOptions(XAxis(x_axis, log_x), log_y, not outliers, smooth)
        spec = chart_of(runs, metric, options)
    except ValueError as error:
        raise failure(error) from None
    if svg is None:
        print_text(_text(spec, width, height), color=True)  # it has colours only where wanted
        return
    with output_file(svg) as file:
        file.write(chart_svg(spec, palette=DARK if dark else LIGHT))
    if svg != STANDARD_OUTPUT:
        warn(f"wrote {svg}")


def _text(spec: ChartSpec, width: int | None, height: int | None) -> str:
    """The chart as text, by default as large as the terminal.

    In colour only on a terminal that has some, and only without ``NO_COLOR``; in ASCII where the
    terminal or the encoding has no more.
    """
    from traintop.charts import chart_text, draw_chart
    from traintop.terminal import draws_ascii_only

    terminal = shutil.get_terminal_size()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    color = (
        sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
    )
    lines = draw_chart(
        spec,
        width or terminal.columns,
        height or min(max(terminal.lines - 2, _HEIGHTS[0]), _HEIGHTS[1]),
        ascii_only=draws_ascii_only(os.environ) or not encoding.startswith("utf"),
        letters=not color,
    )
    return chart_text(lines, color=color)
