"""Rules: what is wrong with runs, as the built-in alerts and a person's own conditions have it.

A rule is raised once for a run, when what it asks has been so for long enough, and again only after
it was not so. It asks this of runs that are seen to go on, and of those that began since; what
ended before is past. ``when`` is a query, or the name of an alert: then it stands in place of the
built-in rule of that name.

Of a run that ends, what began to be so before its end is dropped: a GPU idles then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from traintop.analysis.alerts import (
    NEVER_OVER,
    Alert,
    AlertDetector,
    AlertKind,
    Measured,
    measured_in,
)
from traintop.analysis.field_names import field_among, is_known
from traintop.analysis.query import runs_now_matching
from traintop.analysis.query_tokens import QueryError, tokens_of
from traintop.model import ALIVE, ENDED, RunSummary
from traintop.mounts import answer_within, may_hang
from traintop.rule import Rule
from traintop.run_columns import changed_runs
from traintop.run_ids import address_of, is_remote
from traintop.store.formats import RunReader
from traintop.store.snapshot import PlaceState, state_of
from traintop.text import count, number
from traintop.times import posix_time

BUILT_IN_RULES: Mapping[str, Rule] = {kind.value: Rule(kind.value) for kind in AlertKind}
"""The alerts as rules, by their names: each notifies."""

LONGEST_LOOK = 10.0
"""Seconds that reading the records of one run may take, by which it is judged at first."""

_LOOKED_BACK = 200  # records of a run that goes on, by which it is judged when it is first seen


def usable_rules(given: Sequence[Rule]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules whose condition can be understood, and what is wrong with the others."""
    usable, problems = [], []
    for rule in given:
        try:
            if rule.when not in BUILT_IN_RULES:
                runs_now_matching((), rule.when, datetime.now())
        except QueryError as error:
            problems.append(f"rule {rule.when!r}: {error}")
        else:
            usable.append(rule)
    return tuple(usable), tuple(problems)


def recent_records(
    reader_of: Callable[[str], RunReader],
) -> Callable[[RunSummary], list[Measured]]:
    """What :class:`AlertDetector` looks back at.

    Nothing where that takes long: who looks at many runs waits for no place that does not answer.
    """

    def sample(run: RunSummary) -> list[Measured]:
        def read() -> list[Measured]:
            return measured_in(reader_of(run.id).sample(_LOOKED_BACK))

        if not (is_remote(run.root) or may_hang(run.root)):
            return read()
        return answer_within(LONGEST_LOOK, (sample, run.root), read, [])

    return sample


class _Held(msgspec.Struct):
    """Since when what a rule asks is so, by the monotonic clock, and whether it was raised."""

    since: float
    raised: bool = False


