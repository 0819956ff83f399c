"""What a name stands for among some runs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from traintop.field import Field, Value
from traintop.fields import FIELDS, SYNONYMS, fact, field_of, metric_field, setting_field
from traintop.logfile.columns import name_family
from traintop.metrics import logged_name, metrics_of, standard_name, system_metrics_of
from traintop.model import RunSummary
from traintop.run_columns import Names, column, names_of
from traintop.text import suggestions
from traintop.times import posix_time
from traintop.values import setting_of


def field_among(name: str, runs: Collection[RunSummary]) -> Field:
    """The field that a name stands for among these runs, the same one for all of them.

    What any of them logged by this very name comes before a setting, and a setting before what they
    logged by another name.
    """
    field = field_of(name)
    name, metric = field.name, field.metric
    if metric is None or any(name in names.stats for names in names_of(runs)):
        return field if metric is None or name in FIELDS else metric_field(name, name, "last")
    if name in FIELDS and any(value is not None for value in values_of(field, runs)):
        return field
    return setting_field(name) if _is_setting(name, runs) else field


def values_of(field: Field, runs: Iterable[RunSummary], now: datetime | None = None) -> list[Value]:
    """What each of the runs has of a field at a moment, as :func:`traintop.fields.fact` says it."""
    moment = now or datetime.now()
    if field.kind == "age":  # which differs from moment to moment
        since = moment.timestamp()
        starts = column(runs, "starts", lambda run: posix_time(run.start_time))
        return [None if start is None else max(since - start, 0.0) for start in starts]
    return column(runs, (field, field.direction), lambda run: fact(run, field, moment))


def sort_keys(
    field: Field, runs: Iterable[RunSummary], now: datetime
) -> list[tuple[int, float | str] | None]:
    """By what each of the runs sorts; ``None`` for nothing, NaN and ±inf."""
    key, isfinite = field.sort_key, math.isfinite
    return [  # of very many runs most have a number
        ((0, value) if isfinite(value) else None) if type(value) is float else key(value)
        for value in values_of(field, runs, now)
    ]


def other_meaning(field: Field, runs: Iterable[RunSummary]) -> str:
    """What a field might be mistaken for among these runs: the metric, or the setting, of its name.

    Nothing where only one is there.
    """
    _, _, name = field.name.partition("config.")
    if not name:
        return f"config.{field.name}" if _is_setting(field.name, runs) else ""
    logged = (logged_name(name, names.stats) for names in names_of(runs))
    return next((standard_name(one) for one in logged if one), "")


def _is_setting(name: str, runs: Iterable[RunSummary]) -> bool:
    return any(_may_have(names, name) for names in names_of(runs)) and any(
        setting_of(run.config, name) is not None for run in runs
    )


def _may_have(names: Names, setting: str) -> bool:
    return setting in names.config or setting.partition(".")[0] in names.config


def is_known(field: Field, runs: Iterable[RunSummary]) -> bool:
    """Whether a field is of the table, or some run has it."""
    if field.name in FIELDS:
        return True
    now, metric, name = datetime.now(), field.metric, field.name.removeprefix("config.")
    known = names_of(runs)
    if metric and any(logged_name(metric, one) for names in known for one in names[:2]):
        return True
    may_be = any(_may_have(names, name) or name in names.environment for names in known)
    return may_be and any(field.get(run, now) is not None for run in runs)


def hint_of_unknown(name: str, runs: Sequence[RunSummary]) -> str:
    """Why no run has a metric that one of them logged, or which names are like an unknown one."""
    return left_out_hint(name, runs) or suggestions(name, known_names(runs))


def left_out_hint(name: str, runs: Iterable[RunSummary]) -> str:
    """Which run logged a metric that its writer left out, nothing where none did."""
    run = next((run for run in runs if name_family(name) in run.left_out), None)
    return f"{run.name} logged too many metrics, and it was left out" if run else ""


def known_names(runs: Sequence[RunSummary]) -> list[str]:
    """All names by which something can be asked of these runs, in order."""
    names = {*FIELDS, *SYNONYMS, *metrics_of(runs), *system_metrics_of(runs)}
    for of_run in names_of(runs):
        names.update(of_run.stats, of_run.config, of_run.environment)
    return sorted(names)
