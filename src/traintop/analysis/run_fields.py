"""The names by which a filter asks about a run, and what each of them stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from traintop.analysis.naming import suggestions
from traintop.analysis.ranking import best_value
from traintop.model import STANDARD_METRICS, MetricStats, RunSummary
from traintop.times import age_seconds
from traintop.values import as_number, setting_of

Value = float | int | str | bool | tuple[object, ...] | None
"""What a name can stand for; ``None`` where a run does not have it."""

Getter = Callable[[RunSummary], Value]


def _step(run: RunSummary) -> Value:
    return None if run.iteration is None else run.iteration + 1


def _notes(run: RunSummary) -> Value:
    return "\n".join(filter(None, (run.notes, run.annotations.note))) or None


_FIELDS: Mapping[str, Getter] = MappingProxyType(
    {
        "name": lambda run: run.name or run.stem,
        "run_id": lambda run: run.stem,
        "path": lambda run: run.id,
        "size": lambda run: run.file_size,
        "status": lambda run: run.status.value,
        "step": _step,
        "iteration": lambda run: run.iteration,
        "gradient_step": lambda run: run.gradient_step,
        "count": lambda run: run.count,
        "progress": lambda run: run.progress,
        "eta": lambda run: run.eta_seconds,
        "duration": lambda run: run.duration_seconds,
        "start_time": lambda run: run.start_time,
        "end_time": lambda run: run.end_time,
        "final_train_loss": lambda run: run.final_train_loss,
        "final_val_loss": lambda run: run.final_val_loss,
        "diverged": lambda run: run.diverged,
        "notes": _notes,
        "tags": lambda run: run.annotations.tags,
        "archived": lambda run: run.annotations.archived,
        "error": lambda run: run.error or None,
        "problem": lambda run: run.problem or None,
    }
)

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "run": "name",
        "experiment_name": "name",
        "id": "run_id",
        "note": "notes",
        "tag": "tags",
        "loss": "train_loss",
        "throughput": "tokens_per_sec",
        "duration_seconds": "duration",
        "eta_seconds": "eta",
        "started": "start_time",
    }
)

_STATISTICS: Mapping[str, Callable[[MetricStats], float | None]] = MappingProxyType(
    {
        "last_": lambda stats: stats.last,
        "min_": lambda stats: stats.min,
        "max_": lambda stats: stats.max,
        "mean_": lambda stats: stats.mean,
        "recent_": lambda stats: stats.recent_mean,
        "std_": lambda stats: stats.std,
    }
)


class RunFields:
    """The names that some of these runs have. Times are in seconds, ``progress`` is 0 to 1.

    A name is, in this order, a field of the run (``status``, ``step``, ``age``), a metric by its
    last value (``val_loss``), a setting (``d_model``, ``optimizer.lr``), a metric's statistic
    (``best_val_loss``, ``mean_tokens_per_sec``), or a fact of the machine (``host``).
    ``config.d_model`` is the setting in any case.
    """

    def __init__(self, runs: Sequence[RunSummary], now: datetime) -> None:
        self._runs = runs
        self._now = now

    def getter(self, name: str) -> Getter | None:
        """What ``name`` stands for, ``None`` when no run has it."""
        name = _SYNONYMS.get(name, name)
        if name == "age":
            now = self._now
            return lambda run: age_seconds(run.start_time, now)
        if name in _FIELDS:
            return _FIELDS[name]
        found = [getter for getter in _sources(name) if self._is_known(getter)]
        if not found:
            # A standard metric exists in every run, though nothing may have been measured yet.
            return _metric(name) if name in _COMMON_METRICS else None
        return found[0] if len(found) == 1 else _first_of(found)

    def hint(self, name: str) -> str:
        """The names closest to an unknown one, in words."""
        known: set[str] = {"age", *_FIELDS, *_SYNONYMS, *_COMMON_METRICS}
        for run in self._runs:
            known.update(run.stats, run.config)
        return suggestions(name, sorted(known))

    def is_true_of_any(self, condition: Callable[[RunSummary], bool]) -> bool:
        """Whether some run meets a condition."""
        return any(map(condition, self._runs))

    def _is_known(self, getter: Getter) -> bool:
        return any(getter(run) is not None for run in self._runs)


_COMMON_METRICS = frozenset({*STANDARD_METRICS, "best_val_loss", "best_train_loss"})


def _sources(name: str) -> Iterable[Getter]:
    yield _metric(name)
    yield _setting(name.removeprefix("config."))
    if name.startswith("best_"):
        yield _best(name.removeprefix("best_"))
    for prefix, statistic in _STATISTICS.items():
        if name.startswith(prefix):
            yield _statistic(name.removeprefix(prefix), statistic)
    yield lambda run: plain_value(run.environment.get(name))


def _metric(name: str) -> Getter:
    if name in ("best_val_loss", "best_train_loss"):
        return _best(name.removeprefix("best_"))
    return lambda run: run.last_value(name)


def _best(metric: str) -> Getter:
    return lambda run: best_value(run, metric)


def _statistic(metric: str, pick: Callable[[MetricStats], float | None]) -> Getter:
    def get(run: RunSummary) -> Value:
        stats = run.stats.get(metric)
        return None if stats is None else pick(stats)

    return get


def _setting(name: str) -> Getter:
    if "." not in name:
        return lambda run: plain_value(run.config.get(name))
    return lambda run: plain_value(setting_of(run.config, name))


def _first_of(getters: Sequence[Getter]) -> Getter:
    def get(run: RunSummary) -> Value:
        values = (getter(run) for getter in getters)
        return next((value for value in values if value is not None), None)

    return get


def plain_value(value: object) -> Value:
    """A value of a log file as one that can be compared; ``None`` for what nests deeper."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return as_number(value)
    if isinstance(value, (list, tuple)):
        return tuple(item for item in value if isinstance(item, (bool, int, float, str)))
    return None