class RuleWatch:
    """Compares successive states of the runs, as :class:`AlertDetector` does, by all rules.

    ``rules`` are a person's own, which :func:`usable_rules` has let through. What ended before it
    ``began``, in seconds since 1970, is past; by default, that is the first call. ``clock`` is
    monotonic, in seconds.
    """

    def __init__(
        self,
        sample: Callable[[RunSummary], Iterable[Measured]] = lambda run: (),
        rules: Sequence[Rule] = (),
        *,
        began: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._detector = AlertDetector(sample, began)
        self.own: Mapping[str, Rule] = {rule.when: rule for rule in rules}
        self.rules: Mapping[str, Rule] = {**BUILT_IN_RULES, **self.own}
        """All of them, by what they ask."""
        self._clock = clock
        self._began = began
        self._observed: tuple[RunSummary, ...] = ()
        self._going_on: dict[str, str] = {}
        """By their addresses, the ids of the runs that go on."""
        self._watched: set[str] = set()
        """The ids of all runs that were seen to go on."""
        self._seen: dict[str, RunSummary] = {}
        self._held: dict[str, dict[str, _Held]] = {}
        """Of the runs that are watched, what is so."""

    def observe(
        self,
        runs: Sequence[RunSummary],
        now: datetime,
        *,
        complete: bool = True,
        places: Sequence[PlaceState] = (),
    ) -> tuple[Alert, ...]:
        """What is to be raised since the last call; at the first call, what is so now.

        ``complete`` as for :meth:`AlertDetector.observe`. Of runs in ``places`` that cannot be
        looked at now, all stays as it was.
        """
        alerts = self._detector.observe(runs, now, complete=complete)
        before, self._observed = self._observed, tuple(runs)
        for run in changed_runs(before, self._observed):  # of very many, few are others
            if run.status in ALIVE:
                self._going_on.pop(address_of(run.id), None)
        for run in changed_runs(self._observed, before):
            if run.status in ALIVE:
                self._going_on[address_of(run.id)] = run.id
                self._watched.add(run.id)
        raised = [
            alert
            for alert in alerts
            if alert.kind not in self.own or alert.kind == AlertKind.LOGGED
        ]
        if self.own:
            raised += self._observe_own(runs, alerts, now, places)
        self._began = self._began or now.timestamp()
        return tuple(sorted(raised, key=lambda alert: alert.time))

    def current(self) -> Mapping[str, AlertKind]:
        """As :meth:`AlertDetector.current`."""
        return self._detector.current()

    def standing(self, run_id: str) -> frozenset[str]:
        """The rules by which something is wrong now with a run."""
        built_in = {kind for kind in self._detector.standing(run_id) if kind not in self.own}
        held = self._held.get(run_id, {})
        return frozenset({*built_in, *(when for when, one in held.items() if one.raised)})

    def is_over(self, when: str, address: str) -> bool:
        """Whether what a rule asks is not so any more of the run with this ``address_of``."""
        run_id = self._going_on.get(address)
        if run_id is None or when not in self.rules or when in NEVER_OVER:
            return False
        holds = self._held.get(run_id, {}) if when in self.own else self.standing(run_id)
        return when not in holds

    def take_as_raised(self, run_id: str, raised: Iterable[str]) -> None:
        """Take it that rules were raised for a run before, by another watcher."""
        held = self._held.setdefault(run_id, {})
        held.update({when: _Held(self._clock(), raised=True) for when in raised})

    def _observe_own(
        self,
        runs: Sequence[RunSummary],
        alerts: Sequence[Alert],
        now: datetime,
        places: Sequence[PlaceState],
    ) -> list[Alert]:
        watched = {run.id: run for run in runs if self.acts_on(run)}
        self._held = {run_id: self._held.get(run_id, {}) for run_id in watched}
        by_id = {one: run for one, run in watched.items() if state_of(one, places) is None}
        of_alerts = {(alert.run_id, alert.kind): alert for alert in alerts}
        raised = []
        for rule in self.own.values():
            if rule.when == AlertKind.LOGGED:  # each is raised, whatever the rule does then
                continue
            matching = self._matching(rule, list(by_id.values()), of_alerts, now)
            for run_id, run in by_id.items():
                if self._is_due(rule, run, so=run_id in matching):
                    known = of_alerts.get((run_id, rule.when))
                    text = known.text if known else condition_text(rule.when, run)
                    raised.append(Alert(rule.when, run_id, run.title, text, now))
        self._seen = watched
        return raised

    def acts_on(self, run: RunSummary) -> bool:
        """Whether a run went on when it was first seen, or began since: all else is past."""
        if run.status in ALIVE or run.id in self._watched:
            return True
        if self._began is None or run.status not in ENDED:
            return False
        ended = posix_time(run.end_time or run.updated_at)
        return ended is not None and ended >= self._began

    def _matching(
        self,
        rule: Rule,
        runs: Sequence[RunSummary],
        alerts: Mapping[tuple[str, str], Alert],
        now: datetime,
    ) -> set[str]:
        """The ids of the runs of which it is so what a rule asks."""
        if rule.when == AlertKind.BEST:  # once a run, and never over
            return {
                run.id
                for run in runs
                if (run.id, rule.when) in alerts or rule.when in self._held[run.id]
            }
        if rule.when in BUILT_IN_RULES:
            return {
                run.id
                for run in runs
                if rule.when in (run.status.value, *self._detector.standing(run.id))
            }
        try:
            return {run.id for run in runs_now_matching(runs, rule.when, now, self.current())}
        except QueryError:  # what some run logs by now gives the condition another meaning
            return set()

    def _is_due(self, rule: Rule, run: RunSummary, *, so: bool) -> bool:
        """Whether a rule is to be raised for a run now."""
        held = self._held[run.id]
        if not so:
            held.pop(rule.when, None)
            return False
        before = self._seen.get(run.id)
        ends = run.status not in ALIVE and (before is None or before.status in ALIVE)
        one = held.get(rule.when)
        if one is None:
            one = held[rule.when] = _Held(self._clock())
        elif ends and not one.raised:
            one.raised = True
            return False
        if one.raised or self._clock() - one.since < rule.seconds:
            return False
        one.raised = True
        return True


def condition_text(when: str, run: RunSummary) -> str:
    """The values that a condition asks for, as they are: "train_loss NaN, iteration 4,200"."""
    values: dict[str, str] = {}
    for token in tokens_of(when):
        name = token.text.strip("`")
        if token.kind not in ("word", "name"):
            continue
        field = field_among(name, [run])
        if is_known(field, [run]) and (value := field.value(run)) is not None:
            values[name] = number(value) if isinstance(value, float) else str(value)
    at = {} if run.iteration is None else {"iteration": count(run.iteration)}
    return ", ".join(f"{name} {value}" for name, value in (values | at).items())
