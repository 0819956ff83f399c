"""Filtering, smoothing, thinning out, limits, and the ticks of an axis."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from traintop.analysis.series import (
    FloatArray,
    band,
    common_limits,
    finite,
    resample,
    robust_limits,
    smooth,
    thin,
    value_near,
    weighted_means,
)
from traintop.charts.ticks import even_ticks, log_tick_labels, log_ticks, nice_ticks, tick_labels

any_floats = arrays.arrays(np.float64, st.integers(0, 300), elements=st.floats())
modest = st.floats(min_value=-1e6, max_value=1e6)


def floats(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


def test_finite_drops_holes_and_sorts_by_x() -> None:
    x, y = finite(floats(3, 1, math.nan, 2, 4), floats(30, 10, 0, math.inf, 40))
    assert x.tolist() == [1, 3, 4]
    assert y.tolist() == [10, 30, 40]


def test_finite_keeps_the_order_of_points_of_equal_x() -> None:
    x, y = finite(floats(2, 1, 1, 1), floats(0, 1, 2, 3))
    assert x.tolist() == [1, 1, 1, 2]
    assert y.tolist() == [1, 2, 3, 0]


def test_finite_copies_nothing_when_all_values_are_finite() -> None:
    x, y = floats(1, 2), floats(3, 4)
    assert finite(x, y) == (x, y)


def textbook_average(y: list[float], weight: float) -> list[float]:
    average, averages = 0.0, []
    for count, value in enumerate(y, start=1):
        average = weight * average + (1 - weight) * value
        averages.append(average / (1 - weight**count))
    return averages


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9, 0.999, 0.999999])
def test_smooth_is_the_debiased_moving_average(weight: float) -> None:
    y = np.random.default_rng(1).standard_normal(3000) + 3
    assert smooth(y, weight) == pytest.approx(textbook_average(y.tolist(), weight), rel=1e-9)


def test_smoothing_a_constant_gives_it_from_the_first_value() -> None:
    assert smooth(np.full(100_000, 2.5), 0.99) == pytest.approx(2.5)


def test_smoothing_skips_missing_values() -> None:
    y = floats(1, math.nan, 2, math.inf, 3)
    smoothed = smooth(y, 0.5)
    assert np.isnan(smoothed).tolist() == [False, True, False, True, False]
    assert smoothed[[0, 2, 4]].tolist() == pytest.approx(textbook_average([1, 2, 3], 0.5))


@pytest.mark.parametrize("y", [floats(), floats(math.nan), floats(1e308, -1e308, 1e308)])
def test_smooth_survives_odd_series(y: FloatArray) -> None:
    assert len(smooth(y, 0.9)) == len(y)


@pytest.mark.parametrize("weight", [-0.1, 1.0, math.nan])
def test_smooth_refuses_a_weight_out_of_range(weight: float) -> None:
    with pytest.raises(ValueError, match="smoothing weight"):
        smooth(floats(1, 2), weight)


@given(any_floats, st.integers(1, 40))
def test_decimation_keeps_few_points_with_ends_and_extremes(y: FloatArray, columns: int) -> None:
    x = np.sort(np.random.default_rng(len(y)).uniform(0, 10, len(y)))
    given_points = set(zip(*(values.tolist() for values in finite(x, y)), strict=True))
    thin_x, thin_y = thin(*finite(x, y), columns)
    kept = list(zip(thin_x.tolist(), thin_y.tolist(), strict=True))
    assert set(kept) <= given_points
    assert len(kept) <= 2 * columns + 4
    if given_points:
        heights = [point[1] for point in given_points]
        assert thin_y.min() == min(heights)
        assert thin_y.max() == max(heights)
        assert kept[0][0] == min(given_points)[0]
        assert kept[-1][0] == max(given_points)[0]
    assert bool((np.diff(thin_x) >= 0).all())


def test_every_spike_survives_decimation() -> None:
    y = np.zeros(100_000)
    spikes = [3, 777, 50_001, 99_998]
    y[spikes] = [5, -5, 7, 9]
    x, thinned = thin(np.arange(100_000.0), y, 200)
    assert {*spikes} <= {*x.astype(int).tolist()}
    assert {5.0, -5.0, 7.0, 9.0} <= {*thinned.tolist()}


def test_a_zoomed_view_keeps_one_neighbour_on_each_side() -> None:
    x = np.arange(1000.0)
    thinned, _ = thin(x, x, 400, limits=(100.5, 110.5))
    assert thinned.tolist() == [100.0, *range(101, 111), 111.0]


def test_a_view_between_two_points_keeps_both() -> None:
    thinned, _ = thin(floats(0, 10), floats(1, 2), 50, limits=(4, 5))
    assert thinned.tolist() == [0, 10]


def test_a_band_has_minimum_maximum_and_mean_of_each_column() -> None:
    points = finite(floats(0, 1, 2, 9, 10), floats(3, 1, 2, math.nan, 8))
    found = band(*points, 5, (0.0, 10.0))
    assert found.x.tolist() == [1, 3, 5, 7, 9]
    assert found.low.tolist() == pytest.approx([1, 2, math.nan, math.nan, 8], nan_ok=True)
    assert found.high.tolist() == pytest.approx([3, 2, math.nan, math.nan, 8], nan_ok=True)
    assert found.mean.tolist() == pytest.approx([2, 2, math.nan, math.nan, 8], nan_ok=True)


@given(any_floats, st.integers(1, 20))
def test_a_band_encloses_its_mean(y: FloatArray, columns: int) -> None:
    y = np.where(np.abs(y) > 1e300, np.nan, y)
    x = np.arange(len(y), dtype=float)
    found = band(*finite(x, y), columns, (0.0, float(max(len(y) - 1, 1))))
    filled = ~np.isnan(found.low)
    slack = 1e-9 * np.maximum(np.abs(found.low), np.abs(found.high))[filled]
    assert bool((found.low[filled] - slack <= found.mean[filled]).all())
    assert bool((found.mean[filled] <= found.high[filled] + slack).all())


def test_one_spike_does_not_stretch_robust_limits() -> None:
    y = 3 + 0.1 * np.random.default_rng(2).standard_normal(1000)
    y[500] = 1e6
    low, high = robust_limits(y) or (0, 0)
    assert 2 < low < 3 < high < 4


def test_robust_limits_of_few_values() -> None:
    assert robust_limits(floats(1, 2, 3, 4, 5, 1000)) == (1, 8)
    assert robust_limits(floats(1, 2)) == (1, 2)
    assert robust_limits(floats(3)) == (3, 3)
    assert robust_limits(floats(math.nan, math.inf)) is None


def test_robust_limits_without_outliers_are_those_of_the_data() -> None:
    y = np.linspace(2, 5, 100)
    assert robust_limits(y) == (2, 5)
    assert robust_limits(y, log=True) == pytest.approx((math.log10(2), math.log10(5)))
    assert robust_limits(floats(-1, 0), log=True) is None


def test_one_diverged_series_does_not_stretch_the_limits() -> None:
    assert common_limits([(2, 5), (2.1, 4), (2, 9), (3, 1e6)]) == (2, 9)
    assert common_limits([(2, 5), (3, 1e6)]) == (2, 5)
    assert common_limits([(2, 5), (-1e9, 5)]) == (2, 5)
    assert common_limits([(1, 2)]) == (1, 2)
    assert common_limits([(2.5, 2.5), (2.6, 2.6)]) == (2.5, 2.6)
    assert common_limits([(1e-3, 1e-3), (0, 6e-4)]) == (0, 1e-3)
    assert common_limits([(0.3, 0.7), (0.4, 6.0)], log=True) == (0.3, 0.7)


@given(st.lists(st.tuples(st.floats(-1e308, 1e308), st.floats(-1e308, 1e308)), min_size=1))
def test_common_limits_ascend_and_are_some_of_those_given(pairs: list[tuple[float, float]]) -> None:
    each = [(min(pair), max(pair)) for pair in pairs]
    low, high = common_limits(each)
    assert low in [pair[0] for pair in each]
    assert high in [pair[1] for pair in each]
    assert low <= high


def test_value_near_takes_the_nearest_point() -> None:
    x, y = floats(0, 10, 20), floats(1, 2, 3)
    assert [value_near(x, y, at) for at in (-5, 4, 5, 14, 16, 99)] == [1, 1, 2, 2, 3, 3]


def test_resample_means_and_leaves_out_holes() -> None:
    assert resample(floats(1, 3, math.nan, 5, 7), 2).tolist() == [2, 6]
    assert resample(floats(1, math.nan, 2), 8).tolist() == [1, 2]
    assert resample(floats(1, 2, math.inf, 4), 2).tolist() == [1.5, math.inf]
    assert resample(floats(math.inf, -math.inf, 1, 1), 2).tolist() == [math.inf, 1]
    assert resample(floats(1, 2), 0).tolist() == []


@pytest.mark.parametrize(
    ("low", "high", "count", "labels"),
    [
        (0, 100_000, 6, ["0", "20k", "40k", "60k", "80k", "100k"]),
        (2.71, 4.63, 4, ["3.0", "3.5", "4.0", "4.5"]),
        (2.1, 3.9, 2, ["2.5", "3.0", "3.5"]),
        (0, 6e-4, 4, ["0", "2e-4", "4e-4", "6e-4"]),
        (-5, 5, 5, ["-4", "-2", "0", "2", "4"]),
        (118_000, 121_000, 4, ["118k", "119k", "120k", "121k"]),
        (999_990, 1_000_010, 5, ["999990", "999995", "1000000", "1000005", "1000010"]),
        (0, 1500, 4, ["0", "500", "1000", "1500"]),
        (-1e308, 1e308, 5, ["-1e308", "-0.5e308", "0", "0.5e308", "1e308"]),
    ],
)
def test_ticks_are_nice_and_short(low: float, high: float, count: int, labels: list[str]) -> None:
    assert list(tick_labels(nice_ticks(low, high, count))) == labels


@given(
    st.floats(-1e9, 1e9),
    st.floats(1e-6, 1e9),
    st.integers(2, 60),
    st.sampled_from([1, 4]),
)
def test_even_ticks_are_whole_rows_apart_in_wider_limits(
    low: float, span: float, rows: int, dots: int
) -> None:
    even = even_ticks(low, low + span, rows, dots)
    if even is None:
        return
    slack = 1e-6 * span
    assert even.low <= low + slack
    assert even.high >= low + span - slack
    assert even.high - even.low <= 1.4 * span
    assert even.low >= 0 or low < 0
    dot = (even.high - even.low) / (rows * dots - 1)
    places = [(tick - even.low) / dot for tick in even.ticks]
    assert places == pytest.approx([round(place) for place in places], abs=1e-3)
    steps = {round(after - before) for before, after in itertools.pairwise(places)}
    assert len(steps) == 1
    assert steps.pop() % dots == 0


def test_ticks_of_iterations_are_whole() -> None:
    assert nice_ticks(0, 3, 8, whole=True) == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("low", "high"),
    [(1, 1), (2, 1), (math.nan, 1), (0, math.inf), (5e-324, 1e-323), (1e18, 1e18 + 128)],
)
def test_there_are_no_ticks_where_arithmetic_has_no_room(low: float, high: float) -> None:
    assert nice_ticks(low, high, 5) == ()


@given(st.floats(allow_nan=False, allow_infinity=False), modest, st.integers(2, 12), st.booleans())
def test_ticks_ascend_within_limits_with_labels_of_their_own(
    low: float, span: float, count: int, whole: bool
) -> None:
    high = low + abs(span)
    ticks = nice_ticks(low, high, count, whole=whole)
    slack = 1e-6 * (high - low)
    assert list(ticks) == sorted(set(ticks))
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(set(tick_labels(ticks))) == len(ticks)
    assert len(ticks) <= max(count, 5)


@pytest.mark.parametrize(
    ("low", "high", "count", "labels"),
    [
        (-5, 3, 5, ["1e-4", "0.01", "1", "100"]),
        (-1, 1, 8, ["0.1", "0.2", "0.5", "1", "2", "5", "10"]),
        (-4.2, -3.2, 4, ["1e-4", "2e-4", "5e-4"]),
        (0.4, 0.7, 4, ["3", "4", "5"]),
        (2, 6, 5, ["100", "1k", "10k", "100k", "1M"]),
        (2, 5.2, 5, ["100", "1k", "10k", "100k"]),
        (-300, 300, 6, ["1e-200", "1", "1e200"]),
        (1, 1, 4, []),
    ],
)
def test_logarithmic_ticks(low: float, high: float, count: int, labels: list[str]) -> None:
    assert list(log_tick_labels(log_ticks(low, high, count))) == labels


@given(st.floats(-320, 308), st.floats(0, 600), st.integers(2, 12))
def test_logarithmic_ticks_lie_within_limits(low: float, span: float, count: int) -> None:
    high = min(low + span, 308.2)
    ticks = log_ticks(low, high, count)
    assert all(tick > 0 for tick in ticks)
    assert all(low - 1e-6 <= math.log10(tick) <= high + 1e-6 for tick in ticks)
    assert len(set(log_tick_labels(ticks))) == len(ticks)


@given(st.lists(st.tuples(st.floats(-5, 15), st.floats(-1e308, 1e308), st.integers(1, 9))))
def test_means_are_weighted_by_counts(points: list[tuple[float, float, int]]) -> None:
    x, y, weights = np.array(sorted(points), dtype=float).reshape(-1, 3).T
    means = weighted_means(x, y, weights.astype(int), 5, (0.0, 10.0))
    for place, mean in enumerate(means.tolist()):
        inside = (x >= 2.0 * place) & ((x < 2.0 * place + 2) | ((place == 4) & (x == 10.0)))
        if inside.any():
            expected = np.average(y[inside] / 16, weights=weights[inside]) * 16
            assert mean == pytest.approx(expected, rel=1e-9, abs=1e298)
        else:
            assert math.isnan(mean)
