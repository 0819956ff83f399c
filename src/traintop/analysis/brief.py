"""What there is to know of many runs in a bounded text, what matters most first.

For whoever looks in the middle of the night, person or agent. The budget is in tokens of a language
model. They are estimated, for each model counts them in its own way: as one for two bytes of UTF-8.
Prose has about four bytes a token; lines of names and figures, as here, have little more than two.
Of each section the first lines come first, then the rest of them, in the order of the sections, as
long as there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
import numpy as np

from traintop.analysis.alerts import Measured
from traintop.analysis.curve_points import whole
from traintop.analysis.differences import distinctive_settings, run_settings
from traintop.analysis.events import Cursor, Event, RunEvents
from traintop.analysis.importance import importance_of
from traintop.analysis.leaderboard import better_text
from traintop.analysis.ranking import Leader, leaders
from traintop.analysis.rules import RuleWatch
from traintop.analysis.series import finite
from traintop.analysis.trend import trend_of
from traintop.field import STATUS_ORDER
from traintop.fields import best_text, field_of
from traintop.metrics import direction_of, last_value, primary_metric
from traintop.model import ALIVE, ENDED, RunSummary
from traintop.progress import eta_seconds, progress, start_order, steps_text
from traintop.rule import Rule
from traintop.text import (
    at_iteration,
    count,
    counted,
    duration,
    number,
    percentage,
    safe_text,
    setting_text,
)
from traintop.times import age_seconds

BYTES_PER_TOKEN = 2
FEWEST_TOKENS = 150

_FIRST_LINES = 3
_BEST = 10
_SETTINGS_OF_BEST = 3
_MATTERING = 5
_LONGEST_NAME, _LONGEST_LINE, _WIDEST_SETTING = 60, 300, 24
_CURSOR_SHARE = 0.2
_NEWS_SECONDS = 86_400.0


class Section(msgspec.Struct, frozen=True):
    """Lines under a title."""

    title: str
    lines: tuple[str, ...]


class Brief(msgspec.Struct, frozen=True):
    """What is so, with the ``cursor`` by which the next brief says what changed since.

    ``left_out`` lines had no room. ``tokens`` is an estimate for :meth:`text`.
    """

    head: str
    sections: tuple[Section, ...]
    cursor: str
    left_out: int

    def __str__(self) -> str:
        return self.text()

    def text(self) -> str:
        """The brief as lines of text."""
        blocks = [self.head]
        blocks += ["\n".join((one.title, *one.lines)) for one in self.sections]
        more = (
            f"{counted(self.left_out, 'more line')} with more --tokens. " if self.left_out else ""
        )
        return "\n\n".join([*blocks, f"{more}What changes from now on: --since {self.cursor}"])

    @property
    def tokens(self) -> int:
        """About so many tokens of a language model; see :func:`tokens_of`."""
        return tokens_of(self.text())


def tokens_of(text: str) -> int:
    """An estimate of the tokens of a text: one for two bytes."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def brief_of(
    runs: Sequence[RunSummary],
    names: dict[str, str],
    sample: Callable[[RunSummary], Iterable[Measured]],
    now: datetime,
    *,
    since: Cursor | None = None,
    rules: Sequence[Rule] = (),
    tokens: int = 1500,
) -> Brief:
    """What is so of runs now, in about so many ``tokens``, at least ``FEWEST_TOKENS``.

    ``names`` are unique names by id, ``sample`` some records of a run that goes on (see
    ``rules.recent_records``), and ``rules`` those of the settings file.
    """
    sample = _sampled_once(sample)
    events = RunEvents(sample, rules, since)
    changes = events.observe(runs, now)
    sections = [
        Section("Needs attention", (*_troubles(runs, names, sample, rules, now),)),
        Section("Changed since then", (*_changes(changes),) if since is not None else ()),
        Section("Going on", (*_going_on(runs, names, sample),)),
        *_results(runs, names),
        Section("Ended in the last day", (*_ended(runs, names, now),)),
    ]
    head = f"{_state(runs)} It is {now:%Y-%m-%d %H:%M}."
    cursor = events.cursor
    if tokens_of(cursor) > tokens * _CURSOR_SHARE:
        cursor = now.isoformat(timespec="seconds")  # which forgets what was reported of each run
    return _fitted(head, [one for one in sections if one.lines], cursor, tokens)


def _sampled_once(
    sample: Callable[[RunSummary], Iterable[Measured]],
) -> Callable[[RunSummary], list[Measured]]:
    found: dict[str, list[Measured]] = {}

    def once(run: RunSummary) -> list[Measured]:
        if run.id not in found:
            found[run.id] = [*sample(run)]
        return found[run.id]

    return once


def _fitted(head: str, sections: Sequence[Section], cursor: str, tokens: int) -> Brief:
    """As many lines as there is room for, each section with its most important ones."""
    places = [
        (line >= _FIRST_LINES, section, line)
        for section, one in enumerate(sections)
        for line in range(len(one.lines))
    ]
    kept = [0] * len(sections)

    def brief() -> Brief:
        shown = [Section(one.title, one.lines[:n]) for one, n in zip(sections, kept, strict=True)]
        left_out = len(places) - sum(kept)
        return Brief(head, tuple(one for one in shown if one.lines), cursor, left_out)

    for _, section, _line in sorted(places):
        kept[section] += 1
        if brief().tokens > tokens:
            kept[section] -= 1
            break
    return brief()


