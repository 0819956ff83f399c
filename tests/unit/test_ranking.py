"""Which metrics there are, who leads by one, and how its values are spread."""

from __future__ import annotations

import math
from typing import Any

from comparison_runs import history

from traintop.analysis.percentiles import percentiles
from traintop.analysis.ranking import Leader, leaders, sorted_runs
from traintop.metrics import metrics_of
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
    assert [(one.run.name, one.value, one.iteration) for one in leaders(runs, "m", "lower")] == [
        ("b", 1.0, 3),
        ("a", 2.0, 3),
    ]
    assert [(one.run.name, one.iteration) for one in leaders(runs, "m", "higher")] == [
        ("b", 9),
        ("a", 9),
    ]


def trained(name: str, **known: Any) -> RunSummary:
    return RunSummary(id=name, status=RunStatus.FINISHED, name=name, **known)


def names(ranked: list[Leader]) -> list[str]:
    return [leader.run.name for leader in ranked]


def test_leaders_by_duration_finished_and_did_not_diverge():
    nan = {"train_loss": MetricStats(count=2, min=4.5, last=math.nan)}
    runs = [
        trained("slow", duration_seconds=400.0),
        trained("quick", duration_seconds=200.0),
        trained("diverged", duration_seconds=1.0, stats=nan),
        RunSummary(id="x", status=RunStatus.CRASHED, duration_seconds=1.0),
    ]
    assert names(leaders(runs, "duration", "lower")) == ["quick", "slow"]
    assert names(leaders(runs, "duration_seconds", "higher")) == ["slow", "quick"]


def test_leaders_by_any_field_that_is_a_number():
    runs = [
        trained(name, config={"lr": lr}, stats={"acc": MetricStats(last=0.5, max=0.9, mean=mean)})
        for name, lr, mean in (("a", 1e-3, 0.4), ("b", 1e-2, 0.6))
    ]
    assert names(leaders(runs, "mean_acc", "higher")) == ["b", "a"]
    assert names(leaders(runs, "config.lr", "lower")) == ["a", "b"]
    assert [leader.value for leader in leaders(runs, "best_acc", "higher")] == [0.9, 0.9]
    assert leaders(runs, "status", "higher") == []


def test_a_metric_sorts_by_its_last_value_or_its_best():
    runs = [
        trained(name, stats={"loss": MetricStats(last=last, min=best)})
        for name, last, best in (("a", 3.0, 1.0), ("b", 2.0, 1.5))
    ]
    assert [run.name for run in sorted_runs(runs, "train_loss")] == ["b", "a"]
    assert [run.name for run in sorted_runs(runs, "best_train_loss")] == ["a", "b"]


def test_percentiles_are_of_the_finite_values():
    run = history(iteration=[0, 1, 2, 3], tokens_per_sec=[1.0, "NaN", 3.0, None])
    assert percentiles(run, "tokens_per_sec", (0, 50, 100)) == (1.0, 2.0, 3.0)
    assert percentiles(run, "val_loss", (5, 50)) == (None, None)
    assert percentiles(run, "unknown", (50,)) == (None,)


def test_a_default_is_sorted_as_what_is_missing():
    settings = {"a": (0.3, True), "b": (0.1, False), "c": (0.2, True)}
    runs = [
        RunSummary(
            id=name,
            status=RunStatus.FINISHED,
            name=name,
            config={"lr": lr},
            environment={"given": ["lr"] if given else []},
        )
        for name, (lr, given) in settings.items()
    ]
    logged = RunSummary(
        id="d", status=RunStatus.FINISHED, name="d", stats={"learning_rate": MetricStats(last=0.0)}
    )
    for name in ("lr", "config.lr"):
        assert [run.name for run in sorted_runs([*runs, logged], name)] == ["c", "a", "b", "d"]
        assert [one.run.name for one in leaders([*runs, logged], name, "lower")] == ["c", "a"]
    assert sorted_runs([*runs, logged], "learning_rate")[0] is logged
