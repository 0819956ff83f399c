"""What rules do once they are raised: run a command, signal the run's process, notify a person.

It happens in threads of its own: a command or a server that hangs delays nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from traintop.actions.claims import Claims
from traintop.actions.notices import push
from traintop.analysis.alerts import AlertKind
from traintop.analysis.events import Event, EventKind
from traintop.analysis.rules import RuleWatch
from traintop.process import send_signal
from traintop.rule import Action, Rule
from traintop.text import error_text, safe_text

if TYPE_CHECKING:
    from traintop.actions.child_process import ChildProcess

_THREADS = 4


class Actions:
    """Does what rules ask for.

    ``notify_urls`` are where notices go besides the terminal. ``report`` is called, from any
    thread, with what went wrong, in words; with the same words once. Of several programs of one
    person that watch a run, one acts: see :class:`Claims`.
    """

    def __init__(
        self,
        report: Callable[[str], object],
        notify_urls: Sequence[str] = (),
        claims: Claims | None = None,
    ) -> None:
        self._report = report
        self._urls = notify_urls
        self._claims = Claims.of_this_user() if claims is None else claims
        self._pool = ThreadPoolExecutor(_THREADS, "traintop-actions")
        self._pending: set[Future[None]] = set()
        self._children: set[ChildProcess] = set()
        self._lock = threading.Lock()
        self._reported: set[str] = set()

    def _act(self, event: Event, rule: Rule) -> None:
        actions = [one for one in rule.actions if one.kind != "notify" or self._urls]
        moment = f"{event.time} {event.text}" if event.alert == AlertKind.LOGGED else ""
        if actions and self._claims.claim(rule, event.run.id, moment):
            done = self._pool.submit(self._do, actions, event)
            self._pending = {done, *(one for one in self._pending if not one.done())}

    def respond(self, events: Iterable[Event], watch: RuleWatch) -> None:
        """Act on what a watch has raised; where something is over, act again when it comes anew."""
        for event in events:
            rule = watch.rules.get(event.alert)
            if rule and event.kind is not EventKind.RECOVERED and watch.acts_on(event.run):
                self._act(event, rule)
        self._claims.release(watch.is_over)

    def finish(self, seconds: float | None = None) -> None:
        """Wait for what was begun; after so many seconds, end the commands that still run."""
        wait(self._pending, timeout=seconds)
        with self._lock:
            children = [*self._children]
        for child in children:
            child.end()
        self._pool.shutdown()

    def _do(self, actions: Sequence[Action], event: Event) -> None:
        for action in actions:
            try:
                if action.kind == "exec":
                    self._run(action.arguments, event)
                elif action.kind == "signal":
                    send_signal(action.arguments[0], event.run.environment, event.run.path)
                else:
                    push(self._urls, event)
            except (OSError, ValueError) as error:
                words = f"{' '.join((action.kind, *action.arguments))}: {error_text(error)}"
                self._report_once(f"{safe_text(event.name)}: {safe_text(words, 300)}")

    def _run(self, arguments: Sequence[str], event: Event) -> None:
        from traintop.actions.child_process import ChildProcess  # not for the first frame

        child = ChildProcess(arguments, event.document())
        with self._lock:
            self._children.add(child)
        try:
            child.wait()
        finally:
            with self._lock:
                self._children.discard(child)

    def _report_once(self, words: str) -> None:
        with self._lock:
            if words in self._reported:
                return
            self._reported.add(words)
        self._report(words)
