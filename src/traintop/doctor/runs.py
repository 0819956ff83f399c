"""Checks of the runs, from what their files say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from traintop.analysis.naming import unique_names
from traintop.doctor.findings import Finding, Level, first_ones
from traintop.logfile.lines import LineReader, Rewind, lines_crc32, lines_from
from traintop.model import ALIVE, LOGGED_WITH, WRITTEN_BY, RunStatus, RunSummary
from traintop.process import has_ended
from traintop.progress import stall_text
from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles
from traintop.store.formats.traintop import LogFile
from traintop.text import counted, duration, safe_text

_SECONDS_TO_FIRST_RECORD = 300.0  # compiling a model and loading data take time
_USUAL_ACCUMULATION = 100  # records before the first optimizer step that accumulation explains
_LONGEST_DETAIL = 80
_FURTHER_NAME = re.compile(r"(_\d{8}_\d{6})_\d+(?=\.json$)")

_LEFT_WITHOUT_FINISH = "without finish()"
"""What the tracker writes as the error of a run whose process just ended."""


class FileState(NamedTuple):
    """What a file says, beyond its summary."""

    torn: bool = False  # by a crash or power loss, or changed by hand: it has no whole tail
    damaged: int = 0  # lines that hold no record, which all readers skip
    dropped: int = 0  # records that were lost because the disk refused them for too long
    rewinds: int = 0  # lines that make void what is before them, beyond an iteration
    altered: bool = False  # all lines are records, but not as they were written


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, by the name it has among the others."""

    name: str
    summary: RunSummary
    state: FileState

    @property
    def ended(self) -> bool:
        """Whether the run is over, however it ended."""
        return self.summary.status not in ALIVE

    @property
    def records(self) -> int:
        """How many records it has."""
        return self.summary.count or 0


def run_facts(summaries: Sequence[RunSummary]) -> list[RunFacts]:
    """What the doctor needs to know of each run, by a look at both ends of its file."""
    names = unique_names(summaries)
    return [_facts_of(run, names) for run in summaries]


def _facts_of(run: RunSummary, names: Mapping[str, str]) -> RunFacts:
    if run.status is RunStatus.UNREADABLE:
        return RunFacts(safe_text(PurePath(run.id).name), run, FileState())
    return RunFacts(safe_text(names[run.id]), run, _file_state(run))


def _file_state(run: RunSummary) -> FileState:
    """The state of a run's file, all of which is read.

    A file that is being written does not count as torn.
    """
    file = LogFile(LocalFiles(), run.id)
    try:
        ends = file.ends(file.stat().size)
        if ends.head is None:
            return FileState()  # another program's document, which was read whole
        lines = LineReader()
        regions = (region for _, region in lines_from(file.read, ends.head.records_at, ends))
        steps = lines.steps(regions, torn=ends.tail is None)
        rewinds = sum(isinstance(step, Rewind) for step in steps)
        tail, records_at = ends.tail, ends.head.records_at
        altered = (
            tail is not None
            and tail.lines_crc32 is not None
            and tail.lines_crc32 != lines_crc32(file.read, records_at, ends.lines_end or 0)
        )
    except FileError:
        return FileState()
    torn = ends.tail is None and not _may_be_written(run)
    dropped = ends.tail.dropped if ends.tail else 0
    return FileState(torn, lines.damaged, dropped, rewinds, altered and not lines.damaged)


def _may_be_written(run: RunSummary) -> bool:
    """Whether a process may be at work on the file right now."""
    if run.status not in ALIVE:
        return False
    ended = has_ended(run.environment)
    return run.status is RunStatus.RUNNING if ended is None else not ended


def check_runs(facts: Sequence[RunFacts]) -> Iterator[Finding]:
    """The findings about some runs, in the order of the checklist. None without runs."""
    if not facts:
        return
    unreadable = [run for run in facts if run.summary.status is RunStatus.UNREADABLE]
    yield from _UNREADABLE.findings(unreadable, len(facts))
    readable = [run for run in facts if run.summary.status is not RunStatus.UNREADABLE]
    for check in _checks(readable):
        yield from check.findings([run for run in readable if check.applies(run)], len(readable))


