"""What sets two runs apart: what they reached, where their curves part, and what may be the cause.

What differs is ranked by how likely it is the cause: settings that a person gave come first, those
before others that go with a good result among all runs (see :mod:`.importance`); then the code, the
seed, the machine and its software; then defaults, and what rarely matters, such as the directory.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from traintop.analysis.compare import ComparisonRun
from traintop.analysis.curve_differences import CurveDifference, curve_difference
from traintop.analysis.differences import (
    ABSENT,
    PROCESS_FACTS,
    differing,
    is_seed,
    run_settings,
    settings_key,
)
from traintop.analysis.ranking import leaders
from traintop.direction import Direction
from traintop.metrics import (
    best_iteration,
    best_value,
    column_name,
    direction_of,
    in_order,
    names_of_metrics,
    primary_metric,
)
from traintop.model import DIRECTIONS, RunSummary
from traintop.system_metrics import is_system_metric
from traintop.text import Default

if TYPE_CHECKING:
    from traintop.analysis.run import Run

Kind = Literal["setting", "code", "seed", "environment", "default", "circumstance"]
KINDS: tuple[Kind, ...] = ("setting", "code", "seed", "environment", "default", "circumstance")
"""What may differ, the likeliest cause first."""

_CIRCUMSTANCES = frozenset(
    {"command", "directory", "user", "host", "job_id", "rank", "tags", "logged_with"}
)
_OF_ONE_RUN = PROCESS_FACTS | {
    *("pid", "git_commit", "exit_code", "signal", "command_seconds", DIRECTIONS)
}
_FILE = re.compile(r"^diff --git .*? b/(.*)$", re.MULTILINE)


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not the same in two runs, with the value of each.

    Of a setting, ``share`` is how much of the order of all runs it explains, where that is known
    and unlikely to be chance. ``note`` says more.
    """

    kind: Kind
    name: str
    values: tuple[Any, Any]
    share: float | None = None
    note: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """The best that each of two runs reached of the metric by which they are judged, and where."""

    metric: str
    direction: Direction
    values: tuple[float | None, float | None]
    iterations: tuple[float | None, float | None]


class Explanation(msgspec.Struct, frozen=True):
    """What sets two runs apart. Curves are in the order in which they part, causes ranked."""

    names: tuple[str, str]
    outcome: Outcome | None
    curves: tuple[CurveDifference, ...]
    differences: tuple[Difference, ...]
    same: tuple[str, ...]
    """What both have alike, in words."""


def why(
    a: ComparisonRun,
    b: ComparisonRun,
    *,
    among: Sequence[RunSummary] = (),
    patches: tuple[str | None, str | None] = (None, None),
) -> Explanation:
    """What sets two runs apart, whose records are read.

    ``among`` are the runs whose results say which settings matter. ``patches`` are what was changed
    of the code of each since its commit, as git says it; ``None`` where that was not kept.
    """
    runs = (a.summary, b.summary)
    metric = primary_metric(runs)
    found = [
        *_settings(*runs, _shares(among, metric)),
        *_code(*runs, patches),
        *_environment(*runs),
    ]
    found.sort(key=lambda one: (KINDS.index(one.kind), -(one.share or 0.0)))
    return Explanation(
        (a.name, b.name), _outcome(*runs, metric), _curves(a, b), tuple(found), (*_same(*runs),)
    )


def why_of(a: Run, b: Run) -> Explanation:
    """As :func:`why`, of opened runs: their records are read, and the patches beside their files.

    Among all that were opened with them, but archived ones. Raises ``UnreadableRunError``.
    """
    both = [ComparisonRun(run.name, run.summary, run.history()) for run in (a, b)]
    patches = a.patch(), b.patch()
    return why(*both, among=a.opened_with.listed().summaries, patches=patches)


def _outcome(a: RunSummary, b: RunSummary, metric: str) -> Outcome | None:
    direction = direction_of(metric)
    bests = best_value(a, metric), best_value(b, metric)
    if direction is None or bests == (None, None):
        return None
    first, second = (
        None if best is None else best_iteration(run, metric, best)
        for run, best in zip((a, b), bests, strict=True)
    )
    return Outcome(metric, direction, bests, (first, second))


def _curves(a: ComparisonRun, b: ComparisonRun) -> tuple[CurveDifference, ...]:
    """The metrics that both logged, those first that part first, then those that do not."""
    if a.history is None or b.history is None:
        return ()
    found = []
    logged = (names_of_metrics(history.metrics) for history in (a.history, b.history))
    for metric in in_order(itertools.chain.from_iterable(logged)):
        if is_system_metric(metric):  # which part at once, and explain nothing
            continue
        names = [column_name(metric, h.metrics) for h in (a.history, b.history)]
        if names[0] in a.history.metrics and names[1] in b.history.metrics:
            sides = (a.history, names[0]), (b.history, names[1])
            found.append(curve_difference(metric, *sides))
    return tuple(sorted(found, key=_parting_order))


