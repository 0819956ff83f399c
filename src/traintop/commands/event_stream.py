"""`traintop watch --events`: what happens to runs, a line for each event, without a screen."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from traintop.commands.output import LONGEST_LINE, print_document, print_text, warn
from traintop.text import counted, safe_text

if TYPE_CHECKING:
    from traintop.actions import Actions
    from traintop.analysis.events import Event
    from traintop.analysis.rules import RuleWatch
    from traintop.model import RunSummary
    from traintop.rule import Rule
    from traintop.settings import Settings
    from traintop.store.snapshot import Snapshot

_PAUSE = 2.0  # seconds between two looks at what changes with time alone
_PROMETHEUS_SECONDS = 5.0  # between two writes of the file at least
_LASTS = 60.0  # a run that ended leaves it after a while
_KIND_WIDTH = 10
_NAME_WIDTH = 20
_LONGEST_NAME = 60


def own_rules() -> tuple[Settings, tuple[Rule, ...]]:
    """The settings and their rules; warns of those that cannot be understood."""
    from traintop.analysis.rules import usable_rules
    from traintop.settings import load_settings, settings_path

    settings, problems = load_settings(settings_path())
    rules, unusable = usable_rules(settings.rules)
    warn(*problems, *unusable)
    return settings, rules


class Responder:
    """Does what the rules of the settings file ask for, and reports it on standard error."""

    def __init__(self, settings: Settings, watch: RuleWatch, *, reports: bool) -> None:
        from traintop.actions import Actions

        self._settings = settings
        self._watch = watch
        self._reports = reports
        self._actions: Actions = Actions(warn, settings.notify_urls)

    def respond(self, events: Sequence[Event]) -> None:
        """Tell of alerts where their rules notify, and act."""
        for event in events:
            rule = self._watch.rules.get(event.alert)
            if event.kind != "recovered" and rule is not None and rule.notifies:
                self._notify(event)
        self._actions.respond(events, self._watch)

    def finish(self) -> None:
        """Wait for the commands that were started."""
        self._actions.finish()

    def _notify(self, event: Event) -> None:
        from traintop.terminal import desktop_sequence

        title, text = f"{safe_text(event.name, 60)}: {safe_text(event.alert, 100)}", event.text
        if self._reports:
            warn(f"{title}: {text}" if text else title)
        if sys.stderr.isatty():
            bell = "\a" if self._settings.bell else ""
            shown = desktop_sequence(title, safe_text(text), os.environ)
            desktop = shown if self._settings.desktop_notices else ""
            click.echo(f"{bell}{desktop}", nl=False, err=True)


def stream_events(
    roots: Sequence[str],
    query: str,
    since: str | None,
    prometheus: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print the events of runs as they happen, until nobody reads them."""
    from traintop.analysis.events import Cursor, RunEvents
    from traintop.analysis.rules import recent_records
    from traintop.commands.runs import given_or_default
    from traintop.metrics import choose_directions_for
    from traintop.store.catalog import RunCatalog
    from traintop.store.watch import snapshots

    try:
        cursor = None if since is None else Cursor.parse(since, datetime.now())
    except ValueError as error:
        raise click.UsageError(f"--since: {safe_text(error, LONGEST_LINE)}") from None
    settings, rules = own_rules()
    roots = given_or_default(roots)
    choose_directions_for(roots)
    catalog = RunCatalog(roots)
    events = RunEvents(recent_records(catalog.reader), rules, cursor)
    responder = Responder(settings, events.rules, reports=False)
    exporter = None if prometheus is None else _PrometheusFile(prometheus, events.rules)
    reported: set[str] | None = None
    try:
        for snapshot in snapshots(catalog, lambda: _PAUSE, _no_reader()):
            if reported is None:
                check_query("--filter", query, snapshot.runs)
                if sys.stdout.isatty():
                    warn(f"watching {counted(len(snapshot.runs), 'run')}; ctrl+c ends that")
            warn(*(trouble for trouble in snapshot.troubles if trouble not in (reported or ())))
            reported = {*snapshot.troubles}
            found = events.observe(
                snapshot.runs,
                datetime.now(),
                complete=not snapshot.notices,
                places=snapshot.places,
            )
            found = _matching(found, query)
            responder.respond(found)
            for event in found:
                _print(event, event.document(), as_json=as_json)
            if exporter is not None:
                exporter.write(snapshot)
    finally:
        responder.finish()


