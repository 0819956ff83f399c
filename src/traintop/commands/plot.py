"""`traintop plot`: a chart in the terminal, or as an SVG file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from traintop.analysis.axes import X_AXES, XAxis
from traintop.commands.output import STANDARD_OUTPUT, failure, print_document, print_text, warn
from traintop.commands.runs import log_directory, named_runs, run_names


@click.command()
@log_directory
@run_names
@click.option("--metric", default="loss", show_default=True, help="Any metric; loss shows both.")
@click.option(
    "--x", "x_axis", type=click.Choice(X_AXES), default=X_AXES[0], show_default=True, help="X axis."
)
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
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write an SVG file instead; an existing one is replaced. - is standard output.",
)
@click.option("--dark", is_flag=True, help="Give the SVG a dark background.")
def command(
    log_dir: Path,
    names: tuple[str, ...],
    metric: str,
    x_axis: XAxis,
    log_y: bool,
    outliers: bool,
    smooth: float,
    width: int | None,
    height: int | None,
    svg: Path | None,
    dark: bool,
) -> None:
    """Print a chart of the newest runs, or of NAMES."""
    from traintop.analysis.export import replacing_file
    from traintop.charts import DARK, LIGHT, chart_svg
    from traintop.charts.curves import ChartChoice
    from traintop.charts.plot import MOST_PLOTTED, plot_of, terminal_text
    from traintop.terminal import draws_ascii_only

    runs = named_runs(log_dir, names)
    if not names and len(runs) > MOST_PLOTTED:
        rest = len(runs) - MOST_PLOTTED
        warn(f"{rest:,} older runs are not shown; name runs to choose them")
        runs = dict(list(runs.items())[:MOST_PLOTTED])
    try:
        spec = plot_of(runs, metric, ChartChoice(x_axis, log_y, not outliers, smooth))
    except ValueError as error:
        raise failure(error) from None
    if svg is None:
        ascii_only = draws_ascii_only(os.environ)
        text = terminal_text(spec, width, height, sys.stdout, ascii_only=ascii_only)
        print_text(text, color=True)  # it has colours only where they are wanted
        return
    picture = chart_svg(spec, palette=DARK if dark else LIGHT)
    if svg == STANDARD_OUTPUT:
        print_document(picture)
        return
    with replacing_file(svg) as file:
        file.write(picture)
    warn(f"wrote {svg}")
