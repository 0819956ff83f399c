"""The table of fields: what a name means, whoever logged it, and how its value is written."""

from __future__ import annotations

import math
import runpy
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from traintop.analysis.chart_names import charts_of
from traintop.analysis.field_names import is_known
from traintop.direction import direction_of_name
from traintop.fields import FIELDS, field_of
from traintop.metrics import (
    best_iteration,
    best_value,
    choose_directions,
    direction_of,
    diverged,
    last_value,
    logged_name,
    metrics_of,
)
from traintop.model import MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.progress import planned_steps, progress, steps_text
from traintop.text import percentage

NOW = datetime.fromisoformat("2025-02-22T15:00:00")


def run(**known: Any) -> RunSummary:
    known = {"id": "/logs/experiment_a.json", "status": RunStatus.FINISHED, **known}
    return RunSummary(**known)


def logged(**values: float) -> RunSummary:
    """A run that logged each of these metrics once."""
    stats = {name: MetricStats(count=1, last=v, min=v, max=v, mean=v) for name, v in values.items()}
    return run(stats=stats)


def value(name: str, of: RunSummary) -> object:
    return field_of(name).value(of, NOW)


# Metrics that tools call differently.


@pytest.mark.parametrize(
    ("standard", "name"),
    [
        *(("train_loss", n) for n in ("loss", "train/loss", "training_loss", "Loss/train")),
        *(("train_loss", n) for n in ("train_loss_step", "train_loss_epoch", "lm loss")),
        *(("val_loss", n) for n in ("eval_loss", "val/loss", "valid_loss", "validation_loss")),
        *(("val_loss", n) for n in ("eval/loss", "Loss/val", "val_loss_epoch")),
        *(("learning_rate", n) for n in ("lr", "train/learning_rate", "train/lr", "lr-AdamW")),
        *(("tokens_per_sec", n) for n in ("tokens_per_second", "train_tokens_per_second", "tok/s")),
        *(("grad_norm", n) for n in ("gradient_norm", "train/grad_norm")),
    ],
)
def test_a_metric_is_found_under_the_name_a_tool_gave_it(standard, name):
    one = logged(**{name: 2.5, "other": 9.0})
    for asked in (standard, name):
        assert value(asked, one) == 2.5
        assert value(f"mean_{asked}", one) == 2.5
    assert metrics_of([one])[0] == standard


@pytest.mark.parametrize("name", ["samples_per_second", "aux_loss", "test_loss", "loss_scale"])
def test_other_metrics_are_not_taken_for_standard_ones(name):
    one = logged(**{name: 2.5})
    assert metrics_of([one]) == [name]
    assert value(name, one) == 2.5
    assert all(value(standard, one) is None for standard in ("train_loss", "tokens_per_sec"))


def test_where_a_run_logged_both_the_standard_metric_wins():
    both = logged(loss=5.0, train_loss=1.0, eval_loss=4.0, val_loss=2.0)
    assert value("loss", both) == value("train_loss", both) == 1.0
    assert value("val_loss", both) == 2.0
    assert value("eval_loss", both) == 4.0
    assert metrics_of([both]) == ["val_loss", "train_loss", "eval_loss"]
    assert [field_of(name).label for name in ("loss", "val_loss", "eval_loss")] == [
        *("LOSS", "VAL LOSS", "EVAL LOSS")
    ]


def test_without_losses_what_gets_better_is_charted_first():
    one = logged(**dict.fromkeys(("learning_rate", "lr/pg1", "grad_norm", "train/box_loss"), 1.0))
    assert metrics_of([one])[0] == charts_of([one.stats])[0] == "train/box_loss"


def test_many_like_names_stand_behind_those_that_are_there_once():
    norms = [f"norm/layer.{number}" for number in range(20)]
    one = logged(**dict.fromkeys((*norms, "accuracy"), 1.0))
    assert metrics_of([one]) == ["accuracy", *norms]
    assert charts_of([one.stats])[0] == "accuracy"


def test_throughput_is_as_logged_or_else_tokens_per_second():
    assert value("throughput", logged(tokens_per_sec=9.0)) == 9.0
    assert value("throughput", logged(tokens_per_sec=9.0, throughput=3.0)) == 3.0
    assert value("tokens_per_sec", logged(throughput=3.0)) is None


def test_columns_of_records_have_the_same_names_as_summaries():
    assert logged_name("train_loss", ("iteration", "loss")) == "loss"
    assert logged_name("loss", ("iteration", "train_loss", "loss")) == "train_loss"
    assert logged_name("val_loss", ("iteration", "loss")) is None


def test_the_loss_of_an_epoch_is_no_other() -> None:
    assert logged_name("train_loss", ("iteration", "train_loss_epoch")) == "train_loss_epoch"
    assert logged_name("train_loss_epoch", ("iteration", "train_loss")) is None
    assert logged_name("epoch_loss", ("iteration", "loss")) is None


