"""Runs to compare, and what a comparison has of them."""

from __future__ import annotations

import math
from typing import Any

from tests.runs import history

from traintop.analysis.compare import Comparison, ComparisonRun, Row
from traintop.model import MetricStats, RunStatus, RunSummary


def comparison_run(
    name: str,
    losses: list[object] | None = None,
    *,
    status: RunStatus = RunStatus.FINISHED,
    read: bool = True,
    settings: dict[str, Any] | None = None,
    **fields: Any,
) -> ComparisonRun:
    """A run with a validation loss at each tenth iteration, a second apart."""
    values: list[Any] = [3.0, 2.0, 1.0] if losses is None else losses
    numbers = [float(value) for value in values if value is not None]
    finite = [value for value in numbers if math.isfinite(value)]
    stats = MetricStats(
        count=len(finite),
        last=numbers[-1] if numbers else None,
        min=min(finite, default=None),
        max=max(finite, default=None),
    )
    summary = RunSummary(
        id=f"/logs/{name}.json",
        status=status,
        name=name,
        config={"experiment_name": name, **(settings or {})},
        stats={"val_loss": stats},
        **fields,
    )
    count = len(values)
    records = history(
        iteration=[10 * i for i in range(count)],
        wallclock_time=[float(i) for i in range(count)],
        val_loss=values,
        tokens_per_sec=[100.0] * count,
    )
    return ComparisonRun(name, summary, records if read else None)


def seeds(name: str, lr: float, losses: dict[int, float]) -> list[ComparisonRun]:
    return [
        comparison_run(f"{name}_seed{seed}", [loss], settings={"lr": lr, "opt": {"seed": seed}})
        for seed, loss in losses.items()
    ]


def row(comparison: Comparison, section: str, label: str) -> Row:
    return next(row for row in comparison.results if (row.section, row.label) == (section, label))


def values(comparison: Comparison, section: str, label: str) -> list[object]:
    return [cell.value for cell in row(comparison, section, label).cells]


def best(comparison: Comparison, section: str, label: str) -> list[bool]:
    return [cell.best for cell in row(comparison, section, label).cells]
