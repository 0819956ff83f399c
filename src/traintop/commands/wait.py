"""`traintop wait`: sleep until something is so of runs, and tell a script whether it came so."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import click

from traintop.commands.event_stream import Responder, check_query, own_rules
from traintop.commands.output import warn
from traintop.commands.runs import opened_roots, runs_as_arguments, selected_runs, time_option
from traintop.model import ALIVE, RunStatus
from traintop.text import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from traintop.analysis.runs import OpenedRuns
    from traintop.analysis.waiting import Waiting

TIMED_OUT = 124
"""The exit status, as that of timeout(1)."""

_PAUSE = 2.0  # seconds between two looks at what changes with time alone, such as an age
_MOST_LINES = 5


@click.command()
@runs_as_arguments
@click.option(
    "--until",
    "condition",
    default="ended",
    show_default=True,
    metavar="QUERY",
    help="What is waited for, as in a filter: finished, 'val_loss < 3.2 or crashed'.",
)
@click.option("--any", "one_is_enough", is_flag=True, help="Until one of the runs has met it.")
@click.option(
    "--appear", is_flag=True, help="Wait for runs that do not exist yet, too; name them in full."
)
@time_option("--timeout", "Give up after so long: 90s, 30m, 6h, 2d.")
def command(
    references: tuple[str, ...],
    roots: tuple[str, ...],
    query: str,
    condition: str,
    one_is_enough: bool,
    appear: bool,
    timeout: float | None,
) -> None:
    """Wait until something is so of runs, such as that they ended.

    Of several runs, until each has met the condition. Without RUN and --filter, of those that go
    on now.

    \b
    The exit status says what came of it:
      0    it is so
      1    it cannot be so any more: a run ended otherwise, or its file is gone;
           or, where none is named, some place could not be looked at
      124  timed out
    """
    from traintop.analysis.waiting import Waiting

    if appear and not references:
        raise click.UsageError("--appear needs the names of runs")
    if appear:
        opened, waiting = opened_roots(roots), Waiting(condition, (), references)
        check_query("--until", condition, opened.runs.summaries)
    else:
        runs = selected_runs(roots, references, query)
        opened = runs.opened
        check_query("--until", condition, opened.runs.summaries)
        ids = [run.id for run in runs if references or query or run.status in ALIVE]
        if not ids:
            warn("no run goes on")
            if one_is_enough:
                raise SystemExit(1)
            return
        waiting = Waiting(condition, ids)

    def is_over() -> bool:
        return not waiting.undecided or bool(waiting.met and one_is_enough)

    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    _wait(opened, waiting, is_over, deadline)
    if waiting.is_met or (waiting.met and one_is_enough):
        return
    if not is_over():
        warn(f"timed out after {duration(timeout)}", *[*waiting.state_lines()][:_MOST_LINES])
        raise SystemExit(TIMED_OUT)
    warn(*[*waiting.lost_lines()][:_MOST_LINES])
    raise SystemExit(1)


def _wait(
    opened: OpenedRuns, waiting: Waiting, is_over: Callable[[], bool], deadline: float
) -> None:
    """Look at the runs until it is over, or the deadline by the monotonic clock has come."""
    from traintop.analysis.events import event_of
    from traintop.analysis.rules import RuleWatch, recent_records
    from traintop.store.watch import snapshots

    settings, rules = own_rules()
    watch = RuleWatch(recent_records(opened.catalog.reader), rules)
    responder = Responder(settings, watch, reports=True)
    reported: set[str] = set()
    for snapshot in snapshots(opened.catalog, lambda: min(_PAUSE, deadline - time.monotonic())):
        now, runs = datetime.now(), waiting.runs_in(snapshot)
        by_id = {run.id: run for run in runs}
        alerts = watch.observe(runs, now, places=snapshot.places)
        responder.respond([event_of(alert, by_id[alert.run_id]) for alert in alerts])
        waiting.look(runs, snapshot, now, watch.current())
        if is_over() or time.monotonic() >= deadline:
            break
        stalled = {run.id for run in runs if run.status is RunStatus.STALLED} - waiting.met
        if stalled - reported:
            warn(*(f"{line}; waiting on" for line in waiting.state_lines()))
        for trouble in set(snapshot.troubles) - reported:
            warn(f"{trouble}; waiting on")
        if waiting.missing and not reported:
            warn(*(f"{line}; waiting for it" for line in waiting.missing_lines()))
        reported |= {*stalled, *snapshot.troubles, *waiting.missing}
    responder.finish()