def _parting_order(curve: CurveDifference) -> tuple[bool, float, bool]:
    apart = curve.apart_from
    return apart is None, apart or 0.0, not curve.comparable


def _shares(runs: Sequence[RunSummary], metric: str) -> dict[str, float]:
    from traintop.analysis.importance import importance_of

    direction = direction_of(metric)
    if direction is None:
        return {}
    found = importance_of(leaders(runs, metric, direction), direction)
    return {one.name: one.share for one in found.settings if not one.may_be_chance}


# What differs.


def _settings(a: RunSummary, b: RunSummary, shares: Mapping[str, float]) -> Iterator[Difference]:
    both = [run_settings(a), run_settings(b)]
    for name in differing(both):
        first, second = (settings.get(name, ABSENT) for settings in both)
        nobody_gave_it = all(isinstance(one, (Default, type(ABSENT))) for one in (first, second))
        kind: Kind = "default" if nobody_gave_it else "seed" if is_seed(name) else "setting"
        yield Difference(kind, name, (first, second), shares.get(name))


def _code(
    a: RunSummary, b: RunSummary, patches: tuple[str | None, str | None]
) -> Iterator[Difference]:
    facts = (a.environment, b.environment)
    commits = tuple(one.get("git_commit") for one in facts)
    if commits[0] != commits[1]:
        yield Difference("code", "git commit", (commits[0], commits[1]))
    dirty = [one.get("git_dirty") is True or bool(p) for one, p in zip(facts, patches, strict=True)]
    if not any(dirty):
        return
    if any(d and p is None for d, p in zip(dirty, patches, strict=True)):
        states = tuple("yes" if one else "no" for one in dirty)
        note = "which they were was not recorded: traintop run keeps them"
        yield Difference("code", "uncommitted changes", (states[0], states[1]), note=note)
        return
    changed = [_changed_files(patch or "") for patch in patches]
    for path in differing(changed):
        first, second = (_size_of_change(files.get(path, "")) for files in changed)
        yield Difference("code", path, (first, second), note="lines that were not committed")


def _changed_files(patch: str) -> dict[str, str]:
    """By path, what a patch changes of each file."""
    starts = [*_FILE.finditer(patch)]
    ends = [*(match.start() for match in starts[1:]), len(patch)]
    return {match[1]: patch[match.end() : end] for match, end in zip(starts, ends, strict=True)}


def _size_of_change(change: str) -> str:
    """How many lines a change adds and removes: "+3 -1"."""
    body = change[change.find("\n@@") :] if "\n@@" in change else ""
    signs = Counter(line[:1] for line in body.splitlines())
    return f"+{signs['+']} -{signs['-']}" if change else "unchanged"


def _environment(a: RunSummary, b: RunSummary) -> Iterator[Difference]:
    facts = _facts(a), _facts(b)
    for name in differing(facts):
        first, second = (one.get(name, ABSENT) for one in facts)
        if name == "command" and isinstance(first, str) and isinstance(second, str):
            first, second = _differing_arguments(first, second)
        kind: Kind = "circumstance" if name in _CIRCUMSTANCES else "environment"
        yield Difference(kind, name.replace("_", " "), (first, second))


def _facts(run: RunSummary) -> dict[str, Any]:
    known = run.environment.items()
    return {name: v for name, v in known if name not in _OF_ONE_RUN and v not in (None, "", [], {})}


def _differing_arguments(first: str, second: str) -> tuple[str, str]:
    """What only one of two command lines has; both as they are where only the order differs."""
    both = [_arguments(line) for line in (first, second)]
    counts = [Counter(arguments) for arguments in both]
    own = [
        shlex.join(word for word in arguments if own_count[word] > other_count[word])
        for arguments, own_count, other_count in zip(both, counts, counts[::-1], strict=True)
    ]
    return (own[0], own[1]) if any(own) else (first, second)


def _arguments(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        return line.split()


def _same(a: RunSummary, b: RunSummary) -> Iterator[str]:
    settings = [run_settings(run) for run in (a, b)]
    alike = [
        name
        for name, value in settings[0].items()
        if name in settings[1]
        and not isinstance(value, Default)
        and settings_key(value) == settings_key(settings[1][name])
    ]
    if alike:
        yield f"{len(alike)} setting{'s' if len(alike) != 1 else ''}"
    commits = {run.environment.get("git_commit") for run in (a, b)}
    if len(commits) == 1 and commits != {None}:
        yield "git commit"
    facts = _facts(a), _facts(b)
    different = {*differing(facts)}
    yield from (
        name.replace("_", " ")
        for name in itertools.islice(facts[0], 20)
        if name not in different and name not in ("rank", "world_size")
    )
