"""What `traintop report` writes about runs: configuration, results, and the overview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from traintop.analysis.differences import DEFAULT, differing_settings, settings_with_asides
from traintop.analysis.naming import unique_names
from traintop.analysis.ranking import sorted_runs
from traintop.analysis.run_tables import setting_columns
from traintop.fields import best_text, field_of
from traintop.metrics import stats_of
from traintop.model import RunSummary
from traintop.progress import progress, steps_done
from traintop.tables import Align, Column, Table, code_span
from traintop.text import count, number, percentage, safe_text, setting_text

_LONGEST_NAME = 60
_LONGEST_VALUE = 80
_LONGEST_NOTE = 500
_SHOWN_COMMIT = 12


def overview_block(newest_first: Sequence[RunSummary]) -> list[str]:
    """All experiments, the newest run of each, the lowest validation loss first."""
    if not newest_first:
        return ["No runs yet."]
    counts = Counter(run.title for run in newest_first)
    newest = sorted_runs([*{run.title: run for run in reversed(newest_first)}.values()])
    return _table(
        _literal("Experiment", (run.title for run in newest), "left"),
        *_results(newest),
        Column.of_texts("Runs", (str(counts[run.title]) for run in newest)),
    )


def configuration_block(newest_first: Sequence[RunSummary]) -> list[str]:
    """The settings that all runs share, those they differ in, and where the newest was trained."""
    newest = newest_first[0]
    differing = differing_settings(newest_first)
    given: list[str] = []
    defaults: list[str] = []
    for name, value, aside in settings_with_asides(newest):
        if name not in differing:
            (defaults if aside == DEFAULT else given).append(_setting(name, value))
    lines = [", ".join(given)] if given else []
    if defaults:
        lines += [*([""] if lines else []), f"Defaults: {', '.join(defaults)}"]
    if differing:
        names = ", ".join(code_span(name, _LONGEST_NAME) for name in differing)
        lines += ["", f"Different in these runs: {names}"]
    if environment := _environment(newest.environment):
        lines += ["", f"Trained with {environment}"]
    return lines


def results_block(newest_first: Sequence[RunSummary]) -> list[str]:
    """A line for each run, the lowest validation loss first, then notes and errors."""
    labels = unique_names(newest_first)
    # Runs of one experiment are in the order of their start: it is one thing, tried again.
    is_sweep = len({run.title for run in newest_first}) > 1
    ordered = sorted_runs(newest_first) if is_sweep else newest_first
    lines = _table(
        _literal("Run", (labels[run.id] for run in ordered), "left"),
        *_results(ordered),
        _literal("Started", (_plain(run, "start_time") for run in ordered)),
        *setting_columns(ordered, _LONGEST_VALUE),
    )
    remarks = [
        f"- {code_span(labels[run.id], _LONGEST_NAME)} {word}: {code_span(text, _LONGEST_NOTE)}"
        for run in ordered
        for word, text in (("notes", run.notes), (run.status.value, run.error))
        if text
    ]
    return [*lines, "", *remarks] if remarks else lines


def _table(*columns: Column) -> list[str]:
    return Table(columns).markdown().split("\n")


def _literal(heading: str, texts: Iterable[str], align: Align = "right") -> Column:
    shown = (safe_text(text, _LONGEST_NAME) for text in texts)
    return Column.of_texts(heading, shown, align, literal=True)


def _results(runs: Sequence[RunSummary]) -> list[Column]:
    return [
        Column.of_texts(field_of(name).words.capitalize(), (text(run, name) for run in runs))
        for name, text in _RESULTS.items()
    ]


def _plain(run: RunSummary, name: str) -> str:
    field = field_of(name)
    return field.text(field.value(run))


def _iterations(run: RunSummary, _: str) -> str:
    done, share = count(steps_done(run) or 0), progress(run)
    return done if share is None or share >= 1 else f"{done} ({percentage(share)})"


def _best(run: RunSummary, name: str) -> str:
    metric = field_of(name).metric or name
    stats = stats_of(run, metric)
    nan = " (and NaN)" if stats is not None and stats.nonfinite else ""
    return f"{best_text(run, metric, lambda best: number(best, 5))}{nan}"


_RESULTS: Mapping[str, Callable[[RunSummary, str], str]] = {
    "status": _plain,
    "step": _iterations,
    "best_val_loss": _best,
    "best_train_loss": _best,
    "mean_tokens_per_sec": _plain,
    "duration": _plain,
}


def _setting(name: str, value: Any) -> str:
    text = f"{name}={setting_text(value, _LONGEST_VALUE + 1)}"
    return code_span(text, _LONGEST_NAME + _LONGEST_VALUE)


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
    return ", ".join(parts)