def rehearse_rules(roots: Sequence[str], query: str, *, as_json: bool) -> None:
    """Print what the rules would have done for the runs that are there, and do nothing."""
    from traintop.analysis.replay import replayed_events
    from traintop.commands.runs import selected_runs
    from traintop.store.formats import UnreadableRunError

    _, rules = own_rules()
    for run in reversed(selected_runs(roots, (), query)):
        try:
            found = replayed_events(run.summary, run.history(), rules)
        except UnreadableRunError as error:
            warn(error)
            continue
        for event, rule in found:
            named = replace(event, name=run.name)
            document = {**named.document(), "do": [*rule.do]}
            _print(named, document, as_json=as_json, aside=", ".join(rule.do))


def check_query(option: str, query: str, runs: Sequence[RunSummary]) -> None:
    """Whether a query can be asked again and again; warns of names that no run has yet.

    Raises ``UsageError`` for one that cannot be understood.
    """
    from traintop.analysis.query import filter_runs, runs_now_matching
    from traintop.analysis.query_tokens import QueryError, UnknownFieldError

    now = datetime.now()
    try:
        if query.strip():
            runs_now_matching(runs, query, now)
        filter_runs(runs, query, now)
    except UnknownFieldError as error:
        warn(f"{error}; waiting for it")
    except QueryError as error:
        raise click.UsageError(f"{option}: {safe_text(error, LONGEST_LINE)}") from None


def _matching(found: list[Event], query: str) -> list[Event]:
    """The events of runs that match as they are then."""
    from traintop.analysis.query import runs_now_matching

    if not found or not query.strip():
        return found
    matching = runs_now_matching([event.run for event in found], query, datetime.now())
    ids = {run.id for run in matching}
    return [event for event in found if event.run.id in ids]


def _print(event: Event, document: Mapping[str, Any], *, as_json: bool, aside: str = "") -> None:
    if as_json:
        from traintop.tables import json_text

        print_document(f"{json_text(document)}\n")
        return
    what = {"alert": event.alert, "ended": event.run.status.value}.get(event.kind, event.kind)
    text = f"{event.alert} {event.text}".strip() if event.kind == "recovered" else event.text
    line = f"{event.time:%Y-%m-%d %H:%M:%S}  {safe_text(what, 100):<{_KIND_WIDTH}}  "
    line += f"{safe_text(event.name, _LONGEST_NAME):<{_NAME_WIDTH}}  {safe_text(text, 300)}"
    print_text(f"{line.rstrip()}  → {aside}" if aside else line.rstrip())


class _PrometheusFile:
    """Keeps a file of metrics up to date, written whole or not at all."""

    def __init__(self, path: Path, watch: RuleWatch) -> None:
        self._path = path
        self._watch = watch
        self._written: tuple[int, float] | None = None  # revision, and when
        self._reported = False

    def write(self, snapshot: Snapshot) -> None:
        """Write what changed; the first time raises ``OSError`` where that is impossible."""
        from traintop.analysis.prometheus import prometheus_text
        from traintop.atomic_file import write_atomically

        if self._written is not None:
            revision, at = self._written
            age = time.monotonic() - at
            if age < _PROMETHEUS_SECONDS or (revision == snapshot.revision and age < _LASTS):
                return
        text = prometheus_text(snapshot.runs, self._watch.standing, datetime.now())
        try:
            write_atomically(self._path, text.encode())
        except OSError as error:
            if self._written is None:
                raise
            if not self._reported:
                warn(error)
            self._reported = True
        else:
            self._reported = False
        self._written = (snapshot.revision, time.monotonic())


def _no_reader() -> threading.Event:
    """Set once nobody reads the standard output any more, as after `| head -1`."""
    gone = threading.Event()
    poll = select.poll()

    def wait() -> None:
        poll.poll()
        gone.set()

    with suppress(io.UnsupportedOperation):  # no file, where a program calls the command
        if stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
            poll.register(sys.stdout.fileno(), 0)  # a closed other end is always reported
            threading.Thread(target=wait, name="traintop-reader", daemon=True).start()
    return gone