def test_the_last_record_counts_where_a_file_has_no_statistics():
    last = MetricsSnapshot(iteration=3, metrics={"loss": 2.0})
    assert last_value(run(last=last), "train_loss") == 2.0
    assert diverged(run(last=MetricsSnapshot(iteration=3, metrics={"loss": math.nan})))


# The best of a run.


def test_a_final_loss_is_the_best_only_without_recorded_ones():
    stats = {"loss": MetricStats(count=1, min=2.5, max=4.0, min_iteration=7)}
    one = run(stats=stats, best_train_loss=2.0, final_train_loss=2.25, final_val_loss=2.25)
    assert best_value(one, "train_loss") == best_value(one, "loss") == 2.5
    assert best_iteration(one, "train_loss", 2.5) == 7
    assert best_value(one, "val_loss") == 2.25
    assert best_value(run(best_val_loss=math.inf, final_val_loss=math.nan), "val_loss") is None


def test_nothing_is_the_best_where_the_direction_is_unknown():
    one = logged(alpha=1.0)
    assert best_value(one, "alpha") is None
    assert best_value(one, "alpha", "higher") == 1.0
    assert value("best_alpha", one) is None


def test_a_person_may_say_which_values_are_better():
    one = run(stats={"alpha": MetricStats(count=2, min=1.0, max=3.0)})
    try:
        choose_directions({"alpha": "lower"})
        assert direction_of("alpha") == "lower"
        assert value("best_alpha", one) == 1.0
    finally:
        choose_directions({})
    assert direction_of("alpha") is None


# Directions.

HIGHER = """
    accuracy val/acc eval_acc1 topKAccuracy top5 f1 BLEU rougeL chrf++ mIoU mAP AP50 auroc r2 mcc
    arc_easy/acc_norm dice_coef matthews_corrcoef
    metrics/mAP50(B) eval_matthews_correlation eval_pearson eval_spearmanr hits@10 recall@5 ndcg@10
    pass@1 exact_match true_positive_rate rewards/accuracies rollout/ep_rew_mean episode_reward
    episodic_return eval/mean_reward win_rate train/explained_variance neg_mean_squared_error
    log_likelihood tokens_per_sec tok/s samples_per_second it/s time/fps mfu throughput
"""
LOWER = """
    train_loss loss/train loss_epoch acc_loss categorical_crossentropy cross_entropy perplexity nll
    neg_log_likelihood bits_per_byte bpb error_rate top1_error eval_wer cer rmse brier_score fid
    false_positive_rate iter_time_ms step_time iter_time_s sec_per_token time_to_accuracy data_time
    latency/p99 duration false_negative_rate
"""
UNKNOWN = """
    epoch tokens num_tokens losses/num_tokens step iteration count samples alpha beta temperature lr
    learning_rate momentum grad_norm reward_std val_loss_std loss_scale amp/loss_scale loss/scale
    entropy approx_kl clip_fraction rewards/rejected rollout/ep_len_mean batch_wait top_p time
    elapsed_time wallclock_time time/iterations time/total_timesteps gpu_utilization memory_gb
"""


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        *((name, "higher") for name in HIGHER.split()),
        *((name, "lower") for name in LOWER.split()),
        *((name, None) for name in UNKNOWN.split()),
    ],
)
def test_the_direction_follows_from_the_words_of_a_name(metric, direction):
    assert direction_of_name(metric) == direction


# Names.

RUN = run(
    name="muon",
    config={"d_model": 768, "optimizer": {"lr": 2e-3, "betas": [0.9, 0.95]}, "max_iters": 100},
    environment={"host": "node7"},
    start_time="2025-02-22T14:00:00",
    stats={
        "val_loss": MetricStats(count=3, last=3.0, min=2.5, max=4.0, mean=3.2, recent_mean=3.1),
        "train/acc": MetricStats(count=2, last=0.8, min=0.1, max=0.9, mean=0.5, std=0.25),
    },
    last=MetricsSnapshot(iteration=41, val_loss=3.0),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("name", "muon"),
        ("run", "muon"),
        ("step", 42),
        ("max_steps", 100),
        ("progress", 0.42),
        ("age", 3600.0),
        ("val_loss", 3.0),
        ("last_val_loss", 3.0),
        ("last:val_loss", 3.0),
        ("best_val_loss", 2.5),
        ("best:val_loss", 2.5),
        ("val", 2.5),
        ("recent_val_loss", 3.1),
        ("mean:val_loss", 3.2),
        ("max_val_loss", 4.0),
        ("train/acc", 0.8),
        ("best_train/acc", 0.9),
        ("std_train/acc", 0.25),
        ("d_model", 768),
        ("config.d_model", 768),
        ("config:d_model", 768),
        ("optimizer.lr", 2e-3),
        ("config.optimizer.betas", (0.9, 0.95)),
        ("host", "node7"),
        ("missing", None),
    ],
)
def test_a_name_means(name, expected):
    assert value(name, RUN) == expected


