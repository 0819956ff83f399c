"""Runs that differ only in the seed come together, and so do their curves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from comparison_runs import best, comparison_run, row, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from traintop.analysis.compare import Target, compare
from traintop.analysis.comparison_text import comparison_table
from traintop.analysis.groups import GRID_POINTS, group_curve, grouped


def test_runs_that_differ_only_in_the_seed_are_a_group():
    runs = [*seeds("slow", 1e-4, {0: 3.0, 1: 5.0}), *seeds("fast", 1e-3, {0: 1.0, 1: 2.0, 2: 3.0})]
    columns = grouped(runs)
    assert [(column.name, len(column.runs)) for column in columns] == [("slow", 2), ("fast", 3)]
    comparison = compare(columns)
    assert [row.label for row in comparison.settings] == ["lr", "opt.seed"]
    assert [cell.value for cell in comparison.settings[1].cells] == [[0, 1], [0, 1, 2]]
    first, second = row(comparison, "val_loss", "last").cells
    assert (first.value, first.n, first.spread) == (4.0, 2, pytest.approx(math.sqrt(2)))
    assert (second.value, second.n, second.spread) == (2.0, 3, pytest.approx(1.0))
    assert (second.delta, second.best) == (-2.0, True)


def test_groups_that_overlap_have_no_winner():
    runs = [*seeds("slow", 1e-4, {0: 3.0, 1: 5.0}), *seeds("fast", 1e-3, {0: 1.0, 1: 5.5})]
    comparison = compare(grouped(runs))
    assert best(comparison, "val_loss", "last") == [False, False]


def test_a_group_of_which_some_reached_a_target_wins_nothing():
    fast = [
        comparison_run(f"fast_seed{seed}", losses, settings={"lr": 1e-3, "seed": seed})
        for seed, losses in enumerate(([3.0, 1.0], [3.0, 2.5], [3.0, 2.5]))
    ]
    slow = comparison_run("slow", [3.0, 2.5, 1.0], settings={"lr": 1e-4, "seed": 0})
    comparison = compare(grouped([*fast, slow]), Target("val_loss", 1.5))
    steps = row(comparison, "val_loss", "step to 1.5")
    assert [cell.best for cell in steps.cells] == [False, True]
    lines = comparison_table(comparison, short=True).stacked_text(200).split("\n")
    [line] = [line for line in lines if line.startswith("val loss step to")]
    assert line.split()[5:] == ["10", "(1", "of", "3)", "20*", "+10", "+100%"]


def test_a_setting_that_only_looks_like_a_seed_separates():
    runs = [comparison_run(f"r{i}", settings={"seeding": i, "data_seed": i}) for i in range(2)]
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
    runs = [comparison_run(name, settings={"seed": seed}) for seed, name in enumerate(names)]
    assert grouped(runs)[0].name == expected


def test_groups_of_one_name_get_distinct_names():
    runs = [
        comparison_run(f"base_{seed}", settings={"seed": seed, "lr": lr})
        for lr in (1, 2)
        for seed in (0, 1)
    ]
    assert [column.name for column in grouped(runs)] == ["base", "base (2)"]


def test_members_without_a_value_do_not_count():
    runs = seeds("a", 1e-3, {0: 1.0, 1: 3.0})
    runs.append(comparison_run("a_seed2", [None], settings={"lr": 1e-3, "opt": {"seed": 2}}))
    cell = row(compare(grouped(runs)), "val_loss", "last").cells[0]
    assert (cell.value, cell.n) == (2.0, 2)


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
def test_no_grid_leads_to_extrapolation_or_invented_x(curves):
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
