"""What is logged and what becomes of it: values, metrics, statistics."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path, PurePath
from statistics import pstdev
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click import ClickException
from doctor_runs import only
from tests.runs import OpenedRun, new_tracker, saved_document

from traintop.analysis.query import filter_runs
from traintop.analysis.ranking import sorted_runs
from traintop.analysis.summary_text import summary_lines
from traintop.cli import main
from traintop.doctor import diagnose
from traintop.logfile import LONGEST_NAME
from traintop.logfile.columns import kept_names
from traintop.metrics import best_value, last_value
from traintop.model import MetricsSnapshot
from traintop.tracking.recording import MAX_METRICS, MAX_NAMES_BYTES
from traintop.tracking.statistics import WINDOW, RunStatistics


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (1e308, 1e308),
        (5e-324, 5e-324),
        (10**30, 1e30),
        (10**400, "Infinity"),
        (True, 1),
        (None, None),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(7), 7),
        (np.array(2.5), 2.5),
        (np.array([2.5]), 2.5),
        (np.float64(math.nan), "NaN"),
    ],
)
def test_values_are_written_as_strict_json(tmp_path: Path, value: object, written: object) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    tracker.log_metrics(0, value)
    tracker.finish()
    assert saved_document(tracker)["metrics_history"][0]["train_loss"] == written
    json.loads(tracker.path.read_text(), parse_constant=lambda _: pytest.fail("bare constant"))


@pytest.mark.parametrize("value", ["0.5", np.array([1.0, 2.0]), object(), 1j, [1.0]])
def test_a_non_number_is_left_out_with_one_warning(
    tmp_path: Path, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(3):
        tracker.log_metrics(i, value, grad_norm=1.0)
    tracker.finish()
    records = saved_document(tracker)["metrics_history"]
    assert [record["train_loss"] for record in records] == [None] * 3
    assert [record["grad_norm"] for record in records] == [1.0] * 3
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "'train_loss'" in warnings[0]


class ShardedTensor:
    """A ``DTensor`` of PyTorch: what each rank has of it is the whole, or a part."""

    shape = ()

    def __init__(self, value: float, *, is_whole: bool) -> None:
        self.placements = (SimpleNamespace(is_replicate=lambda: is_whole),)
        self._value = value

    def full_tensor(self) -> None:
        pytest.fail("waits for the other ranks")

    def detach(self) -> None:
        pytest.fail("waits for the other ranks")

    def to_local(self) -> Any:
        return np.array(self._value)


def test_a_tensor_of_many_ranks_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(2):
        part, whole = (ShardedTensor(0.5, is_whole=is_whole) for is_whole in (False, True))
        tracker.log_metrics(i, part, grad_norm=whole)
    tracker.finish()
    records = saved_document(tracker)["metrics_history"]
    assert [(record["train_loss"], record["grad_norm"]) for record in records] == [(None, 0.5)] * 2
    [warning] = (record.getMessage() for record in caplog.records)
    assert "full_tensor()" in warning


def test_a_value_is_the_one_at_the_time_of_the_call(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    running_loss = np.array(1.0)
    for i in range(5):
        tracker.log_metrics(i, running_loss)
        running_loss += 1.0
    tracker.finish()
    losses = [record["train_loss"] for record in saved_document(tracker)["metrics_history"]]
    assert losses == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_metrics_not_given_count_as_not_measured(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    tracker.log_metrics(0, 1.0)
    tracker.log_metrics(1, 1.0, learning_rate=0.0)
    tracker.finish()
    first, second = saved_document(tracker)["metrics_history"]
    assert (first["learning_rate"], first["tokens_per_sec"]) == (None, None)
    assert second["learning_rate"] == 0.0


def test_metrics_may_have_any_name(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    tracker.log_metrics(0, metrics={"train/acc": 0.9, "Ünïcode ✓": 1, "\ud800": 2, "val_loss": 3.0})
    tracker.finish()
    [record] = saved_document(tracker)["metrics_history"]
    assert record["train/acc"] == 0.9
    assert record["Ünïcode ✓"] == 1
    assert record["?"] == 2
    assert record["val_loss"] == 3.0


def test_metric_names_built_from_numbers_are_bounded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(1200):
        tracker.log_metrics(0, metrics={f"loss_{i}": 1.0})
    tracker.finish()
    assert len(saved_document(tracker)["stats"]) == 1000
    assert sum("metric names" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("iteration", [math.nan, "five", None, [1]])
def test_a_record_without_a_usable_iteration_is_left_out(
    tmp_path: Path, iteration: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    tracker.log_metrics(iteration, 1.0)
    tracker.log_metrics(1, 2.0)
    tracker.finish()
    assert [record["iteration"] for record in saved_document(tracker)["metrics_history"]] == [1]
    assert any("iteration" in record.getMessage() for record in caplog.records)


def test_statistics_are_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(1e6, 1.0, 3000)
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i, value in enumerate(values):
        tracker.log_metrics(i, float(value), tokens_per_sec=float(i), iter_time_ms=2.0)
        tracker.increment_gradient_step()
    stats = tracker.get_summary_stats()
    assert stats["total_iterations"] == stats["total_gradient_steps"] == 3000
    assert stats["best_train_loss"] == values.min()
    assert stats["best_val_loss"] is None
    assert "val_loss_stats" not in stats
    assert stats["train_loss_stats"] == pytest.approx(
        {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std()}
    )
    assert stats["iter_time_stats_ms"] == {"mean": 2.0, "std": 0.0}
    assert stats["throughput_stats_tokens_per_sec"] == {"mean": 1499.5, "max": 2999.0}
    assert 0 < stats["total_duration_seconds"] <= tracker.get_elapsed_time()
    tracker.finish()
    written = saved_document(tracker)["stats"]["train_loss"]
    assert written["mean"] == pytest.approx(values.mean())
    assert written["recent_mean"] == pytest.approx(values[-100:].mean())


def test_a_replayed_iteration_counts_once_however_far_back(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(2000):
        tracker.log_metrics(i, 5.0)
    tracker.save()
    for i in range(100, 2100):
        tracker.log_metrics(i, 1.0)
    stats = tracker.get_summary_stats()
    assert stats["total_iterations"] == 2100
    assert stats["train_loss_stats"]["mean"] == pytest.approx((100 * 5.0 + 2000 * 1.0) / 2100)
    tracker.finish()
    assert saved_document(tracker)["count"] == 2100


def test_no_name_of_a_metric_takes_the_place_of_the_iteration(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(5, 1.0, metrics={PurePath("iteration"): 7})  # type: ignore[dict-item]
    assert [row["iteration"] for row in saved_document(tracker)["metrics_history"]] == [5]


def test_notes_are_kept_no_longer_than_readers_look(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.log_metrics(0, 1.0)
    tracker.finish(notes="\1" * 5_000_000)
    summary = OpenedRun(tracker.path).summary()
    assert (summary.status, summary.count) == ("finished", 1)
    assert summary.notes == "\1" * (500_000 // 6)  # bytes that they take as JSON


def test_values_whose_sum_overflows_do_not_stop_the_writing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, 1.7e308)
        tracker.log_metrics(1, -1.7e308)
    run = saved_document(tracker)
    assert (run["status"], len(run["metrics_history"])) == ("finished", 2)
    assert caplog.records == []
    stats = run["stats"]["train_loss"]
    assert (stats["min"], stats["max"], stats["mean"], stats["std"]) == (
        -1.7e308,
        1.7e308,
        None,
        None,
    )


def test_the_most_metric_names_allowed_fit_where_readers_look(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    length = (MAX_NAMES_BYTES // MAX_METRICS - 6) // 6  # a control character takes six bytes
    names = [f"{number:04}".ljust(length, "\1") for number in range(MAX_METRICS)]
    with new_tracker(tmp_path) as tracker:
        for i in range(3):
            tracker.log_metrics(
                i, 1.0, metrics={"x" * (LONGEST_NAME + 1): 1.0, **dict.fromkeys(names, 0.1)}
            )
        tracker.finish(notes="\1" * 1_000_000)
    assert ["characters" in record.getMessage() for record in caplog.records] == [True]
    run = OpenedRun(tracker.path)
    summary = run.summary()
    assert (summary.status, summary.count, len(run.history())) == ("finished", 3, 3)
    assert {*names} < {*summary.stats}


@pytest.mark.parametrize("late", [1, 1000, 2500], ids=["last", "recent", "forgotten"])
def test_late_values_count_in_their_place_or_not_at_all(late: int) -> None:
    statistics, values = RunStatistics(), {}
    for iteration in range(12_000):
        loss = float(iteration * 7919 % 1009)
        changes = [(iteration, loss)]
        if iteration % 1500 == 1499:
            changes.append((iteration - late, -loss))
        for at, value in changes:
            values[at] = value
            statistics.add(MetricsSnapshot(iteration=at, train_loss=value))
        if iteration % 100 == 0:  # as each flush does
            statistics.summaries()
    if statistics.stale:
        assert late > WINDOW
        assert statistics.summaries() == {}
        return
    found = statistics.summaries()["train_loss"]
    assert statistics.count == found.count == len(values)
    assert (found.min, found.max) == (min(values.values()), max(values.values()))
    assert found.mean == pytest.approx(sum(values.values()) / len(values))
    assert found.std == pytest.approx(pstdev(values.values()))


def test_layers_by_the_thousand_give_way_to_single_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    norms = {f"grad_norm/layers.{layer}.mlp": 0.5 for layer in range(MAX_METRICS + 5)}
    late = {"aux_loss": 2.0, "accuracy": 0.9}
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, 1.0, metrics=norms)
        for i in range(1, 4):
            tracker.log_metrics(i, 1.0, metrics={**norms, **late})
    assert len(caplog.records) == 2
    rows = saved_document(tracker)["metrics_history"]
    assert [{**late}.items() <= row.items() for row in rows] == [False, True, True, True]
    assert [len(row.keys() & norms.keys()) for row in rows[2:]] == [MAX_METRICS - 2] * 2
    run = OpenedRun(tracker.path)
    assert {*late} < {*run.history().metrics}
    assert {*late} < {*run.summary().stats}
    assert run.summary().left_out == ("grad_norm/layers.#.mlp",)
    summary = "\n".join(summary_lines(run.summary(), "run"))
    assert "metrics left out  grad_norm/layers.#.mlp" in summary
    assert "grad_norm/layers.#.mlp" in only(diagnose(tmp_path), "runs.metrics").what
    name = f"grad_norm/layers.{MAX_METRICS}.mlp"
    with pytest.raises(ValueError, match="left out"):
        filter_runs([run.summary()], f"{name} > 3", datetime.now())
    with pytest.raises(ValueError, match="left out"):
        sorted_runs([run.summary()], name)
    with pytest.raises(ClickException, match="left out"):
        main(["plot", str(tmp_path), "--metric", name], standalone_mode=False)


@pytest.mark.parametrize("most", [3, 5])
def test_families_of_names_give_way_before_single_ones(most: int) -> None:
    names = ["norm.0", "norm.1", "norm.2", "loss_0", "loss_1", "iteration", "norm.3", "acc"]
    expected = {
        3: ["loss_0", "loss_1", "iteration"],
        5: ["norm.0", "loss_0", "loss_1", "iteration", "acc"],
    }
    assert [*kept_names(names, most)] == expected[most]


def test_an_evaluation_serves_not_beside_a_loss_of_another_name(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(20):
            tracker.log_metrics(i, metrics={"loss": 3.0 - i / 100})
            if i % 10 == 5:
                tracker.log_eval(i, train_loss=2.0)
        tracker.log_eval(30, train_loss=1.5, val_loss=2.0)
        assert tracker.get_summary_stats()["best_train_loss"] == 2.81
    summary = OpenedRun(tracker.path).summary()
    assert (best_value(summary, "train_loss"), last_value(summary, "train_loss")) == (2.81, 2.81)
    assert "train_loss" not in OpenedRun(tracker.path).history().metrics


def test_an_evaluation_of_long_ago_counts_alike_everywhere(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        tracker.log_metrics(0, learning_rate=0.1)
        for i in range(1, 6000):
            tracker.log_metrics(i, train_loss=3.0)
        tracker.save()
        tracker.log_eval(0, train_loss=1.25)
    run = OpenedRun(tracker.path)
    lowest = np.nanmin(run.history().columns["train_loss"])
    assert best_value(run.summary(), "train_loss") == lowest
