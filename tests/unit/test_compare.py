"""Comparisons: what differs, what was reached, who wins, and how groups come together."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traintop.analysis.compare import (
    Cell,
    ComparedRun,
    Comparison,
    Row,
    Target,
    columns_of,
    compare,
    default_target,
    metrics_of,
    target_metric,
)
from traintop.analysis.comparison_text import (
    cell_texts,
    comparison_csv,
    comparison_json,
    comparison_markdown,
    comparison_text,
)
from traintop.analysis.differences import (
    ABSENT,
    differing,
    flat_settings,
    settings_key,
    telling_settings,
)
from traintop.analysis.groups import GRID_POINTS, group_curve, grouped
from traintop.analysis.percentiles import percentiles
from traintop.analysis.ranking import leaders
from traintop.model import RECORD_FIELDS, MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.store.history import History
from traintop.text import cell_width, fit_middle


def history(**columns: Any) -> History:
    length = len(columns["iteration"])
    empty: list[object] = [None] * length
    standard = dict.fromkeys(RECORD_FIELDS, empty)
    return History.from_columns({**standard, **columns})


def compared(
    name: str,
    losses: list[object] | None = None,
    *,
    status: RunStatus = RunStatus.FINISHED,
    read: bool = True,
    settings: dict[str, Any] | None = None,
    **fields: Any,
) -> ComparedRun:
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
        path=Path(f"/logs/{name}.json"),
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
    return ComparedRun(name, summary, records if read else None)


def row(comparison: Comparison, section: str, label: str) -> Row:
    return next(row for row in comparison.results if (row.section, row.label) == (section, label))


def values(comparison: Comparison, section: str, label: str) -> list[object]:
    return [cell.value for cell in row(comparison, section, label).cells]


def best(comparison: Comparison, section: str, label: str) -> list[bool]:
    return [cell.best for cell in row(comparison, section, label).cells]


# Settings


def test_nested_settings_are_named_by_their_path_and_the_name_is_none():
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


def test_only_settings_that_differ_are_rows_and_a_missing_one_is_not_none():
    runs = [
        compared("a", settings={"lr": 1e-3, "d": 512, "opt": {"name": "adamw"}, "ema": None}),
        compared("b", settings={"lr": 3e-4, "d": 512.0, "opt": {"name": "adamw"}}),
    ]
    rows = compare(columns_of(runs)).settings
    assert [row.label for row in rows] == ["lr", "ema"]
    assert [cell.value for cell in rows[1].cells] == [None, ABSENT]
    assert [cell_texts(rows[1], cell).value for cell in rows[1].cells] == ["null", "–"]


def test_numbers_are_the_same_whatever_their_type_and_truth_is_no_number():
    assert settings_key(1) == settings_key(1.0)
    assert settings_key([1, {"a": 2}]) == settings_key([1.0, {"a": 2.0}])
    assert settings_key(math.nan) == settings_key(float("nan"))
    unlike = (1, True, "1", None, [1], ABSENT, math.nan, math.inf, -math.inf, [math.inf], [None])
    assert len(set(map(settings_key, unlike))) == len(unlike)


def test_csv_has_settings_as_they_are_and_nothing_where_there_is_none():
    text = "x" * 500
    settings = {"lr": 0.1, "none": None, "text": text, "betas": [0.9, 1], "on": True}
    columns = columns_of([compared("a", settings=settings), compared("b")])
    rows = list(csv.reader(io.StringIO(comparison_csv(compare(columns)))))
    cells = {row[1]: row[2:4] for row in rows if row[0] == "settings"}
    assert cells == {
        "lr": ["0.1", ""],
        "none": ["null", ""],
        "text": [text, ""],
        "betas": ["[0.9, 1]", ""],
        "on": ["True", ""],
    }


def test_the_settings_that_tell_most_come_first_copies_later_and_seeds_last():
    settings = [
        {"seed": seed, "lr": lr, "min_lr": lr / 10, "width": width}
        for seed, (lr, width) in enumerate([(1, 64), (2, 64), (3, 64), (3, 128)])
    ]
    assert differing(settings) == ["seed", "lr", "min_lr", "width"]
    assert telling_settings(settings) == ["lr", "width", "min_lr", "seed"]


# Results


def test_each_run_has_first_last_best_and_final_against_the_baseline():
    runs = [
        compared("base", [4.0, 2.0, 2.5], final_val_loss=2.5),
        compared("other", [4.0, 1.0, 3.0], final_val_loss=3.0),
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
        compared("a", ["NaN", 3.0, None, 2.0, 1.0]),
        compared("b", [5.0, 2.0]),
        compared("c", [9.0]),
    ]
    comparison = compare(columns_of(runs), Target("val_loss", 2.0))
    assert values(comparison, "val_loss", "step to 2") == [30.0, 10.0, None]
    assert values(comparison, "val_loss", "time to 2") == [3.0, 1.0, None]
    assert best(comparison, "val_loss", "step to 2") == [False, True, False]


def test_infinite_losses_reach_no_target_and_unknown_times_are_none():
    diverged = compared("a", ["-Infinity", 3.0, 1.0])
    timeless = history(iteration=[0, 1], val_loss=[3.0, 1.0])
    runs = [diverged, ComparedRun("b", compared("b").summary, timeless)]
    comparison = compare(columns_of(runs), Target("val_loss", 2.0))
    assert values(comparison, "val_loss", "step to 2") == [20.0, 1.0]
    assert values(comparison, "val_loss", "time to 2") == [2.0, None]


def test_the_only_run_that_reached_the_target_is_the_best_of_its_row():
    columns = columns_of([compared("quick", [3.0, 1.0]), compared("slow", [3.0, 2.9])])
    assert best(compare(columns, Target("val_loss", 1.5)), "val_loss", "step to 1.5") == [
        True,
        False,
    ]
    assert best(compare(columns, Target("val_loss", 3.0)), "val_loss", "step to 3") == [
        False,
        False,
    ]


def test_step_times_keep_their_decimals_in_line():
    cells = (Cell(144.7), Cell(144.0))
    times = Row("step time", "median", "milliseconds", "min", cells)
    assert [cell_texts(times, cell).value for cell in cells] == ["144.7", "144.0"]


def test_metrics_that_go_up_are_reached_from_below_and_won_by_the_highest():
    def with_accuracy(name: str, accuracies: list[float]) -> ComparedRun:
        run = compared(name)
        stats = MetricStats(
            last=accuracies[-1], min=min(accuracies), max=max(accuracies), count=len(accuracies)
        )
        summary = RunSummary(path=run.summary.path, status=run.summary.status, stats={"acc": stats})
        steps = list(range(len(accuracies)))
        return ComparedRun(name, summary, history(iteration=steps, acc=accuracies))

    columns = columns_of([with_accuracy("a", [0.1, 0.8]), with_accuracy("b", [0.5, 0.9])])
    target = default_target(columns, "acc")
    assert target == Target("acc", 0.8)
    comparison = compare(columns, target)
    assert values(comparison, "acc", "step to 0.8") == [1.0, 1.0]
    assert best(comparison, "acc", "best") == [False, True]


def test_a_learning_rate_is_nothing_to_reach():
    stats = {"learning_rate": MetricStats(count=1, min=0.1, max=0.1, last=0.1)}
    summary = RunSummary(path=Path("/logs/a.json"), status=RunStatus.FINISHED, stats=stats)
    columns = columns_of([ComparedRun("a", summary, history(iteration=[0], learning_rate=[0.1]))])
    assert default_target(columns, "learning_rate") is None
    comparison = compare(columns, Target("learning_rate", 0.1))
    assert [row.label for row in comparison.results] == ["last"]
    assert target_metric([summary]) == "val_loss"
    assert target_metric([summary, compared("b").summary]) == "val_loss"
    score = RunSummary(
        path=summary.path, status=summary.status, stats={**stats, "acc": MetricStats()}
    )
    assert target_metric([score]) == "acc"


def test_the_usual_target_is_one_that_every_run_has_reached():
    columns = columns_of([compared("a", [3.0, 1.0]), compared("b", [4.0, 2.0])])
    target = default_target(columns, "val_loss")
    assert target == Target("val_loss", 2.0)
    assert None not in values(compare(columns, target), "val_loss", "step to 2")
    assert default_target(columns, "unknown") is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_not_finite_never_wins_and_has_no_distance(value):
    runs = [compared("a", [2.0]), compared("b", [value]), compared("c", [3.0])]
    comparison = compare(columns_of(runs))
    assert best(comparison, "val_loss", "last") == [True, False, False]
    cell = row(comparison, "val_loss", "last").cells[1]
    assert (cell.delta, cell.percent) == (None, None)
    assert not math.isfinite(cell.value)


def test_nobody_wins_where_all_are_alike_or_one_is_alone():
    alike = compare(columns_of([compared("a"), compared("b")]))
    assert not any(cell.best for row in alike.rows for cell in row.cells)
    alone = compare(columns_of([compared("a")]))
    assert not any(cell.best for row in alone.rows for cell in row.cells)


def test_a_baseline_of_zero_has_no_percent():
    comparison = compare(columns_of([compared("a", [0.0]), compared("b", [1.0])]))
    cell = row(comparison, "val_loss", "last").cells[1]
    assert (cell.delta, cell.percent) == (1.0, None)


def test_what_needs_records_says_so_until_they_are_read():
    runs = [compared("a"), compared("b", read=False)]
    comparison = compare(columns_of(runs), Target("val_loss", 2.0))
    pending = row(comparison, "val_loss", "step to 2").cells[1]
    assert pending.pending
    assert cell_texts(row(comparison, "val_loss", "step to 2"), pending).value == "…"
    assert values(comparison, "val_loss", "best") == [1.0, 1.0]


def test_the_quickest_is_told_only_of_runs_that_have_ended():
    runs = [
        compared("a", duration_seconds=10.0),
        compared("b", duration_seconds=5.0, status=RunStatus.RUNNING),
    ]
    assert best(compare(columns_of(runs)), "duration", "") == [False, False]
    runs[1] = compared("b", duration_seconds=5.0)
    assert best(compare(columns_of(runs)), "duration", "") == [False, True]


def test_a_run_that_gave_up_or_did_less_is_not_the_quickest():
    def run(name: str, seconds: float, iteration: int, loss: float) -> ComparedRun:
        last = MetricsSnapshot(iteration=iteration, train_loss=loss)
        return compared(name, duration_seconds=seconds, last=last)

    full = run("a", 10.0, 99, 2.0)
    for other, winners in (
        (run("b", 5.0, 99, 2.5), [False, True]),
        (run("b", 5.0, 49, 2.5), [False, False]),
        (run("b", 5.0, 99, math.nan), [False, False]),
    ):
        assert best(compare(columns_of([full, other])), "duration", "") == winners


def test_a_look_at_the_records_is_taken_once():
    run = compared("a")
    seen: list[History] = []
    for _ in range(3):
        assert run.measured("key", lambda h: seen.append(h) or 1.0) == 1.0
    assert len(seen) == 1


def test_losses_lead_the_metrics():
    stats = {"zz": MetricStats(), "tokens_per_sec": MetricStats(), "train_loss": MetricStats()}
    run = RunSummary(path=Path("x"), status=RunStatus.RUNNING, stats=stats)
    assert metrics_of([run]) == ["train_loss", "tokens_per_sec", "zz"]


# Groups


def seeds(name: str, lr: float, losses: dict[int, float]) -> list[ComparedRun]:
    return [
        compared(f"{name}_seed{seed}", [loss], settings={"lr": lr, "opt": {"seed": seed}})
        for seed, loss in losses.items()
    ]


def test_runs_that_differ_only_in_the_seed_are_a_group():
    runs = [*seeds("slow", 1e-4, {0: 3.0, 1: 5.0}), *seeds("fast", 1e-3, {0: 1.0, 1: 2.0, 2: 6.0})]
    columns = grouped(runs)
    assert [(column.name, len(column.runs)) for column in columns] == [("slow", 2), ("fast", 3)]
    comparison = compare(columns)
    assert [row.label for row in comparison.settings] == ["lr", "opt.seed"]
    assert [cell.value for cell in comparison.settings[1].cells] == [[0, 1], [0, 1, 2]]
    first, second = row(comparison, "val_loss", "last").cells
    assert (first.value, first.n, first.spread) == (4.0, 2, pytest.approx(math.sqrt(2)))
    assert (second.value, second.n, second.spread) == (3.0, 3, pytest.approx(math.sqrt(7)))
    assert (second.delta, second.best) == (-1.0, True)


def test_a_setting_that_only_looks_like_a_seed_separates():
    runs = [compared(f"r{i}", settings={"seeding": i, "data_seed": i}) for i in range(2)]
    assert len(grouped(runs)) == 2


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["base_s0", "base_s1"], "base"),
        (["base seed=1", "base seed=2"], "base"),
        (["run_10", "run_12"], "run"),
        (["same", "same"], "same"),
        (["loss_a", "loss_b"], "loss"),
        (["x", "y"], "x"),
    ],
)
def test_a_group_is_named_by_what_its_names_have_in_common(names, expected):
    runs = [compared(name, settings={"seed": seed}) for seed, name in enumerate(names)]
    assert grouped(runs)[0].name == expected


def test_groups_of_one_name_are_told_apart():
    runs = [
        compared(f"base_{seed}", settings={"seed": seed, "lr": lr})
        for lr in (1, 2)
        for seed in (0, 1)
    ]
    assert [column.name for column in grouped(runs)] == ["base", "base (2)"]


def test_members_without_a_value_do_not_count():
    runs = seeds("a", 1e-3, {0: 1.0, 1: 3.0})
    runs.append(compared("a_seed2", [None], settings={"lr": 1e-3, "opt": {"seed": 2}}))
    cell = row(compare(grouped(runs)), "val_loss", "last").cells[0]
    assert (cell.value, cell.n) == (2.0, 2)


# The curves of groups

FINITE = st.floats(-1e6, 1e6)


@st.composite
def curves_on_one_grid(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    x = np.array(draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=30, unique=True)))
    x = np.sort(x).astype(float)
    count = draw(st.integers(1, 5))
    ys = [np.array(draw(st.lists(FINITE, min_size=len(x), max_size=len(x)))) for _ in range(count)]
    return x, ys


@st.composite
def any_curve(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    points = draw(
        st.lists(
            st.tuples(st.integers(0, 200), FINITE | st.just(math.nan) | st.just(math.inf)),
            max_size=20,
            unique_by=lambda point: point[0],
        )
    )
    points.sort()
    return np.array([float(x) for x, _ in points]), np.array([float(y) for _, y in points])


@settings(deadline=None)
@given(curves_on_one_grid())
def test_on_one_grid_values_are_averaged_as_they_are(curves):
    x, ys = curves
    curve = group_curve((x, y) for y in ys)
    assert curve.x.tolist() == x.tolist()
    assert curve.n.tolist() == [len(ys)] * len(x)
    scale = max(float(np.abs(ys).max()), 1.0)
    np.testing.assert_allclose(curve.mean, np.mean(ys, axis=0), rtol=1e-12, atol=1e-12 * scale)
    if len(ys) > 1:
        expected = np.std(ys, axis=0, ddof=1)
        np.testing.assert_allclose(curve.std, expected, rtol=1e-6, atol=1e-9 * scale)
    else:
        assert np.isnan(curve.std).all()


@settings(deadline=None)
@given(st.lists(any_curve(), max_size=6))
def test_on_any_grids_nothing_is_extrapolated_and_no_x_is_invented(curves):
    curve = group_curve(curves)
    usable = [(x[np.isfinite(y)], y[np.isfinite(y)]) for x, y in curves]
    usable = [(x, y) for x, y in usable if len(x)]
    assert set(curve.x.tolist()) == {value for x, _ in usable for value in x.tolist()}
    assert (np.diff(curve.x) > 0).all()
    for position, at in enumerate(curve.x.tolist()):
        reaching = [(x, y) for x, y in usable if x[0] <= at <= x[-1]]
        assert curve.n[position] == len(reaching)
        exact = [float(y[x == at][0]) for x, y in reaching if (x == at).any()]
        lowest = min(float(y.min()) for _, y in reaching)
        highest = max(float(y.max()) for _, y in reaching)
        slack = 1e-9 * max(abs(lowest), abs(highest), 1.0)
        assert lowest - slack <= curve.mean[position] <= highest + slack
        if len(reaching) == 1 and exact:
            assert curve.mean[position] == exact[0]
        assert np.isnan(curve.std[position]) == (len(reaching) < 2)


@settings(deadline=None)
@given(st.lists(any_curve(), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter(curves, random):
    shuffled = list(curves)
    random.shuffle(shuffled)
    one, other = group_curve(curves), group_curve(shuffled)
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(one.std, other.std, rtol=1e-5, atol=1e-2)


def test_between_its_points_a_run_counts_with_the_straight_line():
    curve = group_curve(
        [
            (np.array([0.0, 10.0]), np.array([0.0, 10.0])),
            (np.array([0.0, 5.0, 10.0]), np.array([2.0, 7.0, 12.0])),
        ]
    )
    assert curve.x.tolist() == [0.0, 5.0, 10.0]
    assert curve.mean.tolist() == [1.0, 6.0, 11.0]
    assert curve.std.tolist() == pytest.approx([math.sqrt(2)] * 3)


def test_very_long_runs_cost_a_bounded_grid_with_both_ends():
    x = np.arange(3.0 * GRID_POINTS)
    curve = group_curve([(x, x), (x + 0.5, x)])
    assert len(curve.x) == GRID_POINTS
    assert (curve.x[0], curve.x[-1]) == (0.0, x[-1] + 0.5)


def test_a_group_without_points_has_an_empty_curve():
    assert len(group_curve([(np.empty(0), np.empty(0))]).x) == 0
    assert len(group_curve([]).x) == 0


# Leaders and percentiles


def test_the_leaders_are_finite_and_told_with_the_iteration():
    runs = [
        RunSummary(
            path=Path(name),
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


# In words

HOSTILE = "=cmd|'x'!A1\n**b** `c` | <i>\x1b[31m"


def hostile() -> Comparison:
    runs = [compared("base", settings={"note": "a"}), compared(HOSTILE, settings={"note": HOSTILE})]
    return compare(columns_of(runs))


def test_markdown_shows_any_name_and_setting_as_it_is():
    table = comparison_markdown(hostile())
    lines = table.strip().splitlines()
    assert {line.count("|") for line in lines} == {4}
    assert "\x1b" not in table
    assert "<i>" not in table


def test_no_cell_of_the_csv_is_a_formula():
    for cells in csv.reader(io.StringIO(comparison_csv(hostile()))):
        for cell in cells:
            assert not cell.startswith(("=", "+", "@"))
            assert cell.isprintable()


def test_csv_has_full_precision_distances_and_winners():
    runs = [compared("base", [0.1 + 0.2]), compared("other", [0.2])]
    rows = list(csv.DictReader(io.StringIO(comparison_csv(compare(columns_of(runs))))))
    last = next(r for r in rows if (r["section"], r["row"]) == ("val_loss", "last"))
    assert float(last["base"]) == 0.1 + 0.2
    assert float(last["other delta"]) == 0.2 - (0.1 + 0.2)
    assert last["best"] == "other"


def test_json_is_strict_and_has_groups():
    comparison = compare(grouped([*seeds("a", 1, {0: 1.0, 1: 2.0}), compared("b", ["NaN"])]))
    document = json.loads(comparison_json(comparison), parse_constant=pytest.fail)
    assert [len(column["runs"]) for column in document["columns"]] == [2, 1]
    last = next(r for r in document["rows"] if (r["section"], r["row"]) == ("val_loss", "last"))
    assert last["cells"][0]["n"] == 2
    assert last["cells"][1]["value"] == "NaN"


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 200])
def test_text_never_outgrows_the_terminal_and_shows_every_run(width):
    runs = [compared(f"run-{i}", [float(i + 1)], settings={"lr": i}) for i in range(7)]
    text = comparison_text(compare(columns_of(runs)), width)
    assert max(map(cell_width, text.splitlines())) <= width
    if width >= 60:
        for run in runs:
            assert run.name in text
        assert "*" in text


def test_names_are_cut_in_the_middle():
    assert fit_middle("experiment_lr_3e-4", 10) == "expe…_3e-4"
    assert fit_middle("short", 10) == "short"
    assert fit_middle("abc", 0) == ""
    assert all(cell_width(fit_middle("日本語の長い名前", width)) <= width for width in range(1, 12))
