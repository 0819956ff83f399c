"""What happens to runs: they start, go on again and end, alerts are raised and are over.

Each event has a cursor: what a watcher had reported by then. One that begins at a cursor reports
what the first would have reported next, as far as the files of the runs say, whether or not
anybody watched meanwhile.
"""

from __future__ import annotations

import hashlib
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import replace

from traintop.analysis.alerts import Alert, AlertKind, Measured
from traintop.analysis.logged_alerts import logged_alerts
from traintop.analysis.naming import unique_names
from traintop.analysis.query_times import DAYS, Period
from traintop.analysis.rules import RuleWatch
from traintop.fields import FIELDS
from traintop.model import ALIVE, ENDED, RunStatus, RunSummary
from traintop.progress import steps_text
from traintop.rule import Rule
from traintop.run_ids import address_of
from traintop.store.snapshot import PlaceState, state_of
from traintop.text import duration
from traintop.times import parse_time, posix_time, seconds_of
from traintop.values import finite_or_name

_GRACE = 120.0
"""Seconds for which a cursor remembers an ended run: clocks differ, and files are seen late."""

_RUN, _KEY = 8, 3  # characters of a digest of a run's id, and of what was raised for it
_CURSOR = re.compile(r"(\d{1,12})((?:~[\w-]+)*)~?")
_WITH_THE_END = frozenset({AlertKind.CRASHED, AlertKind.FAILED})