@dataclass(frozen=True, slots=True)
class _Check:
    """What to say about the runs to which a check ``applies``.

    ``passed`` says that there is none; where it is empty, this is not worth mentioning. ``detail``
    is what differs from run to run.
    """

    name: str
    level: Level
    applies: Callable[[RunFacts], bool]
    what: str
    next_step: str
    passed: str = ""
    detail: Callable[[RunFacts], str] = lambda run: ""
    noun: str = "run"

    def findings(self, meant: Sequence[RunFacts], total: int) -> Iterator[Finding]:
        """One finding about these runs, out of so many, if any is worth mentioning."""
        if meant:
            shown = first_ones([self._shown(run) for run in meant])
            names = tuple(run.name for run in meant)
            what = f"{self._counted(len(meant), total)} {self.what}: {shown}"
            yield Finding(self.name, self.level, what, self.next_step, names)
        elif self.passed:
            yield Finding(self.name, Level.OK, self.passed)

    def _shown(self, run: RunFacts) -> str:
        detail = safe_text(self.detail(run), _LONGEST_DETAIL)
        return f"{run.name} ({detail})" if detail else run.name

    def _counted(self, meant: int, total: int) -> str:
        of_all = counted(total, self.noun)
        return of_all if meant == total else f"{meant:,} of {of_all}"


_UNREADABLE = _Check(
    "runs.readable",
    Level.PROBLEM,
    lambda run: run.summary.status is RunStatus.UNREADABLE,
    "cannot be read",
    "fix the permissions, or move files that are not runs out of the log directory; a file that is "
    "torn within its first line never held a record, so there is nothing to repair",
    "files readable",
    lambda run: run.summary.problem,
    noun="file",
)


def _checks(runs: Sequence[RunFacts]) -> tuple[_Check, ...]:
    """The checks of readable runs; one of them compares each with all others."""
    shared = _names_of_different_settings(runs)
    continued = continued_elsewhere(runs)
    return (
        _Check(
            "runs.start",
            Level.NOTE,
            lambda run: not run.summary.start_time and WRITTEN_BY not in run.summary.environment,
            "without a start time, as start() was never called",
            "call tracker.start() before the training loop, or use: with ExperimentTracker(config) "
            "as tracker:",
            "start() called",
        ),
        _Check(
            "runs.log_metrics",
            Level.PROBLEM,
            # A run that died may have died before its first record.
            lambda run: (
                not (run.records or run.summary.problem)
                and run.summary.status is RunStatus.FINISHED
            ),
            "finished without a record, as log_metrics() was never called",
            "call tracker.log_metrics(iteration=i, train_loss=loss) in the training loop",
            "log_metrics() called",
        ),
        _Check(
            "runs.log_metrics",
            Level.NOTE,
            _waits_for_a_record,
            "running without a record so far",
            "if training is under way, call tracker.log_metrics(iteration=i, train_loss=loss) in "
            "the loop",
            detail=lambda run: duration(run.summary.duration_seconds),
        ),
        _Check(
            "runs.increment_gradient_step",
            Level.PROBLEM,
            _never_counted_steps,
            "with gradient_step 0 in every record, as increment_gradient_step() was never called",
            "call tracker.increment_gradient_step() after each optimizer.step()",
            "increment_gradient_step() called",
        ),
        _Check(
            "runs.finish",
            Level.PROBLEM,
            _ended_without_finish,
            "whose process ended without finish()",
            "continue the run: ExperimentTracker.resume(name); for the next one, a with block "
            "records exceptions, and finish() belongs after the loop",
            "ends recorded",
        ),
        _Check(
            "runs.finish",
            Level.NOTE,
            lambda run: run.summary.status is RunStatus.STALLED,
            "stalled",
            "look at its process on that host: it may hang; if it is gone, continue the run: "
            "ExperimentTracker.resume(name)",
            detail=lambda run: (
                f"{stall_text(run.summary)}; "
                f"on {run.summary.environment.get('host') or 'an unknown host'}"
            ),
        ),
        _Check(
            "runs.outcome",
            Level.NOTE,
            lambda run: run.summary.status is RunStatus.FAILED,
            "failed",
            "fix the cause, then start again or continue the run: ExperimentTracker.resume(name)",
            detail=lambda run: run.summary.error,
        ),
        _Check(
            "runs.save",
            Level.PROBLEM,
            lambda run: run.state.torn,
            "torn by a crash or power loss: what was written before is shown, but the file is not "
            "valid JSON",
            "traintop doctor --repair, which keeps a copy of the torn file",
            "no torn files",
        ),
        _Check(
            "runs.damaged",
            Level.PROBLEM,
            lambda run: run.state.damaged > 0,
            "with damaged lines, which every reader skips",
            "traintop doctor --repair, which removes them and keeps a copy of the file",
            detail=lambda run: counted(run.state.damaged, "line"),
        ),
        _Check(
            "runs.unread",
            Level.NOTE,
            lambda run: bool(run.summary.problem),
            "of another program, not read as a whole",
            "copy anew what was damaged on its way; in a log of your own, write the step of each "
            'record as "iteration", and measurements as numbers',
            detail=lambda run: run.summary.problem,
        ),
        _Check(
            "runs.altered",
            Level.PROBLEM,
            lambda run: run.state.altered,
            "with records that were changed after they were written, by a program or by the disk",
            "compare them with a backup: nothing else knows what they were, so --repair cannot "
            "restore them",
        ),
        _Check(
            "runs.rewound",
            Level.NOTE,
            lambda run: run.state.rewinds > 0,
            "resumed from a checkpoint or rewound: what was logged beyond it is no longer shown",
            "nothing, if this was intended: the file is intact and still has the records",
            detail=lambda run: counted(run.state.rewinds, "time"),
        ),
        _Check(
            "runs.replaced",
            Level.PROBLEM,
            lambda run: run.summary.id in continued,
            "replaced by another program during training: the whole run is in another file",
            "traintop doctor --repair, once the run has ended: it renames the file that was left "
            "behind, so that the run is listed once",
            detail=lambda run: f"continues in {PurePath(continued[run.summary.id]).name}",
        ),
        _Check(
            "runs.dropped",
            Level.NOTE,
            lambda run: run.state.dropped > 0,
            "with records lost, as the disk refused them for too long or the file was truncated",
            "keep the disk free, for the tracker holds records in memory only for a while, and let "
            "no program write to the files of runs",
            detail=lambda run: counted(run.state.dropped, "record"),
        ),
        _Check(
            "runs.metrics",
            Level.NOTE,
            lambda run: bool(run.summary.left_out),
            "with metrics left out, because there were too many or their names were too long",
            "log fewer, such as one norm for all layers; the first ones of a family are kept",
            detail=lambda run: first_ones(run.summary.left_out),
        ),
        _Check(
            "runs.unique_names",
            Level.NOTE,
            lambda run: run.summary.name in shared,
            "sharing a name although their settings differ",
            'a shared name means the newest run; put what differs into it, as in f"lr_{lr:.0e}"',
            "names unique",
        ),
    )


