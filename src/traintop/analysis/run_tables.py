"""Runs as tables: the columns that distinguish them best for people, everything for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from traintop.analysis.differences import (
    ABSENT,
    differing,
    distinctive_settings,
    run_settings,
    setting_cell,
)
from traintop.analysis.field_names import field_among, hint_of_unknown, is_known
from traintop.analysis.naming import unique_names
from traintop.analysis.ranking import RunGroup
from traintop.field import STATUS_ORDER, Field, Value
from traintop.fields import field_of, is_default, metric_field
from traintop.metrics import (
    LOSSES,
    METRICS,
    best_iteration,
    best_value,
    direction_of,
    last_value,
    mean_value,
    metrics_of,
    most_work,
    standard_name,
    system_metrics_of,
)
from traintop.model import RunStatus, RunSummary
from traintop.progress import steps_text
from traintop.tables import Cell, Column, Rival, Table, winner
from traintop.text import LONGEST_NAME, Default, fit_middle, safe_text, setting_text
from traintop.values import flat_settings

_FIELDS = {
    "status": 2,
    "step": 5,
    "best_val_loss": 1,
    "best_train_loss": 4,
    "mean_tokens_per_sec": 6,
    "mean_iter_time_ms": 10_000,
    "duration": 7,
    "start_time": 10_001,
}
"""The columns by their place, each with its rank."""

_RANK_OF_FIRST_SETTING, _RANK_OF_SETTINGS = 3, 8
"""Those of the setting that best distinguishes the runs, and of the next; the others follow."""

_ALL: Mapping[str, Field] = MappingProxyType({})
"""No columns are chosen: everything is wanted."""

_RANKED_RUNS = 100
"""Of more a sample says which settings distinguish them."""

ROW_FIELDS = (
    *("run", "run_id", "path", "experiment_name", "status", "iteration", "max_iters", "progress"),
    *("gradient_step", "best_val_loss", "best_train_loss", "final_val_loss", "final_train_loss"),
    *("last_val_loss", "last_train_loss", "learning_rate", "mean_tokens_per_sec"),
    *("mean_iter_time_ms", "duration_seconds", "eta_seconds", "start_time", "end_time"),
    *("notes", "error", "problem", "defaults", "host", "root"),
)
"""What programs get of each run, beside its settings; ``run`` is its unique name."""

_LONGEST_SETTING = 20


def comparison_table(
    runs: Sequence[RunSummary],
    names: Mapping[str, str] | None = None,
    *,
    sort: str = "best_val_loss",
    width: int = 80,
    markdown: bool = False,
) -> str:
    """The runs in the given order, one line each, with the settings in which they differ.

    What they are sorted by has a column; as text, what is known of none of them has none.

    Losses are the best that a run reached, throughput and step time are means; the best of each
    column is marked with ``*`` (bold in Markdown), of durations the shortest of the runs that
    finished, did not diverge, and went furthest. As text, columns that ``width`` cells have no room
    for are left out. Files that cannot be read are no runs to compare and are left out as well.
    """
    readable = [run for run in runs if run.status is not RunStatus.UNREADABLE]
    if not readable:
        return "No runs."
    labels = unique_names(runs) if names is None else names
    table = runs_table(readable, labels, sort=sort, complete=markdown)
    return table.markdown() if markdown else table.text(max(width, 1))


def runs_table(
    runs: Sequence[RunSummary],
    labels: Mapping[str, str],
    *,
    sort: str = "best_val_loss",
    complete: bool = False,
) -> Table:
    """The table of :func:`comparison_table`; if ``complete``, with columns that nobody fills."""
    readable = runs
    names_of_runs = (safe_text(labels[run.id], LONGEST_NAME) for run in readable)
    now, sorting = datetime.now(), field_among(sort, readable)
    fields: dict[Field, int] = {}
    for name, rank in _FIELDS.items():
        field = field_of(name)
        if complete or any(field.get(run, now) is not None for run in readable):
            fields[field] = rank
        elif name == "best_val_loss":
            fields |= dict.fromkeys(_instead_of_losses(readable), rank)
    if sorting.name != "name" and any(sorting.get(run, now) is not None for run in readable):
        fields[sorting] = 0
    shown = sorting.words if sorting.kind == "setting" else ""  # and not once more
    columns = [
        Column.of_texts("RUN", names_of_runs, "left", literal=True),
        *(_column(field, rank, readable, now) for field, rank in fields.items()),
        *(one for one in setting_columns(readable, _LONGEST_SETTING) if one.heading != shown),
    ]
    return Table(columns, "best of its column")


def chosen_columns(names: Sequence[str], runs: Sequence[RunSummary]) -> dict[str, Field]:
    """Columns by the names of fields, metrics and settings, in the order of the names.

    ``runs`` are all there are, not only those that a filter left: a name means the same whatever is
    shown. Raises ``ValueError`` for a name that none of them has.
    """
    columns = {name: field_among(name, runs) for name in names}
    for name, field in columns.items():
        if runs and not is_known(field, runs):
            raise ValueError(f"no run has {name!r}: {hint_of_unknown(name, runs)}")
    return columns


def chosen_table(
    runs: Sequence[RunSummary], labels: Mapping[str, str], chosen: Mapping[str, Field]
) -> Table:
    """The runs in the given order with :func:`chosen_columns`."""
    now = datetime.now()
    texts = (safe_text(labels[run.id], LONGEST_NAME) for run in runs)
    columns = [_column(field, rank, runs, now) for rank, field in enumerate(chosen.values())]
    runs_column = Column.of_texts("RUN", texts, "left", literal=True)
    return Table([runs_column, *columns], "best of its column")


def in_groups(table: Table, groups: Sequence[RunGroup]) -> Table:
    """A table of runs that are in groups, with a title above each of these."""
    sections = []
    place = 0
    for group in groups:
        counts = Counter(run.status for run in group.runs)
        said = [f"{counts[one]:,} {one}" for one in STATUS_ORDER if counts[one]]
        sections.append((place, f"{group.title}  {group.run_count}: {', '.join(said)}"))
        place += len(group.runs)
    return replace(table, sections=sections)


def _instead_of_losses(runs: Sequence[RunSummary]) -> list[Field]:
    """The best of a metric that falls and of one that rises, where no run has a loss.

    Where it is known of none of them what is better: the last value of the first.
    """
    names = [name for name in metrics_of(runs) if standard_name(name) not in METRICS]
    if any(best_value(run, loss) is not None for run in runs for loss in LOSSES) or not names:
        return []
    directed = {direction_of(name): name for name in reversed(names)}
    best = [directed[way] for way in ("lower", "higher") if way in directed]
    fields = [metric_field(f"best_{name}", name, "best") for name in best]
    return fields or [metric_field(names[0], names[0], "last")]


def _column(field: Field, rank: int, runs: Sequence[RunSummary], now: datetime) -> Column:
    values = [field.get(run, now) for run in runs]
    quiet = [is_default(run, field) for run in runs]
    texts = [
        steps_text(run)
        if field.name == "step"
        else setting_text(Default(value))
        if is_quiet
        else field.text(value)
        for run, value, is_quiet in zip(runs, values, quiet, strict=True)
    ]
    numbers = [value if isinstance(value, (int, float)) else None for value in values]
    if field.name == "duration":
        rivals = {run.id for run in most_work(runs)}
        numbers = [n if run.id in rivals else None for n, run in zip(numbers, runs, strict=True)]
    best = winner([*map(Rival, numbers, texts)], field.direction)
    cells = [
        Cell(text=text, best=place == best, quiet=is_quiet)
        for place, (text, is_quiet) in enumerate(zip(texts, quiet, strict=True))
    ]
    heading = field.words if field.kind == "setting" else field.label
    return Column(heading, cells, field.align, rank=rank)


def setting_columns(
    runs: Sequence[RunSummary], longest: int, among: Sequence[RunSummary] | None = None
) -> list[Column]:
    """A column for each setting that differs among the runs, or among those of a larger group.

    The most distinctive settings have the lowest ranks. Texts have at most ``longest`` cells.
    """
    settings = [run_settings(run) for run in runs]
    compared = settings if among is None else [run_settings(run) for run in among]
    sample = compared[:: len(compared) // _RANKED_RUNS + 1]
    ranks = {name: rank for rank, name in enumerate(distinctive_settings(sample))}
    columns = []
    for name in differing(compared):
        values = [one.get(name, ABSENT) for one in settings]
        cells = [
            Cell(
                text=fit_middle(setting_text(value), longest),
                literal=True,
                quiet=isinstance(value, Default),
            )
            for value in values
        ]
        place = ranks.get(name, len(ranks))
        rank = _RANK_OF_SETTINGS + place - 1 if place else _RANK_OF_FIRST_SETTING
        heading = fit_middle(safe_text(name), longest)
        columns.append(Column(heading, cells, literal=True, rank=rank))
    return columns


def run_rows(
    runs: Sequence[RunSummary], labels: Mapping[str, str], chosen: Mapping[str, Field] = _ALL
) -> list[dict[str, object]]:
    """What is known of each run as an object for JSON: everything, or :func:`chosen_columns`.

    Everything is :data:`ROW_FIELDS`, ``metrics`` with the last, the best and the mean value of
    each, and ``config``. Durations are in seconds, times in ISO 8601.
    """
    rows = _rows(runs, labels, chosen)
    if not chosen:
        for run, row in zip(runs, rows, strict=True):
            row["metrics"] = {name: _of_metric(run, name) for name in _all_metrics(run)}
            row["config"] = dict(run.config)
    return rows


def _all_metrics(run: RunSummary) -> list[str]:
    return [*metrics_of([run]), *filter(run.stats.__contains__, system_metrics_of([run]))]


def _of_metric(run: RunSummary, metric: str) -> dict[str, float | None]:
    best = best_value(run, metric)
    return {
        "last": last_value(run, metric),
        "best": best,
        "best_iteration": None if best is None else best_iteration(run, metric, best),
        "mean": mean_value(run, metric),
    }


def runs_csv(
    runs: Sequence[RunSummary], labels: Mapping[str, str], chosen: Mapping[str, Field] = _ALL
) -> str:
    """What is known of each run as CSV: everything, or :func:`chosen_columns`."""
    headings, rows = flat_run_rows(runs, labels, chosen)
    return Table.of_values(headings, rows).csv()


def flat_run_rows(
    runs: Sequence[RunSummary], labels: Mapping[str, str], chosen: Mapping[str, Field] = _ALL
) -> tuple[list[str], list[list[object]]]:
    """The headings and rows of a table for programs: everything, or :func:`chosen_columns`.

    Of everything, each setting has a column: ``config.optimizer.lr``.
    """
    rows = _rows(runs, labels, chosen)
    headings = ["run", *(chosen or ROW_FIELDS[1:])]
    if not chosen:
        settings = [flat_settings(run.config) for run in runs]
        keys = list(dict.fromkeys(key for one in settings for key in one))
        headings += [f"config.{key}" for key in keys]
        for row, one in zip(rows, settings, strict=True):
            row |= {f"config.{key}": setting_cell(one.get(key, ABSENT)) for key in keys}
    return headings, [[*row.values()] for row in rows]


def _rows(
    runs: Sequence[RunSummary], labels: Mapping[str, str], chosen: Mapping[str, Field]
) -> list[dict[str, object]]:
    now = datetime.now()
    named = chosen or {name: field_of(name) for name in ROW_FIELDS[1:]}
    return [
        {"run": labels[run.id]} | {name: _plain(field, run, now) for name, field in named.items()}
        for run in runs
    ]


def _plain(field: Field, run: RunSummary, now: datetime) -> Value:
    value = field.get(run, now)
    return "" if value is None and field.kind == "text" else value