class EventKind(StrEnum):
    """What happened."""

    STARTED = "started"
    RESUMED = "resumed"
    ENDED = "ended"
    ALERT = "alert"
    RECOVERED = "recovered"
    REMOVED = "removed"


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a run, which is as it was then, and when.

    ``name`` is unique among the runs. ``alert`` is the name of an alert, or the condition of a rule
    of the settings file: of one that was raised or is over, and of the way in which a run ended.
    Texts are as files have them.
    """

    kind: EventKind
    time: datetime
    run: RunSummary
    name: str
    text: str = ""
    alert: str = ""
    cursor: str = ""

    def document(self) -> dict[str, Any]:
        """The event as JSON has it."""
        run, last = self.run, self.run.last
        return {
            "version": 1,
            "event": self.kind.value,
            "time": self.time.astimezone().isoformat(timespec="seconds"),
            "run": self.name,
            "id": run.id,
            "status": run.status.value,
            "alert": self.alert or None,
            "text": self.text,
            "iteration": run.iteration,
            "train_loss": finite_or_name(last.train_loss if last else None),
            "best_val_loss": finite_or_name(run.best_val_loss),
            "cursor": self.cursor,
        }


def event_of(alert: Alert, run: RunSummary) -> Event:
    """An alert as an event of its run."""
    return Event(EventKind.ALERT, alert.time, run, alert.name, alert.text, alert.kind)


class _Reported(msgspec.Struct, frozen=True):
    """What was reported of a run: whether it ended, and the digests of what stands."""

    ended: bool = False
    standing: frozenset[str] = frozenset()


class Cursor(msgspec.Struct, frozen=True):
    """Where a watcher stood: what it had reported by a moment, in seconds since 1970.

    ``reported`` has the runs that went on, or ended shortly before, by digests of their ids;
    ``None`` where a person named the time only. All others had ended by then: that was reported.
    """

    moment: float
    reported: Mapping[str, _Reported] | None = None

    @classmethod
    def parse(cls, text: str, now: datetime) -> Cursor:
        """A cursor, or a time: "2h" (ago), "today", "2025-02-22 14:05". Raises ``ValueError``."""
        match = _CURSOR.fullmatch(text)
        if match is not None and "~" in text:
            entries = [entry for entry in match[2].split("~") if entry]
            reported = {}
            for entry in entries:
                keys = entry[_RUN + 1 :]
                parts = [keys[at : at + _KEY] for at in range(0, len(keys), _KEY)]
                reported[entry[:_RUN]] = _Reported(entry[_RUN : _RUN + 1] == "e", frozenset(parts))
            return cls(float(match[1]), reported)
        words = text.strip().lower().removesuffix("ago")
        period = Period.named(words, now) if words in (*DAYS, "now") else Period.written(text)
        if period is not None:
            return cls(period.begin.timestamp())
        try:
            return cls(now.timestamp() - seconds_of(words))
        except ValueError:
            raise ValueError(
                f"{text!r} is no cursor of an event, and no time such as 2h, today or "
                "2025-02-22T14:05"
            ) from None

    def text(self) -> str:
        """As it stands in an event."""
        entries = (
            f"~{run}{'e' if reported.ended else 'r'}{''.join(sorted(reported.standing))}"
            for run, reported in sorted((self.reported or {}).items())
        )
        return f"{int(self.moment)}{''.join(entries) or '~'}"

    def reported_of(self, run: RunSummary) -> _Reported | None:
        """What was reported of a run by then; ``None`` when it was not known."""
        if self.reported is not None and (
            known := self.reported.get(_digest(address_of(run.id), _RUN))
        ):
            return known
        started = posix_time(run.start_time)
        changed = posix_time(run.end_time or run.updated_at) or started
        if started is None:
            started = changed
        if started is None or changed is None or started > self.moment:
            return None
        if run.status in ENDED and changed <= self.moment:
            return _Reported(ended=True)
        return _Reported() if self.reported is None else None


def _digest(text: str, length: int) -> str:
    return urlsafe_b64encode(hashlib.blake2b(text.encode("utf-8", "replace")).digest())[
        :length
    ].decode()


_BEST = _digest(AlertKind.BEST.value, _KEY)


def _logged_key(text: str, time: datetime) -> str:
    """The digest of one of the alerts that a program logged, which may be many."""
    return _digest(f"{AlertKind.LOGGED.value} {time.isoformat()} {text}", _KEY)


def _logged_keys(run: RunSummary) -> frozenset[str]:
    return frozenset(_logged_key(text, time) for text, time in logged_alerts(run))


class RunEvents:
    """Compares successive states of the runs; :meth:`observe` finds what happened between two.

    Without ``since``, of the first state only what is wrong with runs that go on is reported.
    ``rules`` and ``clock`` are those of :class:`RuleWatch`, ``sample`` that of ``AlertDetector``.
    """

    def __init__(
        self,
        sample: Callable[[RunSummary], Iterable[Measured]] = lambda run: (),
        rules: Sequence[Rule] = (),
        since: Cursor | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = RuleWatch(
            sample, rules, began=None if since is None else since.moment, clock=clock
        )
        self._since = since
        self._runs: Sequence[RunSummary] | None = None
        self._seen: dict[str, RunSummary] | None = None
        self._names: dict[str, str] = {}
        self._reported: dict[str, _Reported] = {}
        self._places: Sequence[PlaceState] = ()
        self._moment = 0.0
        self._open: dict[str, RunSummary] = {}
        """The runs that a cursor has to name: its moment does not say what was reported of them."""

    def observe(
        self,
        runs: Sequence[RunSummary],
        now: datetime,
        *,
        complete: bool = True,
        places: Sequence[PlaceState] = (),
    ) -> list[Event]:
        """The events since the last call, in order.

        Unless the runs are ``complete``, as when a directory is unmounted, the others stay as they
        were. So do those in ``places`` that cannot be looked at now; what is first seen when such a
        place is back counts as seen at the first call.
        """
        if runs is self._runs and not self.rules.own:
            return []
        self._runs = runs
        readable = {run.id: run for run in runs if run.status is not RunStatus.UNREADABLE}
        if not complete and self._seen is not None:
            readable = {**self._seen, **readable}
        if self._names.keys() != readable.keys():
            self._names = unique_names(readable.values())
        alerts: dict[str, list[Alert]] = {}
        before = self._seen
        if before is None:
            before, early = self._begin(readable.values(), now)
            for alert in early:
                alerts.setdefault(alert.run_id, []).append(alert)
        else:
            before = {**before, **self._late(readable.values())}
        self._places = places
        for alert in self.rules.observe([*readable.values()], now, places=places):
            alerts.setdefault(alert.run_id, []).append(alert)
        found: list[tuple[Event, _Reported | None]] = []
        for run in readable.values():
            if before.get(run.id) is not run or run.id in alerts or self._over(run):
                found += _in_order(self._events_of(run, alerts.get(run.id, ()), now))
        for run_id in before.keys() - readable.keys():
            gone = before[run_id]
            event = Event(EventKind.REMOVED, now, gone, gone.title, "its files are gone")
            found.append((event, None))
        self._seen = readable
        found.sort(key=lambda one: one[0].time)
        return [*self._with_cursors(found, now)]

    def _late(self, runs: Iterable[RunSummary]) -> dict[str, RunSummary]:
        """The runs that could not be seen before, but were there, as far as is known."""
        seen, found = self._seen or {}, {}
        for run in runs if self._places else ():
            if run.id not in seen and state_of(run.id, self._places) is not None:
                since = self._since
                reported: _Reported | None = _Reported(ended=run.status in ENDED)
                if since is not None:
                    reported = since.reported_of(run)
                if reported is not None:
                    self._reported[run.id], found[run.id] = reported, run
        return found

    def _begin(
        self, runs: Iterable[RunSummary], now: datetime
    ) -> tuple[dict[str, RunSummary], Sequence[Alert]]:
        """The runs as they were by the cursor, and what was wrong with those that went on."""
        since = self._since
        if since is None:
            self._reported = {run.id: _Reported(ended=run.status in ENDED) for run in runs}
            known, alerts = list(runs), []
        else:
            reported = {run.id: since.reported_of(run) for run in runs}
            self._reported = {run_id: one for run_id, one in reported.items() if one is not None}
            known = [_before_its_end(run, reported[run.id]) for run in runs]
            for run_id, one in self._reported.items():
                raised = [rule for rule in self.rules.own if _digest(rule, _KEY) in one.standing]
                self.rules.take_as_raised(run_id, raised)
            alerts = [*self.rules.observe(known, now)]
        self._moment = now.timestamp() - _GRACE if since is None else since.moment
        self._open = {run.id: run for run in runs if self._is_open(run)}
        return {run.id: run for run in known if run.id in self._reported}, alerts

    def _events_of(
        self, run: RunSummary, alerts: Sequence[Alert], now: datetime
    ) -> Iterator[tuple[Event, _Reported]]:
        """What happened to one run, and what is reported of it after each event."""
        name = self._names[run.id]
        reported = self._reported.get(run.id)
        if reported is None:
            reported = _Reported()
            started = _not_after(run.start_time, now)
            yield Event(EventKind.STARTED, started, run, name, _place_text(run)), reported
        elif reported.ended and run.status in ALIVE:
            reported = replace(reported, ended=False)
            yield Event(EventKind.RESUMED, now, run, name, f"at {steps_text(run)}"), reported
        kept = {_digest(kind, _KEY) for kind in self.rules.rules} | _logged_keys(run)
        reported = replace(reported, standing=reported.standing & kept)
        of_end = {alert.kind: alert for alert in alerts if alert.kind in _WITH_THE_END}
        for alert in alerts:
            is_logged = alert.kind == AlertKind.LOGGED
            key = _logged_key(alert.text, alert.time) if is_logged else _digest(alert.kind, _KEY)
            is_known = alert.kind in of_end or key in reported.standing
            if not is_known and self._is_news(alert):
                reported = replace(reported, standing=reported.standing | {key})
                yield (
                    Event(EventKind.ALERT, alert.time, run, name, alert.text, alert.kind),
                    reported,
                )
        if run.status in ALIVE and (over := self._over(run)):
            for kind in self.rules.rules:
                if (key := _digest(kind, _KEY)) in over:
                    reported = replace(reported, standing=reported.standing - {key})
                    yield Event(EventKind.RECOVERED, now, run, name, "", kind), reported
        if run.status in ENDED and not reported.ended:
            reported = _Reported(ended=True, standing=reported.standing & {_BEST})
            last = of_end.get(run.status.value)
            text, kind = (last.text, last.kind) if last else (_end_text(run), "")
            ended = _not_after(run.end_time or run.updated_at, now)
            yield Event(EventKind.ENDED, ended, run, name, text, kind), reported

    def _over(self, run: RunSummary) -> frozenset[str]:
        """Digests of what was wrong with a run and is over; of what once was, never."""
        reported = self._reported.get(run.id)
        if reported is None or not reported.standing:
            return frozenset()
        lasting = {_digest(kind, _KEY) for kind in self.rules.standing(run.id)}
        return reported.standing - {*lasting, _BEST, *_logged_keys(run)}

    def _is_news(self, alert: Alert) -> bool:
        """Whether an alert began after the time that a person named."""
        since = self._since
        return since is None or since.reported is not None or alert.time.timestamp() > since.moment

    def _with_cursors(
        self, found: Sequence[tuple[Event, _Reported | None]], now: datetime
    ) -> Iterator[Event]:
        for place, (event, reported) in enumerate(found, 1):
            run = event.run
            if reported is None:
                self._reported.pop(run.id, None)
                self._open.pop(run.id, None)
            else:
                self._reported[run.id], self._open[run.id] = reported, run
            if place == len(found):  # until then, the others of this look have yet to be reported
                self._moment = max(self._moment, now.timestamp() - _GRACE)
                still_open = [one for one in self._open.values() if self._is_open(one)]
                self._open = {one.id: one for one in still_open}
            yield replace(event, cursor=self.cursor)

    @property
    def cursor(self) -> str:
        """Where this watcher stands."""
        reported = {
            _digest(address_of(run.id), _RUN): self._reported[run_id]
            for run_id, run in self._open.items()
        }
        return Cursor(self._moment, reported).text()

    def _is_open(self, run: RunSummary) -> bool:
        reported = self._reported.get(run.id)
        return reported is not None and Cursor(self._moment, {}).reported_of(run) != reported


def _before_its_end(run: RunSummary, reported: _Reported | None) -> RunSummary:
    """A run as it may have been before it ended, where that was not reported."""
    news = reported is None or not reported.ended
    return replace(run, status=RunStatus.RUNNING) if news and run.status in ENDED else run


def _in_order(
    events: Iterable[tuple[Event, _Reported]],
) -> Iterator[tuple[Event, _Reported]]:
    """The events of one run, none of them before the one that precedes it."""
    latest: datetime | None = None
    for event, reported in events:
        latest = max(latest or event.time, event.time)
        yield replace(event, time=latest), reported


def _not_after(text: str | None, now: datetime) -> datetime:
    return min(parse_time(text) or now, now)


def _place_text(run: RunSummary) -> str:
    host = FIELDS["host"].value(run)
    return "" if host is None else f"on {host}"


def _end_text(run: RunSummary) -> str:
    took = run.duration_seconds
    return f"{steps_text(run)} iterations" + ("" if took is None else f" in {duration(took)}")