def test_a_setting_wins_over_a_statistic_of_its_name():
    one = run(config={"max_learning_rate": 6e-4}, stats={"learning_rate": MetricStats(max=1e-5)})
    assert value("max_learning_rate", one) == 6e-4


def test_a_setting_called_lr_is_no_learning_rate():
    one = run(config={"lr": 3e-4}, stats={"learning_rate": MetricStats(last=1e-5)})
    assert (value("lr", one), value("learning_rate", one)) == (3e-4, 1e-5)


def test_the_fields_of_the_table_are_known_without_any_run():
    assert all(is_known(field_of(name), []) for name in FIELDS)
    assert not is_known(field_of("d_model"), [])
    assert is_known(field_of("d_model"), [RUN])


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_the_table_says_what_it_is(name):
    field = FIELDS[name]
    assert field_of(name) is field
    assert field.label
    assert field.words
    assert field.explanation
    assert field.text(field.value(RUN, NOW), field.width)
    for synonym in field.synonyms:
        assert field_of(synonym) is field


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("val_loss", "3.0000"),
        ("step", "42"),
        ("progress", "42%"),
        ("age", "1h"),
        ("start_time", "2025-02-22 14:00"),
        ("config.optimizer.lr", "0.002"),
        ("config.optimizer.betas", "[0.9, 0.95]"),
        ("best_train_loss", "–"),
        ("tags", "–"),
    ],
)
def test_a_value_is_written(name, text):
    field = field_of(name)
    assert field.text(field.value(RUN, NOW)) == text


# Planned steps.


@pytest.mark.parametrize(
    ("config", "planned"),
    [
        ({"max_iters": 100}, 100),
        ({"max_steps": 100.0}, 100),
        ({"max_steps": -1, "num_training_steps": 50}, 50),
        ({"trainer": {"max_steps": 100}}, 100),
        ({"cfg": {"training": {"total_steps": 100}}}, 100),
        ({"trainer.max_steps": 100}, 100),
        ({"eval": {"max_steps": 10}}, None),
        ({"max_iters": "many"}, None),
        ({"max_iters": True}, None),
        ({}, None),
    ],
)
def test_planned_steps_are_one_whatever_they_are_called(config, planned):
    one = run(config=config, last=MetricsSnapshot(iteration=9))
    assert planned_steps(one) == planned
    assert progress(one) == (planned and 10 / planned)


def test_a_default_that_nobody_gave_is_no_plan():
    config = {"max_iters": 100_000, "max_steps": 50}
    assert planned_steps(run(config=config, environment={"given": ["max_steps"]})) == 50
    assert planned_steps(run(config=config, environment={"given": []})) is None


def test_the_page_of_fields_is_made_from_the_table():
    maker = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_fields.py"))
    assert maker["PAGE"].read_text(encoding="utf-8") == maker["page"]()


# How far a run is.


def position(indices: range, *, planned: int, status: RunStatus = RunStatus.RUNNING) -> str:
    """What is written of a run that recorded at these iterations."""
    losses = MetricStats(count=len(indices), max_iteration=indices[0], min_iteration=indices[-1])
    one = run(
        config={"max_iters": planned},
        status=status,
        count=len(indices),
        stats={"train_loss": losses},
        last=MetricsSnapshot(iteration=indices[-1]),
    )
    return f"{steps_text(one)} {percentage(progress(one))}"


@pytest.mark.parametrize(
    ("indices", "running", "finished"),
    [
        (range(500), "500/500 100%", "500/500 100%"),
        (range(1, 501), "500/500 100%", "500/500 100%"),
        (range(1, 251), "250/500 50%", "250/500 50%"),
        (range(250), "250/500 50%", "250/500 50%"),
        (range(10, 501, 10), "500/500 100%", "500/500 100%"),
        (range(10, 251, 10), "250/500 50%", "250/500 50%"),
        (range(9, 500, 10), "500/500 100%", "500/500 100%"),
        (range(0, 500, 10), "491/500 98%", "500/500 100%"),
        (range(0, 480, 10), "471/500 94%", "471/500 94%"),
        (range(1), "1/500 0%", "1/500 0%"),
    ],
)
def test_loops_count_from_0_or_1_and_log_now_and_then(indices, running, finished):
    assert position(indices, planned=500) == running
    assert position(indices, planned=500, status=RunStatus.FINISHED) == finished