def _waits_for_a_record(run: RunFacts) -> bool:
    seconds = run.summary.duration_seconds or 0.0
    return not run.records and not run.ended and seconds > _SECONDS_TO_FIRST_RECORD


def _never_counted_steps(run: RunFacts) -> bool:
    known = run.summary.environment
    if "format" not in known or not known.keys().isdisjoint((WRITTEN_BY, LOGGED_WITH)):
        return False  # its program has no such method
    # With gradient accumulation, a young run may not have come to its first step.
    least = 1 if run.summary.status is RunStatus.FINISHED else _USUAL_ACCUMULATION
    return run.summary.gradient_step == 0 and run.records >= least


def _ended_without_finish(run: RunFacts) -> bool:
    # A torn file does not say how its run ended; that it is torn has a finding of its own.
    status, error = run.summary.status, run.summary.error
    left = status is RunStatus.INTERRUPTED and _LEFT_WITHOUT_FINISH in error
    return (left or status is RunStatus.CRASHED) and not run.state.torn


def continued_elsewhere(runs: Sequence[RunFacts]) -> dict[str, str]:
    """Files left behind when one was replaced under its writer, each with that of the whole run.

    They are of one process and one start; the writer went on under the next free name.
    """
    files: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for run in runs:
        process, start = run.summary.environment, run.summary.start_time
        if start and process.get("pid") is not None:
            name = _FURTHER_NAME.sub(r"\1", run.summary.id)
            files[name, start, process.get("host"), process["pid"]].append(run.summary.id)
    found: dict[str, str] = {}
    for paths in files.values():
        *before, whole = sorted(paths, key=lambda path: (len(path), path))  # …_9, …_10
        found |= dict.fromkeys(before, whole)
    return found


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
