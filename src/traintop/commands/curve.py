"""`traintop curve`: the values of a metric, in few points."""

from __future__ import annotations

import os
import sys

import click

from traintop.commands.output import (
    LONGEST_LINE,
    failure,
    output_styles,
    print_document,
    print_json,
    print_text,
)
from traintop.commands.runs import among_runs, complete_metrics, complete_runs, selected_runs
from traintop.text import count, counted, number, safe_text

_SPARKLINE_WIDTH = 60


@click.command()
@click.argument("reference", metavar="RUN", shell_complete=complete_runs)
@click.argument("metric", shell_complete=complete_metrics)
@among_runs
@click.option(
    "--points",
    type=click.IntRange(min=4),
    default=60,
    show_default=True,
    help="How many points to print at most; the lowest and highest values are always kept.",
)
@output_styles("json", "csv")
def command(
    reference: str, metric: str, roots: tuple[str, ...], query: str, points: int, style: str | None
) -> None:
    """Print the values of METRIC of a run: an iteration and a value on each line.

    Of more values than --points, those are kept that show its course, spikes and dips included.
    """
    from traintop.analysis.curve_points import curve_points, whole
    from traintop.analysis.run import UnknownNameError
    from traintop.metrics import metrics_of, system_metrics_of
    from traintop.store.formats import UnreadableRunError
    from traintop.tables import csv_text

    runs = selected_runs(roots, (reference,), query)
    if len(runs) > 1:
        shown = safe_text(reference, LONGEST_LINE)
        raise click.UsageError(f"{shown} means {len(runs):,} runs: name one")
    try:
        found = curve_points(runs[0], metric, points)
    except UnknownNameError as error:
        others = runs.opened.runs.summaries
        if metric in {*metrics_of(others), *system_metrics_of(others)}:
            raise failure(error) from None  # this run has not logged it, or not yet
        raise click.UsageError(safe_text(error, LONGEST_LINE)) from None
    except UnreadableRunError as error:
        raise failure(error) from None
    if style == "json":
        print_json(**found.plain(), away=runs.opened.away)
        return
    if style == "csv":
        print_document(csv_text([("iteration", metric), *found.pairs]))
        return
    if sys.stdout.isatty():
        from traintop.charts import sparkline
        from traintop.terminal import draws_ascii_only

        ascii_only = draws_ascii_only(os.environ)
        print_text(sparkline(runs[0][metric].values, _SPARKLINE_WIDTH, ascii_only).rstrip())
        said = counted(found.measured, "value")
        if found.first_nonfinite is not None:
            first = count(whole(found.first_nonfinite))
            said += f", {found.nonfinite:,} of them NaN or infinite, the first at {first}"
        print_text(f"{safe_text(found.run)}: {safe_text(metric)}, {said}\n")
    width = max((len(str(iteration)) for iteration, _ in found.pairs), default=0)
    lines = (f"{iteration:>{width}} {number(value, 6)}" for iteration, value in found.pairs)
    print_text("\n".join(lines))
