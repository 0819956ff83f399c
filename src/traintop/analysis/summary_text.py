"""All that is known of one run, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from traintop.analysis.differences import settings_with_asides
from traintop.analysis.system_text import system_lines
from traintop.fields import best_text, field_of
from traintop.metrics import (
    LOSSES,
    PACE,
    last_value,
    metrics_of,
    stats_of,
)
from traintop.model import ExperimentLog, MetricStats, RunStatus, RunSummary
from traintop.progress import planned_steps, progress, stall_text, steps_done
from traintop.text import MISSING, count, duration, number, percentage, safe_text, setting_text, si
from traintop.times import time_text
from traintop.tracking.statistics import RunStatistics

_LABEL_WIDTH = 18
_LONGEST_NOTE = 2000


def summary_lines(run: RunSummary, name: str) -> list[str]:
    """Results, timing, further metrics, settings and notes of a run, a line each."""
    rows = [*result_rows(run), *setting_rows(run), *remark_rows(run)]
    labelled = ((safe_text(label, _LABEL_WIDTH - 1), text) for label, text in rows)
    lines = (f"  {label:<{_LABEL_WIDTH}}{text}" for label, text in labelled)
    return [f"Run {safe_text(name)}", *lines]


def result_rows(run: RunSummary) -> list[tuple[str, str]]:
    """What a run reached, how long it took, and its further metrics: labels and texts."""
    return [*_results(run), *_command(run), *_further_metrics(run), *_system(run)]


def remark_rows(run: RunSummary) -> Iterator[tuple[str, str]]:
    """What is missing of a run, its notes and its file: labels and texts."""
    if run.left_out:
        yield "metrics left out", ", ".join(safe_text(name) for name in run.left_out)
    if run.problem:
        yield "not read", safe_text(run.problem, _LONGEST_NOTE)
    if run.damaged:
        yield "damaged lines", f"{count(run.damaged)}, left out"
    if run.notes:
        yield "notes", safe_text(run.notes, _LONGEST_NOTE)
    yield "file", safe_text(run.id, 500)


def summary_of_log(log: ExperimentLog) -> RunSummary:
    """The summary of a run that is in memory, which may have no file."""
    statistics = RunStatistics()
    statistics.add_in_order(log.metrics_history)
    last = log.metrics_history[-1] if log.metrics_history else None
    return RunSummary(
        id=str(log.path or "(none)"),
        status=log.status,
        name=log.config.experiment_name,
        config=log.config.to_dict(),
        environment={"given": log.config._given},
        start_time=log.start_time,
        end_time=log.end_time,
        duration_seconds=log.duration_seconds,
        count=statistics.count,
        gradient_step=last.gradient_step if last else 0,
        best_train_loss=log.best_train_loss,
        best_val_loss=log.best_val_loss,
        final_train_loss=log.final_train_loss,
        final_val_loss=log.final_val_loss,
        stats=statistics.summaries(),
        last=last,
        notes=log.notes,
        error=log.error,
    )


def _results(run: RunSummary) -> Iterator[tuple[str, str]]:
    why = stall_text(run) if run.status is RunStatus.STALLED else safe_text(run.error)
    yield "status", f"{run.status.value}{f': {why}' if why else ''}"
    yield "started", safe_text(time_text(run.start_time or MISSING, "seconds"))
    yield "duration", duration(run.duration_seconds)
    yield "iterations", _progress(run)
    if run.gradient_step:  # else nobody counts them
        yield "gradient steps", f"{run.gradient_step:,}"
    for label, metric in (("train loss", "train_loss"), ("val loss", "val_loss")):
        yield f"best {label}", _best_text(run, metric)
        final = getattr(run, f"final_{metric}")
        if final is not None:
            yield f"final {label}", number(final, 6)
        else:
            yield f"last {label}", number(last_value(run, metric), 6)
    throughput = stats_of(run, "tokens_per_sec") or MetricStats()
    yield "tokens/s", f"{si(throughput.mean)} mean, {si(throughput.max)} max"
    step_time = stats_of(run, "iter_time_ms") or MetricStats()
    yield "step time", f"{number(step_time.mean)} ms mean, {number(step_time.std)} ms std"


def _command(run: RunSummary) -> Iterator[tuple[str, str]]:
    """How the command ended, where `traintop run` started it."""
    ends = [name for name in ("exit_code", "signal") if name in run.environment]
    for name in ("command", *ends) if ends else ():
        yield name.replace("_", " "), safe_text(run.environment.get(name), _LONGEST_NOTE)


def _progress(run: RunSummary) -> str:
    steps = steps_done(run)
    done = MISSING if steps is None else count(steps)
    planned = planned_steps(run)
    return done if planned is None else f"{done} of {count(planned)} ({percentage(progress(run))})"


def _best_text(run: RunSummary, metric: str) -> str:
    stats = stats_of(run, metric)
    text = best_text(run, metric, lambda best: number(best, 6))
    if stats is not None and stats.nonfinite:
        text += f" ({stats.nonfinite:,} NaN or infinite)"
    return text


def _further_metrics(run: RunSummary) -> Iterator[tuple[str, str]]:
    for metric in metrics_of([run]):
        stats = stats_of(run, metric)
        if stats is not None and metric not in (*LOSSES, *PACE):
            spread = f"{number(stats.min)} to {number(stats.max)}, last {number(stats.last)}"
            yield safe_text(field_of(metric).words), spread


def _system(run: RunSummary) -> Iterator[tuple[str, str]]:
    for label, value, aside in system_lines(run):
        yield label, f"{value} ({aside})" if aside else value


def setting_rows(run: RunSummary) -> Iterator[tuple[str, str]]:
    """The settings of a run, those that a person gave first: names and texts."""
    for name, value, aside in settings_with_asides(run):
        text = setting_text(value) + (f" ({aside})" if aside else "")
        yield safe_text(name), text
