"""Which metrics there are, who leads by one, and how its values are spread."""

from __future__ import annotations

import math

from compared_runs import history

from traintop.analysis.percentiles import percentiles
from traintop.analysis.ranking import leaders, metrics_of
from traintop.model import MetricStats, RunStatus, RunSummary


def test_losses_lead_the_metrics():
    stats = {"zz": MetricStats(), "tokens_per_sec": MetricStats(), "train_loss": MetricStats()}
    run = RunSummary(id="x", status=RunStatus.RUNNING, stats=stats)
    assert metrics_of([run]) == ["train_loss", "tokens_per_sec", "zz"]


def test_the_leaders_are_finite_and_have_an_iteration():
    runs = [
        RunSummary(
            id=name,
            status=RunStatus.FINISHED,
            name=name,
            stats={"m": MetricStats(min=low, max=high, min_iteration=3, max_iteration=9)},
        )
        for name, low, high in (
            ("a", 2.0, 5.0),
            ("nan", math.nan, math.nan),
            ("b", 1.0, 9.0),
            ("inf", -math.inf, math.inf),
        )
    ]
    assert [(one.run.name, one.value, one.iteration) for one in leaders(runs, "m", "min")] == [
        ("b", 1.0, 3),
        ("a", 2.0, 3),
    ]
    assert [(one.run.name, one.iteration) for one in leaders(runs, "m", "max")] == [
        ("b", 9),
        ("a", 9),
    ]


def test_percentiles_are_of_the_finite_values():
    run = history(iteration=[0, 1, 2, 3], tokens_per_sec=[1.0, "NaN", 3.0, None])
    assert percentiles(run, "tokens_per_sec", (0, 50, 100)) == (1.0, 2.0, 3.0)
    assert percentiles(run, "val_loss", (5, 50)) == (None, None)
    assert percentiles(run, "unknown", (50,)) == (None,)
