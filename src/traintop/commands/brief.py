"""`traintop brief`: what there is to know of many runs, in a bounded text."""

from __future__ import annotations

import click

from traintop.commands.event_stream import own_rules
from traintop.commands.output import LONGEST_LINE, output_styles, print_json, print_text
from traintop.commands.runs import among_runs, selected_runs
from traintop.text import safe_text


@click.command()
@among_runs
@click.option(
    "--tokens",
    type=click.IntRange(min=150),
    default=1500,
    show_default=True,
    help="How long the text may be, in tokens of a language model: two bytes are taken as one.",
)
@click.option(
    "--since",
    metavar="CURSOR",
    help="Say what changed since then: the cursor of a brief or an event, or a time as '2h'.",
)
@output_styles("json")
def command(
    roots: tuple[str, ...], query: str, tokens: int, since: str | None, style: str | None
) -> None:
    """Say what there is to know of all runs, what matters most first, in a bounded text.

    What is wrong, what changed, how the runs that go on are doing, the best ones, and the settings
    that go with good results. For whoever looks in the middle of the night, person or agent.
    """
    runs = selected_runs(roots, (), query)
    _, rules = own_rules()
    try:
        found = runs.brief(tokens, since, rules)
    except ValueError as error:
        raise click.UsageError(f"--since: {safe_text(error, LONGEST_LINE)}") from None
    if style == "json":
        sections = [{"title": one.title, "lines": list(one.lines)} for one in found.sections]
        print_json(
            head=found.head,
            sections=sections,
            left_out=found.left_out,
            tokens=found.tokens,
            cursor=found.cursor,
            away=runs.opened.away,
        )
    else:
        print_text(found.text())
