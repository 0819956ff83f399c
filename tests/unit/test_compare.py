"""Comparisons: what differs, what was reached, and who wins."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from typing import Any

import pytest
from comparison_runs import best, comparison_run, history, row, values
from msgspec import structs

from traintop.analysis.compare import (
    Cell,
    ComparisonRun,
    Row,
    Target,
    columns_of,
    compare,
    default_target,
)
from traintop.analysis.comparison_text import comparison_csv, table_cell
from traintop.analysis.differences import ABSENT, differing, distinctive_settings, settings_key
from traintop.metrics import primary_metric, standard_name
from traintop.model import MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.store.history import History
from traintop.values import flat_settings

# Settings


def test_nested_settings_have_paths_and_the_name_is_no_setting():
    config = {
        "experiment_name": "x",
        "optimizer": {"name": "adamw", "schedule": {"warmup": 10}},
        "betas": [0.9, 0.95],
        "extra": {},
    }
    assert flat_settings(config) == {
        "optimizer.name": "adamw",
        "optimizer.schedule.warmup": 10,
        "betas": [0.9, 0.95],
        "extra": {},
    }


@pytest.mark.parametrize(
    "config", [{"a.b": 1, "a": {"b": 2}}, {"a": {"b": 2}, "a.b": 1}], ids=["before", "after"]
)
def test_a_dotted_key_counts_where_a_nested_one_spells_it(config):
    assert flat_settings(config) == {"a.b": 1}


def test_settings_may_nest_deeper_than_python_calls():
    config: dict[str, Any] = {"leaf": 1}
    for _ in range(5000):
        config = {"a": config}
    assert list(flat_settings(config).values()) == [1]


def test_only_differing_settings_are_rows_missing_is_not_none():
    runs = [
        comparison_run("a", settings={"lr": 1e-3, "d": 512, "opt": {"name": "adamw"}, "ema": None}),
        comparison_run("b", settings={"lr": 3e-4, "d": 512.0, "opt": {"name": "adamw"}}),
    ]
    rows = compare(columns_of(runs)).settings
    assert [row.label for row in rows] == ["lr", "ema"]
    assert [cell.value for cell in rows[1].cells] == [None, ABSENT]
    assert [table_cell(rows[1], cell).text for cell in rows[1].cells] == ["null", "–"]


def test_equal_numbers_of_any_type_agree_but_booleans_do_not():
    assert settings_key(1) == settings_key(1.0)
    assert settings_key([1, {"a": 2}]) == settings_key([1.0, {"a": 2.0}])
    assert settings_key(math.nan) == settings_key(float("nan"))
    unlike = (1, True, "1", None, [1], ABSENT, math.nan, math.inf, -math.inf, [math.inf], [None])
    assert len(set(map(settings_key, unlike))) == len(unlike)


def test_csv_has_raw_settings_and_empty_cells_for_missing_ones():
    text = "x" * 500
    settings = {"lr": 0.1, "none": None, "text": text, "betas": [0.9, 1], "on": True}
    columns = columns_of([comparison_run("a", settings=settings), comparison_run("b")])
    rows = list(csv.reader(io.StringIO(comparison_csv(compare(columns)))))
    cells = {row[1]: row[2:4] for row in rows if row[0] == "settings"}
    assert cells == {
        "lr": ["0.1", ""],
        "none": ["null", ""],
        "text": [text, ""],
        "betas": ["[0.9, 1]", ""],
        "on": ["True", ""],
    }


def test_informative_settings_come_first_and_seeds_last():
    settings = [
        {"seed": seed, "lr": lr, "min_lr": lr / 10, "width": width}
        for seed, (lr, width) in enumerate([(1, 64), (2, 64), (3, 64), (3, 128)])
    ]
    assert differing(settings) == ["seed", "lr", "min_lr", "width"]
    assert distinctive_settings(settings) == ["lr", "width", "min_lr", "seed"]


# Results


def test_each_run_has_first_last_best_final_and_deltas():
    runs = [
        comparison_run("base", [4.0, 2.0, 2.5], final_val_loss=2.5),
        comparison_run("other", [4.0, 1.0, 3.0], final_val_loss=3.0),
    ]
    comparison = compare(columns_of(runs))
    assert values(comparison, "val_loss", "first") == [4.0, 4.0]
    assert values(comparison, "val_loss", "best") == [2.0, 1.0]
    assert values(comparison, "val_loss", "last") == [2.5, 3.0]
    assert values(comparison, "val_loss", "final") == [2.5, 3.0]
    cell = row(comparison, "val_loss", "best").cells[1]
    assert (cell.delta, cell.percent) == (-1.0, -50.0)
    assert best(comparison, "val_loss", "best") == [False, True]
    assert best(comparison, "val_loss", "last") == [True, False]
    assert best(comparison, "val_loss", "first") == [False, False]


def test_a_target_is_reached_at_the_first_record_at_or_below_it():
    runs = [
        comparison_run("a", ["NaN", 3.0, None, 2.0, 1.0]),
        comparison_run("b", [5.0, 2.0]),
        comparison_run("c", [9.0]),
    ]
    comparison = compare(columns_of(runs), Target("val_loss", 2.0))
    assert values(comparison, "val_loss", "step to 2") == [30.0, 10.0, None]
    assert values(comparison, "val_loss", "time to 2") == [3.0, 1.0, None]
    assert best(comparison, "val_loss", "step to 2") == [False, True, False]


def test_infinite_losses_reach_no_target_and_no_time_is_none():
    diverged = comparison_run("a", ["-Infinity", 3.0, 1.0])
    timeless = history(iteration=[0, 1], val_loss=[3.0, 1.0])
    runs = [diverged, ComparisonRun("b", comparison_run("b").summary, timeless)]
    comparison = compare(columns_of(runs), Target("val_loss", 2.0))
    assert values(comparison, "val_loss", "step to 2") == [20.0, 1.0]
    assert values(comparison, "val_loss", "time to 2") == [2.0, None]


def test_the_only_run_to_reach_the_target_is_the_rows_best():
    columns = columns_of([comparison_run("quick", [3.0, 1.0]), comparison_run("slow", [3.0, 2.9])])
    assert best(compare(columns, Target("val_loss", 1.5)), "val_loss", "step to 1.5") == [
        True,
        False,
    ]
    assert best(compare(columns, Target("val_loss", 3.0)), "val_loss", "step to 3") == [
        False,
        False,
    ]


def test_nobody_wins_a_race_that_no_other_took_part_in():
    other = comparison_run("other")
    summary = structs.replace(other.summary, stats={})
    without = replace(other, summary=summary, history=history(iteration=[0], train_loss=[2.0]))
    columns = columns_of([comparison_run("alone", [3.0, 1.0]), without])
    assert best(compare(columns, Target("val_loss", 1.5)), "val_loss", "step to 1.5") == [
        False,
        False,
    ]


def test_step_times_keep_their_decimals_in_line():
    cells = (Cell(144.7), Cell(144.0))
    times = Row("step time", "median", "milliseconds", "min", cells)
    assert [table_cell(times, cell).text for cell in cells] == ["144.7", "144.0"]


def test_the_highest_wins_where_higher_is_better():
    def with_accuracy(name: str, accuracies: list[float]) -> ComparisonRun:
        run = comparison_run(name)
        stats = MetricStats(
            last=accuracies[-1], min=min(accuracies), max=max(accuracies), count=len(accuracies)
        )
        summary = RunSummary(id=run.summary.id, status=run.summary.status, stats={"acc": stats})
        steps = list(range(len(accuracies)))
        return ComparisonRun(name, summary, history(iteration=steps, acc=accuracies))

    columns = columns_of([with_accuracy("a", [0.1, 0.8]), with_accuracy("b", [0.5, 0.9])])
    target = default_target(columns, "acc")
    assert target == Target("acc", 0.8)
    comparison = compare(columns, target)
    assert values(comparison, "acc", "step to 0.8") == [1.0, 1.0]
    assert best(comparison, "acc", "best") == [False, True]


def test_a_learning_rate_has_no_target():
    stats = {"learning_rate": MetricStats(count=1, min=0.1, max=0.1, last=0.1)}
    summary = RunSummary(id="/logs/a.json", status=RunStatus.FINISHED, stats=stats)
    columns = columns_of([ComparisonRun("a", summary, history(iteration=[0], learning_rate=[0.1]))])
    assert default_target(columns, "learning_rate") is None
    comparison = compare(columns, Target("learning_rate", 0.1))
    assert [row.label for row in comparison.results] == ["last"]
    assert primary_metric([summary]) == "val_loss"
    assert primary_metric([summary, comparison_run("b").summary]) == "val_loss"
    score = RunSummary(id=summary.id, status=summary.status, stats={**stats, "acc": MetricStats()})
    assert primary_metric([score]) == "acc"


@pytest.mark.parametrize("metric", ["grad_norm", "train/gradNorm", "lr", "encoder.learning_rate"])
def test_nobody_wins_by_a_metric_without_a_direction(metric: str):
    stats = {metric: MetricStats(count=1, min=0.0, max=9.0, last=math.nan)}
    summary = RunSummary(id="/logs/a.json", status=RunStatus.FINISHED, stats=stats)
    columns = columns_of([ComparisonRun("a", summary, history(iteration=[0])), comparison_run("b")])
    rows = [row for row in compare(columns).results if row.section == standard_name(metric)]
    assert [(row.label, row.better) for row in rows] == [("last", None)]


def test_the_usual_target_is_one_that_every_run_has_reached():
    columns = columns_of([comparison_run("a", [3.0, 1.0]), comparison_run("b", [4.0, 2.0])])
    target = default_target(columns, "val_loss")
    assert target == Target("val_loss", 2.0)
    assert None not in values(compare(columns, target), "val_loss", "step to 2")
    assert default_target(columns, "unknown") is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_non_finite_values_never_win_and_have_no_delta(value):
    runs = [comparison_run("a", [2.0]), comparison_run("b", [value]), comparison_run("c", [3.0])]
    comparison = compare(columns_of(runs))
    assert best(comparison, "val_loss", "last") == [True, False, False]
    cell = row(comparison, "val_loss", "last").cells[1]
    assert (cell.delta, cell.percent) == (None, None)
    assert not math.isfinite(cell.value)


def test_nobody_wins_among_equals_or_alone():
    alike = compare(columns_of([comparison_run("a"), comparison_run("b")]))
    assert not any(cell.best for row in alike.rows for cell in row.cells)
    alone = compare(columns_of([comparison_run("a")]))
    assert not any(cell.best for row in alone.rows for cell in row.cells)


def test_a_baseline_of_zero_has_no_percent():
    comparison = compare(columns_of([comparison_run("a", [0.0]), comparison_run("b", [1.0])]))
    cell = row(comparison, "val_loss", "last").cells[1]
    assert (cell.delta, cell.percent) == (1.0, None)


def test_values_that_need_records_say_so_until_they_are_read():
    runs = [comparison_run("a"), comparison_run("b", read=False)]
    comparison = compare(columns_of(runs), Target("val_loss", 2.0))
    pending = row(comparison, "val_loss", "step to 2").cells[1]
    assert pending.pending
    assert table_cell(row(comparison, "val_loss", "step to 2"), pending).text == "…"
    assert values(comparison, "val_loss", "best") == [1.0, 1.0]


def test_only_ended_runs_can_be_the_quickest():
    runs = [
        comparison_run("a", duration_seconds=10.0),
        comparison_run("b", duration_seconds=5.0, status=RunStatus.RUNNING),
    ]
    assert best(compare(columns_of(runs)), "duration", "") == [False, False]
    runs[1] = comparison_run("b", duration_seconds=5.0)
    assert best(compare(columns_of(runs)), "duration", "") == [False, True]


def test_a_run_that_gave_up_or_did_less_is_not_the_quickest():
    def run(name: str, seconds: float, iteration: int, loss: float) -> ComparisonRun:
        last = MetricsSnapshot(iteration=iteration, train_loss=loss)
        return comparison_run(name, duration_seconds=seconds, last=last)

    full = run("a", 10.0, 99, 2.0)
    for other, winners in (
        (run("b", 5.0, 99, 2.5), [False, True]),
        (run("b", 5.0, 49, 2.5), [False, False]),
        (run("b", 5.0, 99, math.nan), [False, False]),
    ):
        assert best(compare(columns_of([full, other])), "duration", "") == winners


def test_a_result_computed_from_records_is_kept():
    run = comparison_run("a")
    seen: list[History] = []
    for _ in range(3):
        assert run.measured("key", lambda h: seen.append(h) or 1.0) == 1.0
    assert len(seen) == 1