def _state(runs: Sequence[RunSummary]) -> str:
    counts = Counter(run.status for run in runs)
    states = ", ".join(f"{counts[one]:,} {one.value}" for one in STATUS_ORDER if counts[one])
    return f"{counted(len(runs), 'run')}: {states}." if runs else "No runs."


def _name(names: dict[str, str], run: RunSummary) -> str:
    return safe_text(names.get(run.id, run.title), _LONGEST_NAME)


def _line(text: str) -> str:
    return f"- {safe_text(text, _LONGEST_LINE)}"


def _troubles(
    runs: Sequence[RunSummary],
    names: dict[str, str],
    sample: Callable[[RunSummary], Iterable[Measured]],
    rules: Sequence[Rule],
    now: datetime,
) -> Iterator[str]:
    """What is wrong now, and which runs ended badly in the last day, the newest first."""
    by_id = {run.id: run for run in runs}
    for alert in reversed(RuleWatch(sample, rules).observe(runs, now)):
        name, text = _name(names, by_id[alert.run_id]), safe_text(alert.text, _LONGEST_LINE)
        yield _line(f"{name}: {safe_text(alert.kind)}{f', {text}' if text else ''}")


def _changes(events: Sequence[Event]) -> Iterator[str]:
    for event in reversed(events):
        what = safe_text(event.alert or event.kind.value)
        text = f", {safe_text(event.text, _LONGEST_LINE)}" if event.text else ""
        yield _line(
            f"{event.time:%m-%d %H:%M} {safe_text(event.name, _LONGEST_NAME)}: {what}{text}"
        )


def _going_on(
    runs: Sequence[RunSummary],
    names: dict[str, str],
    sample: Callable[[RunSummary], Sequence[Measured]],
) -> Iterator[str]:
    alive = [run for run in runs if run.status in ALIVE]
    for run in sorted(alive, key=start_order, reverse=True):
        facts = [f"{steps_text(run)} iterations"]
        if (share := progress(run)) is not None:
            facts.append(percentage(share))
        if (left := eta_seconds(run)) is not None:
            facts.append(f"{duration(left)} left")
        metric = primary_metric([run])
        for one in dict.fromkeys(("train_loss", metric)):
            if (last := last_value(run, one)) is not None:
                best = best_text(run, one, number)
                facts.append(f"{field_of(one).words} {number(last)}, best {best}")
        yield _line(f"{_name(names, run)}: {', '.join(facts)}{_trend_text(run, sample)}")


def _trend_text(run: RunSummary, sample: Callable[[RunSummary], Sequence[Measured]]) -> str:
    """The trend of the train loss: "; falling from 3.1 to 2.9 in the last 8,000 iterations"."""
    try:
        known = [(one.iteration, one.loss) for one in sample(run) if one.loss is not None]
    except (OSError, ValueError):
        return ""  # the run may have just been removed
    columns = np.array(known, np.float64).reshape(-1, 2)
    found = trend_of(finite(columns[:, 0], columns[:, 1]))
    if found is None:
        return ""
    length = f"in the last {count(whole(float(round(found.length))))} iterations"
    if found.direction == "level":
        return f"; level at {number(found.after)} {length}"
    return f"; {found.direction} from {number(found.before)} to {number(found.after)} {length}"


def _results(runs: Sequence[RunSummary], names: dict[str, str]) -> Iterator[Section]:
    """The best runs, and which settings go with a good result."""
    metric = primary_metric(runs)
    direction = direction_of(metric)
    ranked = leaders(runs, metric, direction) if direction is not None else []
    if direction is None or not ranked:
        return
    words = field_of(metric).words
    yield Section(f"Best {words}, {direction} is better", (*_best(ranked, names),))
    found = importance_of(ranked, direction)
    mattering = [one for one in found.settings if not one.may_be_chance][:_MATTERING]
    lines = [
        f"{safe_text(one.name, _LONGEST_NAME)}: explains {percentage(one.share)} of the order of "
        f"{counted(one.n, 'run')}; better: {better_text(one)}"
        for one in mattering
    ]
    if lines:
        lines += found.warnings
    yield Section(f"Settings that go with the {words}", tuple(map(_line, lines)))


def _best(ranked: Sequence[Leader], names: dict[str, str]) -> Iterator[str]:
    shown = ranked[:_BEST]
    settings = [run_settings(leader.run) for leader in shown]
    telling = distinctive_settings(settings)[:_SETTINGS_OF_BEST]
    for leader, known in zip(shown, settings, strict=True):
        facts = [
            f"{safe_text(name, _WIDEST_SETTING)} {setting_text(known[name], _WIDEST_SETTING)}"
            for name in telling
            if name in known
        ]
        value = at_iteration(number(leader.value, 5), leader.iteration)
        status = "" if leader.run.status in ENDED else f" ({leader.run.status.value})"
        yield _line(f"{_name(names, leader.run)} {value}{status}: {', '.join(facts)}".rstrip(": "))


def _ended(runs: Sequence[RunSummary], names: dict[str, str], now: datetime) -> Iterator[str]:
    """The runs that ended in the last day, the last one first."""
    metric = primary_metric(runs)
    recent = []
    for run in runs:
        age = age_seconds(run.end_time, now) if run.status in ENDED else None
        if age is not None and age <= _NEWS_SECONDS:
            recent.append((age, run))
    for age, run in sorted(recent, key=lambda pair: (pair[0], pair[1].id)):
        best = best_text(run, metric, number)
        ago = f"{duration(age)} ago"
        words = field_of(metric).words
        yield _line(f"{_name(names, run)}: {run.status.value} {ago}, best {words} {best}")
