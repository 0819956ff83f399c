"""Runs that differ in the seed only, and their mean: curves and results with their deviation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from traintop.analysis.compare import (
    Column,
    ComparisonRun,
    compare_with_target,
    mean_and_spread,
)
from traintop.analysis.differences import differing
from traintop.analysis.field_names import field_among
from traintop.analysis.groups import SEED, group_curve, grouped
from traintop.analysis.plottable import Plottable
from traintop.analysis.run import Run, UnknownNameError
from traintop.analysis.run_comparison import RunComparison
from traintop.text import counted, safe_text, suggestions
from traintop.values import flat_settings

if TYPE_CHECKING:
    from traintop.analysis.runs import Runs
    from traintop.store.history import FloatColumn


class MeanCurve(NamedTuple):
    """The mean of a metric over runs: four arrays of one length.

    ``std`` is the sample standard deviation (n - 1), NaN where only one run counts; ``n`` is the
    number of runs that reach an iteration. Between two of its values a run counts with the one on
    the straight line between them, and nothing is extrapolated.
    """

    iterations: FloatColumn
    mean: FloatColumn
    std: FloatColumn
    n: FloatColumn


class MeanValue(NamedTuple):
    """The mean over the ``n`` runs that have a value, and their sample standard deviation.

    ``std`` is ``None`` where that is fewer than two runs, or not finite.
    """

    mean: float
    std: float | None
    n: int


class Mean:
    """The mean of some runs.

    ::

        iterations, mean, std, n = runs.filter("lr == 0.001").mean()["train_loss"]
    """

    def __init__(self, name: str, runs: Runs) -> None:
        self.name = name
        self.runs = runs

    def __repr__(self) -> str:
        return f"<Mean of {safe_text(self.name)}, n={len(self.runs)}>"

    @property
    def config(self) -> dict[str, Any]:
        """The settings that all its runs share, nested ones by their path: ``optimizer.lr``."""
        settings = [flat_settings(run.config) for run in self.runs]
        if not settings:
            return {}
        different = {*differing(settings)}
        return {name: value for name, value in settings[0].items() if name not in different}

    def value(self, name: str) -> MeanValue | None:
        """The mean of a field (docs/fields.md), such as ``best_val_loss``; ``None`` without any.

        Of a setting or anything else that is no number, there is none.
        """
        field = field_among(name, self.runs.summaries)
        values = [one for run in self.runs if (one := field.number(run.summary)) is not None]
        return MeanValue(*mean_and_spread(values), len(values)) if values else None

    def __getitem__(self, metric: str) -> MeanCurve:
        """The mean of a metric over those of its runs that logged it.

        Raises ``UnknownNameError``, a ``KeyError``, for a metric that none of them logged.
        """
        curves = []
        for run in self.runs:
            try:
                curves.append(run[metric])
            except UnknownNameError:
                continue
        if not curves:
            known = dict.fromkeys(name for run in self.runs for name in run.metrics)
            hint = suggestions(metric, known)
            raise UnknownNameError(f"no run of {self.name!r} has the metric {metric!r}", hint)
        curve = group_curve(curves)
        return MeanCurve(curve.x, curve.mean, curve.std, curve.n)


class Groups(Mapping[str, "Runs"], Plottable):
    """Groups of runs by the name of each, in the order in which they begin.

    ::

        for name, mean in runs.group("seed").mean().items():
            print(name, mean.value("best_val_loss"))
    """

    def __init__(self, runs: Runs, over: Sequence[str]) -> None:
        columns = grouped([ComparisonRun(run.name, run.summary) for run in runs], over or (SEED,))
        by_id = {run.id: run for run in runs}
        self._groups = {
            column.name: runs.select(by_id[one.summary.id] for one in column.runs)
            for column in columns
        }

    def __repr__(self) -> str:
        names = ", ".join(f"{safe_text(name)} ×{len(runs)}" for name, runs in self.items())
        return f"<{counted(len(self), 'group')}: {names}>"

    def __getitem__(self, name: str) -> Runs:
        if name not in self._groups:
            raise UnknownNameError(f"no group is called {name!r}", suggestions(name, self._groups))
        return self._groups[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def _plotted(self) -> Groups:
        return self

    def mean(self) -> dict[str, Mean]:
        """The mean of each group by its name."""
        return {name: Mean(name, runs) for name, runs in self.items()}

    def compare(self, baseline: str | None = None, *, target: float | None = None) -> RunComparison:
        """The groups against one of them, the first without a name: means ± deviations.

        ``target`` is as in ``Runs.compare``. Raises ``UnknownNameError``, a ``KeyError``.
        """
        names = [*dict.fromkeys([*([] if baseline is None else [baseline]), *self])]
        columns = [Column(name, compared(self[name])) for name in names]
        return RunComparison(compare_with_target(columns, target))


def compared(runs: Iterable[Run]) -> tuple[ComparisonRun, ...]:
    """Runs as they are compared, with their records."""
    return tuple(ComparisonRun(run.name, run.summary, run.history()) for run in runs)
