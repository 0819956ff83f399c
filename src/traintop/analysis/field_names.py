"""What a name stands for among some runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from traintop.field import Field
from traintop.fields import FIELDS, SYNONYMS, field_of, metric_field, setting_field
from traintop.logfile.columns import name_family
from traintop.metrics import last_value, logged_name, metrics_of, standard_name, system_metrics_of
from traintop.model import RunSummary
from traintop.text import suggestions
from traintop.values import setting_of


def field_among(name: str, runs: Collection[RunSummary]) -> Field:
    """The field that a name stands for among these runs, the same one for all of them.

    What any of them logged by this very name comes before a setting, and a setting before what they
    logged by another name.
    """
    field = field_of(name)
    name, metric = field.name, field.metric
    if metric is None or any(name in run.stats for run in runs):
        return field if metric is None or name in FIELDS else metric_field(name, name, "last")
    if name in FIELDS and any(last_value(run, metric) is not None for run in runs):
        return field
    return setting_field(name) if _is_setting(name, runs) else field


def other_meaning(field: Field, runs: Iterable[RunSummary]) -> str:
    """What a field might be mistaken for among these runs: the metric, or the setting, of its name.

    Nothing where only one is there.
    """
    _, _, name = field.name.partition("config.")
    if not name:
        return f"config.{field.name}" if _is_setting(field.name, runs) else ""
    logged = (logged_name(name, run.stats) for run in runs)
    return next((standard_name(one) for one in logged if one), "")


def _is_setting(name: str, runs: Iterable[RunSummary]) -> bool:
    return any(setting_of(run.config, name) is not None for run in runs)


def is_known(field: Field, runs: Iterable[RunSummary]) -> bool:
    """Whether a field is of the table, or some run has it."""
    now, metric = datetime.now(), field.metric
    return field.name in FIELDS or any(
        field.get(run, now) is not None or (metric and logged_name(metric, run.stats))
        for run in runs
    )


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
    for run in runs:
        names.update(run.stats, run.config, run.environment)
    return sorted(names)
