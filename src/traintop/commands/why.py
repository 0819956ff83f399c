"""`traintop why`: what sets two runs apart."""

from __future__ import annotations

import click

from traintop.commands.output import (
    LONGEST_LINE,
    failure,
    output_styles,
    print_json,
    print_text,
    text_width,
)
from traintop.commands.runs import runs_as_arguments, selected_runs
from traintop.text import safe_text


@click.command()
@runs_as_arguments
@output_styles("json")
def command(
    roots: tuple[str, ...], references: tuple[str, ...], query: str, style: str | None
) -> None:
    """Say what sets two runs apart: `traintop why lr_3e-03 lr_1e-03`.

    Which is better, from which iteration on their curves differ by more than their noise, and what
    differs, the likeliest cause first: settings, code, seed, machine.
    """
    from traintop.analysis import why_text
    from traintop.store.formats import UnreadableRunError

    if len(references) != 2:
        raise click.UsageError("name two runs: traintop why A B")
    runs = selected_runs(roots, references, query)
    if len(runs) != 2:
        names = safe_text(" ".join(references), LONGEST_LINE)
        raise click.UsageError(f"{names} means {len(runs):,} runs: name two different ones")
    try:
        found = runs[0].why(runs[1])
    except UnreadableRunError as error:
        raise failure(error) from None
    if style == "json":
        print_json(**why_text.explanation_document(found), away=runs.opened.away)
    else:
        print_text(why_text.explanation_text(found, text_width()))
