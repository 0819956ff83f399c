"""What `traintop report` writes about runs: configuration, results, and the overview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from traintop.analysis.differences import differing_settings
from traintop.analysis.listing import sorted_runs
from traintop.analysis.markdown import code_span, table
from traintop.analysis.naming import unique_names
from traintop.analysis.ranking import best_value, iteration_of
from traintop.model import MetricStats, RunSummary
from traintop.text import MISSING, count, duration, number, percentage, setting_text, si
from traintop.values import flat_settings

_LONGEST_NAME = 60
_LONGEST_VALUE = 80
_LONGEST_NOTE = 500
_SHOWN_COMMIT = 12


def overview_block(newest_first: Sequence[RunSummary]) -> list[str]:
    """All experiments, the newest run of each, the lowest validation loss first."""
    if not newest_first:
        return ["No runs yet."]
    counts = Counter(run.name for run in newest_first)
    newest = {run.name: run for run in reversed(newest_first)}
    rows = [
        [code_span(run.name, _LONGEST_NAME), *_results(run), str(counts[run.name])]
        for run in sorted_runs([*newest.values()])
    ]
    return table(["Experiment", *_RESULT_HEADINGS, "Runs"], rows)


def configuration_block(newest_first: Sequence[RunSummary]) -> list[str]:
    """The settings that all runs share, those they differ in, and where the newest was trained."""
    newest = newest_first[0]
    differing = differing_settings(newest_first)
    shared = {
        name: value for name, value in flat_settings(newest.config).items() if name not in differing
    }
    lines = [_listed(_setting(name, value) for name, value in shared.items())]
    if differing:
        names = _listed(code_span(name, _LONGEST_NAME) for name in differing)
        lines += ["", f"Different in these runs: {names}"]
    if environment := _environment(newest.environment):
        lines += ["", f"Trained with {environment}"]
    return lines


def results_block(newest_first: Sequence[RunSummary]) -> list[str]:
    """A line for each run, the lowest validation loss first, then notes and errors."""
    labels = unique_names(newest_first)
    differing = differing_settings(newest_first)
    # Runs of one experiment stand in the order of their start: it is one thing, tried again.
    is_sweep = len({run.name for run in newest_first}) > 1
    ordered = sorted_runs(newest_first) if is_sweep else newest_first
    rows = [
        [
            code_span(labels[run.id], _LONGEST_NAME),
            *_results(run),
            _started(run),
            *(_value(settings.get(name)) for name in differing),
        ]
        for run in ordered
        for settings in (flat_settings(run.config),)
    ]
    headings = [code_span(name, _LONGEST_NAME) for name in differing]
    lines = table(["Run", *_RESULT_HEADINGS, "Started", *headings], rows)
    remarks = [
        f"- {code_span(labels[run.id], _LONGEST_NAME)} {word}: {code_span(text, _LONGEST_NOTE)}"
        for run in ordered
        for word, text in (("notes", run.notes), (run.status.value, run.error))
        if text
    ]
    return [*lines, "", *remarks] if remarks else lines


_RESULTS: tuple[tuple[str, Callable[[RunSummary], str]], ...] = (
    ("Status", lambda run: run.status.value),
    ("Iterations", lambda run: _iterations(run)),
    ("Best val loss", lambda run: _best(run, "val_loss")),
    ("Best train loss", lambda run: _best(run, "train_loss")),
    ("Tokens/s", lambda run: si(run.mean_value("tokens_per_sec"))),
    ("Time", lambda run: duration(run.duration_seconds)),
)
_RESULT_HEADINGS = [heading for heading, _ in _RESULTS]


def _results(run: RunSummary) -> list[str]:
    return [text(run) for _, text in _RESULTS]


def _iterations(run: RunSummary) -> str:
    if run.iteration is None:
        return "0"
    done = count(run.iteration + 1)
    return f"{done} ({percentage(run.progress)})" if (run.progress or 1.0) < 1.0 else done


def _best(run: RunSummary, metric: str) -> str:
    best = best_value(run, metric)
    text = number(best, 5)
    stats = run.stats.get(metric, MetricStats())
    iteration = None if best is None else iteration_of(run, metric, "min", best)
    if iteration is not None:
        text += f" at {count(iteration)}"
    return f"{text} (and NaN)" if stats.nonfinite else text


def _started(run: RunSummary) -> str:
    return code_span(run.start_time[:16].replace("T", " ")) if run.start_time else MISSING


def _setting(name: str, value: Any) -> str:
    return code_span(f"{name}={_plain(value)}", _LONGEST_NAME + _LONGEST_VALUE)


def _value(value: Any) -> str:
    return MISSING if value is None else code_span(_plain(value), _LONGEST_VALUE)


def _plain(value: Any) -> str:
    return setting_text(value, _LONGEST_VALUE + 1)


def _environment(known: Mapping[str, Any]) -> str:
    """Hardware and code. Neither host nor user nor command: notebooks are published."""
    parts = []
    gpus = known.get("gpus")
    if isinstance(gpus, list) and gpus:
        counts = Counter(map(str, gpus))
        parts += [
            f"{copies} × {code_span(gpu, _LONGEST_NAME)}" for gpu, copies in sorted(counts.items())
        ]
    if known.get("python"):
        parts.append(f"Python {code_span(known['python'], 20)}")
    if known.get("git_commit"):
        changed = " with changes" if known.get("git_dirty") else ""
        parts.append(f"commit {code_span(str(known['git_commit'])[:_SHOWN_COMMIT])}{changed}")
    return _listed(parts)


def _listed(parts: Iterable[str]) -> str:
    return ", ".join(parts)
