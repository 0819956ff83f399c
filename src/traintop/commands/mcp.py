"""`traintop mcp`: runs for coding agents, over the Model Context Protocol."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from traintop.commands.event_stream import own_rules
from traintop.commands.output import LONGEST_LINE, failure, warn
from traintop.commands.runs import among_runs, given_or_default
from traintop.text import safe_text


@click.command()
@among_runs
@click.option("--write", is_flag=True, help="Let agents tag, annotate and archive runs.")
def command(roots: tuple[str, ...], query: str, write: bool) -> None:
    """Serve the runs to a coding agent, which starts this command: docs/agents.md.

    It speaks the Model Context Protocol on standard input and output, and reads only; with --write,
    it may also write beside the files of runs what people write there: tags, notes, the archive.
    """
    from traintop.analysis.query import filter_runs
    from traintop.analysis.query_tokens import QueryError

    try:
        from traintop.mcp_server import RunTools, make_server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise failure("the package mcp is not installed: pip install 'traintop[mcp]'") from None
    try:
        filter_runs((), query, datetime.now())
    except QueryError as error:
        raise click.UsageError(safe_text(error, LONGEST_LINE)) from None
    if sys.stdin.isatty():
        warn("an agent starts this command and speaks to it: docs/agents.md; ctrl+c ends it")
    _, rules = own_rules()
    make_server(RunTools(given_or_default(roots), query, rules), write=write).run("stdio")
