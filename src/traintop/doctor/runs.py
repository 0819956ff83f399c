"""Checks of the runs: the troubleshooting checklist, answered from what their files say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traintop.analysis.naming import unique_names
from traintop.doctor.file_state import FileState, file_state, is_torn_in_its_head
from traintop.doctor.findings import Finding, Level, first_ones
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.text import counted, duration, safe_text

_PATIENCE_SECONDS = 300.0  # for the first record: compiling a model and loading data take time
_USUAL_ACCUMULATION = 100  # records before the first optimizer step that accumulation explains
_LONGEST_ERROR = 80

_VAGUE_WORDS = (
    "test|tests|testing|experiment|experiments|exp|my_?experiment|my_?exp|my_?run|default|run|runs"
    "|train|training|model|debug|tmp|temp|try|trial|foo|bar|baz|asdf|untitled|unnamed|new|name|none"
    "|null|undefined|xxx|experiment_?name|your_?name"
)
_VAGUE_NAME = re.compile(rf"(?:{_VAGUE_WORDS}|[^\W\d_])?[\W\d_]*", re.IGNORECASE)

_LEFT_WITHOUT_FINISH = "without finish()"
"""What the tracker writes as the error of a run whose process just ended."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, by the name it has among the others."""

    name: str
    summary: RunSummary
    state: FileState
    torn_in_its_head: bool = False

    @property
    def ended(self) -> bool:
        return self.summary.status not in ALIVE

    @property
    def records(self) -> int:
        return self.summary.count or 0


def run_facts(summaries: Sequence[RunSummary]) -> list[RunFacts]:
    """Looks at the ends of each run's file."""
    names = unique_names(summaries)
    return [_facts_of(run, names) for run in summaries]


def _facts_of(run: RunSummary, names: Mapping[Path, str]) -> RunFacts:
    if run.status is RunStatus.UNREADABLE:
        return RunFacts(safe_text(run.path.name), run, FileState(), is_torn_in_its_head(run.path))
    return RunFacts(safe_text(names[run.path]), run, file_state(run))


def check_runs(facts: Sequence[RunFacts]) -> Iterator[Finding]:
    """The findings about some runs, in the order of the checklist. None without runs."""
    if not facts:
        return
    yield _readable(facts)
    readable = [run for run in facts if run.summary.status is not RunStatus.UNREADABLE]
    for check in (_started, _logged, _counted_steps, _finished, _saved, _named):
        yield from check(readable)


def _readable(facts: Sequence[RunFacts]) -> Finding:
    bad = [run for run in facts if run.summary.status is RunStatus.UNREADABLE]
    if not bad:
        return Finding("runs.readable", Level.OK, "files readable")
    reasons = [f"{run.name} {safe_text(run.summary.problem)}" for run in bad]
    next_step = "mend the permissions, or move the file out of the log directory"
    if any(run.torn_in_its_head for run in bad):
        next_step = (
            "a file torn within its first line never held a record, so there is nothing to repair: "
            "move it out of the log directory"
        )
    return Finding(
        "runs.readable",
        Level.PROBLEM,
        f"{counted(len(bad), 'file')} cannot be read: {first_ones(reasons)}",
        next_step,
        _names(bad),
    )


def _started(runs: Sequence[RunFacts]) -> Iterator[Finding]:
    yield _about(
        runs,
        lambda run: not run.summary.start_time,
        Finding("runs.start", Level.OK, "start() called"),
        Level.NOTE,
        "no start time: start() was never called",
        "call tracker.start() before the training loop, or use: with ExperimentTracker(config) as "
        "tracker:",
    )


def _logged(runs: Sequence[RunFacts]) -> Iterator[Finding]:
    empty = [run for run in runs if not run.records]
    # A run that died may have died before its first record.
    yield _about(
        runs,
        lambda run: not run.records and run.summary.status is RunStatus.FINISHED,
        Finding("runs.log_metrics", Level.OK, "log_metrics() called"),
        Level.PROBLEM,
        "finished without a record: log_metrics() was never called",
        "call tracker.log_metrics(iteration=i, train_loss=loss) in the training loop",
    )
    waiting = [
        run
        for run in empty
        if not run.ended and (run.summary.duration_seconds or 0.0) > _PATIENCE_SECONDS
    ]
    if waiting:
        yield Finding(
            "runs.log_metrics",
            Level.NOTE,
            f"{_which(waiting, runs)}: running for {_longest(waiting)} and no record yet",
            "if training is under way, call tracker.log_metrics(iteration=i, train_loss=loss) in "
            "the loop",
            _names(waiting),
        )
    lost = [run for run in empty if run.ended and run.summary.status is not RunStatus.FINISHED]
    if lost:
        yield Finding(
            "runs.log_metrics",
            Level.NOTE,
            f"{_which(lost, runs)}: ended before the first record",
            "nothing, if the run failed early; the summary of the run says how it ended",
            _names(lost),
        )


def _longest(runs: Sequence[RunFacts]) -> str:
    return duration(max(run.summary.duration_seconds or 0.0 for run in runs))


