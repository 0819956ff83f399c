"""What can be asked of a run: one table of names for every face.

Filter, sort order, columns, leaderboard, comparison, JSON, CSV, report and messages all ask by
these names, so that a name has one value, one heading and one way of being written everywhere:

* a field of the table: ``status``, ``step``, ``age``;
* a metric by its last value: ``val_loss``; ``best_val_loss``, ``mean_…``, ``min_…``, ``max_…``,
  ``recent_…``, ``std_…`` and ``last_…`` of any metric;
* ``config.d_model`` for a setting, with dots into nested ones; the plain name where no metric
  has it;
* a fact about the machine: ``host``, ``git_commit``.

``docs/fields.md`` is made from it, by ``docs/make_fields.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from traintop.field import (
    FIGURE_WIDTH,
    STATUS_ORDER,
    Field,
    Getter,
    Kind,
    Value,
    plain_value,
)
from traintop.metrics import (
    METRICS,
    best_iteration,
    best_value,
    diverged,
    last_value,
    standard_name,
    stats_of,
)
from traintop.model import RECENT_VALUES, WRITTEN_BY, ExperimentConfig, RunStatus, RunSummary
from traintop.progress import PLANNED_STEPS, eta_seconds, planned_steps, progress, steps_done
from traintop.run_columns import names_of_run
from traintop.run_ids import host_of
from traintop.system_metrics import TOGETHER, system_metric
from traintop.text import MISSING, at_iteration, safe_text
from traintop.times import age_seconds
from traintop.values import setting_of

STATUS_WORDS: Mapping[RunStatus, str] = {
    RunStatus.RUNNING: "run",
    RunStatus.STALLED: "stall",
    RunStatus.CRASHED: "crash",
    RunStatus.FAILED: "fail",
    RunStatus.INTERRUPTED: "stop",
    RunStatus.FINISHED: "done",
    RunStatus.QUIET: "quiet",
    RunStatus.UNREADABLE: "file",
}
"""What the list, which has few cells for it, writes of a status; the filter knows it too."""

_LONGEST_HEADING = 16


def _defaults(run: RunSummary) -> str | None:
    given = run.given
    return ", ".join(name for name in run.config if name not in given) or None


# The table.


# fmt: off
# A table is read across.
_FIELDS = (
    Field("name", "NAME", "name", "the experiment's name, or the file's where it has none",
          lambda run, _: run.title, "text", 12, ("run", "experiment_name")),
    Field("status", "STATUS", "status", ", ".join(STATUS_ORDER),
          lambda run, _: run.status.value, "text", 11),
    Field("step", "STEP", "iterations", "iterations done",
          lambda run, _: steps_done(run), "si", 10, ("steps",), highest_first=True),
    Field("planned_steps", "PLANNED", "planned iterations", "planned iterations, from the settings",
          lambda run, _: planned_steps(run), "si", 8, PLANNED_STEPS, highest_first=True),
    Field("progress", "%", "progress", "share of the planned iterations, 0 to 1",
          lambda run, _: progress(run), "share", 4, highest_first=True),
    Field("eta", "ETA", "time left", "time left at the recent pace, while the run goes on",
          lambda run, _: eta_seconds(run), "seconds", 6, ("eta_seconds",), "s"),
    Field("age", "AGE", "age", "time since the start",
          lambda run, now: age_seconds(run.start_time, now), "age", 4, (), "s"),
    Field("duration", "TIME", "duration", "how long the run took, or has taken so far",
          lambda run, _: run.duration_seconds, "seconds", 6, ("duration_seconds", "time"), "s",
          better="lower"),
    Field("start_time", "STARTED", "start", "local time, such as 2025-02-22T14:05:30",
          lambda run, _: run.start_time, "time", 16, ("started",), highest_first=True),
    Field("end_time", "ENDED", "end", "local time, such as 2025-02-22T14:05:30",
          lambda run, _: run.end_time, "time", 16, ("ended",), highest_first=True),
    Field("iteration", "ITERATION", "iteration", "index of the last iteration, 0-based",
          lambda run, _: run.iteration, "count", 10, highest_first=True),
    Field("defaults", "DEFAULTS", "default settings", "settings left at their defaults",
          lambda run, _: _defaults(run), "text", 12),
    Field("gradient_step", "GRAD STEPS", "gradient steps", "optimizer steps so far",
          lambda run, _: run.gradient_step, "count", 10, highest_first=True),
    Field("count", "RECORDS", "records", "number of records",
          lambda run, _: run.count, "count", 8, ("records",), highest_first=True),
    Field("damaged", "DAMAGED", "damaged lines", "lines of the file that every reader skips",
          lambda run, _: run.damaged, "count", 8, ("damaged_lines",), highest_first=True),
    Field("final_train_loss", "FINAL TRAIN", "final train loss", "train loss given to finish()",
          lambda run, _: run.final_train_loss, width=12, better="lower"),
    Field("final_val_loss", "FINAL VAL", "final val loss", "validation loss given to finish()",
          lambda run, _: run.final_val_loss, width=10, better="lower"),
    Field("diverged", "DIVERGED", "diverged", "whether the last train loss is NaN or infinite",
          lambda run, _: diverged(run), "text", 9),
    Field("tags", "TAGS", "tags", "tags of the run, and those that people added",
          lambda run, _: run.tags, "text", 12, ("tag",)),
    Field("notes", "NOTES", "notes", "notes of the run, and those that people added",
          lambda run, _: "\n".join(filter(None, (run.notes, run.annotations.note))) or None,
          "text", 20, ("note",)),
    Field("tool", "TOOL", "tool", "the tool that wrote its files, where that is not traintop",
          lambda run, _: plain_value(run.environment.get(WRITTEN_BY)), "text", 12),
    Field("host", "HOST", "host", "the machine that it ran on, else the one where its file is",
          lambda run, _: plain_value(run.environment.get("host")) or host_of(run.id) or None,
          "text", 12),
    Field("root", "ROOT", "root", "below which it was found: a directory, or a place elsewhere",
          lambda run, _: run.root or None, "text", 20),
    Field("user", "USER", "user", "who started it",
          lambda run, _: plain_value(run.environment.get("user")), "text", 10),
    Field("git_commit", "COMMIT", "git commit", "the git commit of its code",
          lambda run, _: plain_value(run.environment.get("git_commit")), "text", 10, ("commit",)),
    Field("archived", "ARCHIVED", "archived", "whether the run is archived",
          lambda run, _: run.annotations.archived, "text", 9),
    Field("error", "ERROR", "error", "the exception that ended the run",
          lambda run, _: run.error or None, "text", 20),
    Field("problem", "PROBLEM", "problem", "why the file, or a part of it, cannot be read",
          lambda run, _: run.problem or None, "text", 20),
    Field("run_id", "RUN", "run id", "the file's name without its ending",
          lambda run, _: run.stem, "text", 20, ("id",)),
    Field("path", "PATH", "path", "path of the file", lambda run, _: run.id, "text", 30),
    Field("size", "SIZE", "size", "size of the file",
          lambda run, _: run.file_size or None, "bytes", 8, ("file_size",), "bytes",
          highest_first=True),
)
# fmt: on


# Metrics and their statistics.


class Statistic(msgspec.Struct, frozen=True):
    """What there is of every metric: how its label and its words begin, and how it is found."""

    label: str
    words: str
    get: Callable[[RunSummary, str], float | None]
    explanation: str


def _of_stats(attribute: str) -> Callable[[RunSummary, str], float | None]:
    return lambda run, metric: getattr(stats_of(run, metric), attribute, None)


STATISTICS: Mapping[str, Statistic] = {
    "last": Statistic("", "", last_value, "last value"),
    "best": Statistic("BEST ", "best ", best_value, "best value at any iteration"),
    "recent": Statistic(
        f"⌀{RECENT_VALUES} ",
        "recent ",
        _of_stats("recent_mean"),
        f"mean of the last {RECENT_VALUES}",
    ),
    "mean": Statistic("MEAN ", "mean ", _of_stats("mean"), "mean of all"),
    "min": Statistic("MIN ", "lowest ", _of_stats("min"), "lowest value"),
    "max": Statistic("MAX ", "highest ", _of_stats("max"), "highest value"),
    "std": Statistic("STD ", "deviation of ", _of_stats("std"), "standard deviation"),
}
"""What there is of each metric, by the prefix of its name; the last value needs none."""

_KINDS: Mapping[str, tuple[Kind, str]] = {
    "tokens_per_sec": ("si", "tokens/s"),
    "throughput": ("si", ""),
    "iter_time_ms": ("milliseconds", "ms"),
}


@functools.lru_cache(maxsize=4096)
def metric_field(name: str, metric: str, statistic: str, get: Getter | None = None) -> Field:
    """The field of a statistic of a metric; ``get`` where the name may mean something else too."""
    what, words, explanation = STATISTICS[statistic], safe_text(metric), safe_text(metric)
    is_long = len(what.label) + len(metric) >= _LONGEST_HEADING
    label = _heading(what.label + (metric.rpartition("/")[2] if is_long else metric))
    if (known := METRICS.get(metric)) is not None:
        words, explanation = known.words, known.explanation
        label = f"{what.label}{known.short}" if what.label else known.label
    kind, unit = _KINDS.get(standard_name(metric), ("measure", ""))
    if (system := system_metric(metric)) is not None:
        words, explanation, unit = system.words, system.explanation, system.unit
        label = f"{what.label}{system.label}"
        kind = "throttling" if metric.endswith("/throttle") else "number"
    return Field(
        name,
        label,
        f"{what.words}{words}",
        f"{explanation}, {what.explanation}",
        get or (lambda run, _: what.get(run, metric)),
        kind,
        max(FIGURE_WIDTH if kind != "si" else 6, len(label) + 1),
        unit=unit,
        metric=metric,
        statistic=statistic,
    )


def _heading(name: str) -> str:
    """A name as a heading: in capitals, and not too long."""
    return safe_text(safe_text(name).upper().replace("_", " "), limit=_LONGEST_HEADING - 1)


def _standard_fields() -> Iterable[Field]:
    for metric in METRICS:
        for statistic in STATISTICS:
            name = metric if statistic == "last" else f"{statistic}_{metric}"
            # A greatest learning rate is a setting of most runs, and that one is meant.
            if name not in ExperimentConfig._field_defaults:
                yield metric_field(name, metric, statistic)


FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        *_FIELDS,
        *_standard_fields(),
        *(metric_field(name, name, "last") for name in TOGETHER),
    )
}
"""The fields that every run may have, by name; :func:`field_of` makes those of what runs logged."""

SYNONYMS: Mapping[str, str] = {
    **{synonym: field.name for field in FIELDS.values() for synonym in field.synonyms},
    "loss": "train_loss",
    "val": "best_val_loss",
}


@functools.lru_cache(maxsize=4096)
def field_of(name: str) -> Field:
    """The field that a name stands for; no run need have it. For runs, ``field_names.field_among``.

    A metric's last value comes first, then a setting, a metric under another name that tools give
    it, a statistic, and a fact about the machine. ``config:x``, ``best:x`` and the like, as
    settings of older versions have them, mean ``config.x`` and ``best_x``.
    """
    name = SYNONYMS.get(name, name)
    if name in FIELDS:
        return FIELDS[name]
    prefix, _, rest = name.partition(":")
    if rest and prefix == "config":
        return setting_field(rest)
    if rest and prefix in STATISTICS:
        return field_of(rest if prefix == "last" else f"{prefix}_{rest}")
    if name.startswith("config.") and name != "config.":
        return setting_field(name.removeprefix("config."))
    return _plain(name)


@functools.lru_cache(maxsize=4096)
def setting_field(name: str) -> Field:
    """The field of a setting; dots lead into nested ones."""
    heading = _heading(name)
    return Field(
        f"config.{name}",
        heading,
        safe_text(name),
        f"setting {safe_text(name)}",
        lambda run, _: plain_value(setting_of(run.config, name)),
        "setting",
        max(FIGURE_WIDTH, len(heading) + 1),
    )


def _plain(name: str) -> Field:
    statistic, _, metric = name.partition("_")
    if not metric or statistic not in STATISTICS:
        statistic, metric = "last", name
    of_metric = STATISTICS[statistic].get

    def get(run: RunSummary, _: datetime) -> Value:
        if name in run.stats:
            return last_value(run, name)
        for value in (plain_value(setting_of(run.config, name)), of_metric(run, metric)):
            if value is not None:
                return value
        return plain_value(run.environment.get(name))

    return metric_field(name, metric, statistic, get)


def is_default(run: RunSummary, field: Field) -> bool:
    """Whether a field is a setting of the run that nobody gave."""
    if field.kind != "setting":
        return False
    names, name = names_of_run(run), field.name.removeprefix("config.")
    if names.given is None:
        return False
    top = name if name in names.config else name.partition(".")[0]
    return top not in names.given and setting_of(run.config, name) is not None


def fact(run: RunSummary, field: Field, now: datetime) -> Value:
    """What a run has of a field when runs are compared: of a setting that nobody gave, nothing."""
    return None if is_default(run, field) else field.get(run, now)


def best_text(run: RunSummary, metric: str, write: Callable[[float], str]) -> str:
    """The best that a run recorded of a metric, and where: "1.656 @1,499"; "–" without any."""
    best = best_value(run, metric)
    if best is None:
        return MISSING
    return at_iteration(write(best), best_iteration(run, metric, best))
