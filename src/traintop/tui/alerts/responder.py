"""The rules in the UI: they judge each state of the runs, in a thread, and are acted on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from queue import SimpleQueue
from threading import Thread

from textual.message import Message

from traintop.actions import Actions
from traintop.analysis.alerts import AlertKind, Measured
from traintop.analysis.events import event_of
from traintop.analysis.rules import RuleWatch
from traintop.model import RunSummary
from traintop.rule import Rule
from traintop.store.snapshot import Snapshot
from traintop.tui.messages import ActionFailed, AlertsChanged, NoticesRaised

_SECONDS_TO_END = 5.0
"""How long a command may still take when the person quits."""

_SECONDS_TO_JUDGE = 0.5

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # otherwise Python prints into the middle of the screen


class RuleResponder:
    """Raises notices and acts, as the rules ask for.

    ``post`` is called with messages, from any thread; ``sample`` is that of ``AlertDetector``.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        notify_urls: Sequence[str],
        sample: Callable[[RunSummary], Iterable[Measured]],
        post: Callable[[Message], object],
    ) -> None:
        self._watch = RuleWatch(sample, rules)
        self._current: Mapping[str, AlertKind] = {}
        self._post = post
        self._actions = Actions(lambda words: post(ActionFailed(words)), notify_urls)
        self._taken: SimpleQueue[Snapshot | None] = SimpleQueue()
        self._thread = Thread(target=self._judge_all, name="traintop-rules", daemon=True)

    def start(self) -> None:
        """Start the thread: it reads records, for which nobody who shows the runs waits."""
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Judge a newer state soon."""
        self._taken.put(snapshot)

    def stop(self) -> None:
        """Let the thread end when all that was taken is judged."""
        self._taken.put(None)

    def _judge_all(self) -> None:
        while (snapshot := self._taken.get()) is not None:
            try:
                self._judge(snapshot)
            except Exception:
                _log.exception("rules failed")

    def _judge(self, snapshot: Snapshot) -> None:
        if snapshot.kept:  # how runs were at an earlier start is nothing to raise alerts of
            return
        runs, now = snapshot.runs, datetime.now()
        alerts = self._watch.observe(
            runs, now, complete=snapshot.is_complete, places=snapshot.places
        )
        current = self._watch.current()
        if current != self._current:
            self._current = current
            self._post(AlertsChanged(current))
        raised = {alert.run_id for alert in alerts}
        by_id = {run.id: run for run in runs if run.id in raised} if raised else {}
        events = [event_of(alert, by_id[alert.run_id]) for alert in alerts]
        self._actions.respond(events, self._watch)
        notices = tuple(alert for alert in alerts if self._watch.rules[alert.kind].notifies)
        if notices:
            self._post(NoticesRaised(notices))

    def finish(self) -> None:
        """Wait a little for what was begun, and end the commands that take longer."""
        self._thread.join(_SECONDS_TO_JUDGE)
        self._actions.finish(_SECONDS_TO_END)