def _counted_steps(runs: Sequence[RunFacts]) -> Iterator[Finding]:
    def never_counted(run: RunFacts) -> bool:
        # With gradient accumulation, a young run may not have come to its first step.
        least = 1 if run.summary.status is RunStatus.FINISHED else _USUAL_ACCUMULATION
        return run.summary.gradient_step == 0 and run.records >= least

    yield _about(
        runs,
        never_counted,
        Finding("runs.increment_gradient_step", Level.OK, "increment_gradient_step() called"),
        Level.PROBLEM,
        "gradient_step is 0 in every record: increment_gradient_step() was never called",
        "call tracker.increment_gradient_step() after each optimizer.step()",
    )


def _finished(runs: Sequence[RunFacts]) -> Iterator[Finding]:
    def left(run: RunFacts) -> bool:
        summary = run.summary
        gone = summary.status is RunStatus.INTERRUPTED and _LEFT_WITHOUT_FINISH in summary.error
        # A torn file does not tell how its run ended; that it is torn is said below.
        return (gone or summary.status is RunStatus.CRASHED) and not run.state.torn

    yield _about(
        runs,
        left,
        Finding("runs.finish", Level.OK, "ends recorded"),
        Level.PROBLEM,
        "the process is gone and finish() was never reached",
        "go on with it: ExperimentTracker.resume(name); for the next one, a with block records "
        "exceptions, and finish() belongs after the loop",
    )
    stalled = [run for run in runs if run.summary.status is RunStatus.STALLED]
    if stalled:
        yield Finding(
            "runs.finish",
            Level.NOTE,
            f"{_which(stalled, runs)}: says running, but gives no sign of life",
            f"look on its host ({_hosts(stalled)}) whether the process still lives; if not, go on "
            "with it: ExperimentTracker.resume(name)",
            _names(stalled),
        )
    failed = [run for run in runs if run.summary.status is RunStatus.FAILED]
    if failed:
        texts = [f"{run.name} ({safe_text(run.summary.error, _LONGEST_ERROR)})" for run in failed]
        yield Finding(
            "runs.outcome",
            Level.NOTE,
            f"{counted(len(failed), 'run')} failed: {first_ones(texts)}",
            "mend the cause, then train anew or go on with it: ExperimentTracker.resume(name)",
            _names(failed),
        )


def _hosts(runs: Sequence[RunFacts]) -> str:
    hosts = dict.fromkeys(safe_text(run.summary.environment.get("host") or "?") for run in runs)
    return first_ones([*hosts])


def _saved(runs: Sequence[RunFacts]) -> Iterator[Finding]:
    yield _about(
        runs,
        lambda run: run.state.torn,
        Finding("runs.save", Level.OK, "files whole"),
        Level.PROBLEM,
        "torn by a crash or power loss; what was written before is shown, but the file is no JSON",
        "traintop doctor --repair, which keeps a copy of the torn file",
    )
    losing = [run for run in runs if run.state.dropped]
    if losing:
        lost = sum(run.state.dropped for run in losing)
        yield Finding(
            "runs.dropped",
            Level.NOTE,
            f"{_which(losing, runs)}: {counted(lost, 'record')} lost, for the disk refused them "
            "too long",
            "keep the disk free: the tracker holds records in memory only for a while",
            _names(losing),
        )


def _named(runs: Sequence[RunFacts]) -> Iterator[Finding]:
    yield _about(
        runs,
        lambda run: is_vague(run.summary.name),
        Finding("runs.names", Level.OK, "names descriptive"),
        Level.NOTE,
        "the name does not say what is tried",
        'name it after what is different: experiment_name="baseline", "lr_1e-3", "double_capacity"',
    )
    shared = _names_of_different_settings(runs)
    yield _about(
        runs,
        lambda run: run.summary.name in shared,
        Finding("runs.unique_names", Level.OK, "names unique"),
        Level.NOTE,
        "one name for different settings; the newest run owns it",
        'put what differs into the name, as in f"lr_{lr:.0e}"',
    )


def is_vague(name: str) -> bool:
    """Whether an experiment's name tells nothing: "test", "my_experiment", "run2", "x", "17"."""
    return _VAGUE_NAME.fullmatch(name) is not None


def _names_of_different_settings(runs: Sequence[RunFacts]) -> set[str]:
    """The names that several runs share although more than the seed differs."""
    by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        settings = {key: value for key, value in run.summary.config.items() if key != "seed"}
        by_name[run.summary.name].append(settings)
    return {
        name
        for name, configs in by_name.items()
        if any(settings != configs[0] for settings in configs)
    }


def _about(
    runs: Sequence[RunFacts],
    is_meant: Callable[[RunFacts], bool],
    otherwise: Finding,
    level: Level,
    what: str,
    next_step: str,
) -> Finding:
    """What is to be said of the runs that are meant, or ``otherwise`` when none is."""
    meant = [run for run in runs if is_meant(run)]
    if not meant:
        return otherwise
    return Finding(
        otherwise.check, level, f"{_which(meant, runs)}: {what}", next_step, _names(meant)
    )


def _which(meant: Sequence[RunFacts], runs: Sequence[RunFacts]) -> str:
    of = f" of {len(runs):,}" if len(runs) > len(meant) else ""
    return f"{len(meant):,}{of} {'run' if len(runs) == 1 else 'runs'} ({first_ones(_names(meant))})"


def _names(runs: Sequence[RunFacts]) -> tuple[str, ...]:
    return tuple(run.name for run in runs)
