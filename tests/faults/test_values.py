"""Values as training loops really log them: of every numeric type, too large, or no numbers."""

from __future__ import annotations

import json
import logging
import math
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tests.runs import OpenedRun

from traintop import ExperimentConfig, ExperimentTracker

NUMPY_TYPES = [
    *(np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64),
    *(np.float16, np.float32, np.float64, np.longdouble),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4),
]


def logged(directory: Path, *values: Any) -> list[dict[str, Any]]:
    """The records of a run that logged a value of a metric "odd" at each iteration."""
    with ExperimentTracker(
        ExperimentConfig(experiment_name="odd"), directory, quiet=True
    ) as tracker:
        for i, value in enumerate(values):
            tracker.log_metrics(i, 0.5, odd=value)
    text = tracker.path.read_text()
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
    records: list[dict[str, Any]] = document["metrics_history"]
    assert [record["train_loss"] for record in records] == [0.5] * len(values)
    return records


@pytest.mark.parametrize("dtype", NUMPY_TYPES, ids=lambda dtype: dtype.__name__)
def test_numbers_of_every_numpy_type(tmp_path: Path, dtype: Any) -> None:
    records = logged(tmp_path, dtype(1), np.array(1, dtype), np.array([[1]], dtype))
    assert [record["odd"] for record in records] == [1.0] * 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["nan", "inf", "-inf"])
def test_non_finite_numbers_of_every_numpy_type(tmp_path: Path, dtype: Any, name: str) -> None:
    [record] = logged(tmp_path, dtype(name))
    assert repr(float(record["odd"])) == name


def test_numbers_at_the_limits_are_read_back_as_they_were(tmp_path: Path) -> None:
    values = [1e308, -1e308, 5e-324, 2.2250738585072014e-308, 2**63 - 1, -(2**63), 0.1 + 0.2, -0.0]
    records = logged(tmp_path, *values)
    assert [record["odd"] for record in records] == values
    [path] = tmp_path.iterdir()
    assert list(OpenedRun(path).history().columns["odd"]) == [float(value) for value in values]
    summary = OpenedRun(path).summary().stats["odd"]
    assert (summary.min, summary.max) == (-1e308, 1e308)


def test_further_kinds_of_numbers(tmp_path: Path) -> None:
    records = logged(tmp_path, True, Decimal("1.5"), Fraction(1, 4), 10**400, None)
    assert [record.get("odd") for record in records] == [1, 1.5, 0.25, "Infinity", None]


class Odd:
    """A stranger whose attributes are no array's."""

    shape = 3

    def __str__(self) -> str:
        raise RuntimeError


class Raising:
    """A stranger that lets nobody look."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@pytest.mark.parametrize(
    "value",
    [np.zeros((2, 3)), np.zeros(0), "0.5", b"1", [1.0], {}, 1j, np.complex64(1), Odd(), Raising()],
    ids=lambda value: type(value).__name__,
)
def test_a_non_number_costs_one_warning_and_no_other_value(
    tmp_path: Path, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    records = logged(tmp_path, value, value, value, 1.0)
    assert [record.get("odd") for record in records] == [None, None, None, 1.0]
    [warning] = [record.getMessage() for record in caplog.records]
    assert "'odd'" in warning
    if isinstance(value, np.ndarray):
        assert f"has {value.size} elements" in warning


def test_a_value_changed_after_the_call_is_logged_as_it_was(tmp_path: Path) -> None:
    value = np.array(1.0)
    with ExperimentTracker(ExperimentConfig(experiment_name="x"), tmp_path, quiet=True) as tracker:
        for i in range(100):
            tracker.log_metrics(i, value)
            value += 1.0
    assert list(OpenedRun(tracker.path).history().columns["train_loss"]) == list(range(1, 101))


@pytest.mark.parametrize(
    ("iterations", "kept"),
    [
        ([0, 0, 0], [0]),
        ([5, 3, 4, 3], [3, 4, 5]),
        ([-2, -1, 0], [-2, -1, 0]),
        ([0.25, 0.5, 0.25], [0.25, 0.5]),
        ([np.int64(1), np.float32(2), True], [1, 2]),
        ([10**12, 0], [0, 10**12]),
        ([math.nan, math.inf, 10**400, "1", None, 7], [7]),
    ],
    ids=str,
)
def test_repeated_decreasing_negative_and_odd_iterations(
    tmp_path: Path, iterations: list[Any], kept: list[float]
) -> None:
    with ExperimentTracker(ExperimentConfig(experiment_name="x"), tmp_path, quiet=True) as tracker:
        for number, iteration in enumerate(iterations):
            tracker.log_metrics(iteration, float(number))
    history = OpenedRun(tracker.path).history()
    assert list(history.columns["iteration"]) == kept
    last = {float(i): n for n, i in enumerate(iterations) if not isinstance(i, str) and i in kept}
    assert list(history.columns["train_loss"]) == [last[i] for i in kept]
    assert OpenedRun(tracker.path).summary().count == len(kept)


def test_tensors_of_torch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, which is no dependency of ours")
    caplog.set_level(logging.WARNING)
    types = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool]
    single = [torch.tensor(1, dtype=dtype) for dtype in types]
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    records = logged(tmp_path, *single, parameter, parameter.sum(), torch.zeros(2, 2))
    assert [record.get("odd") for record in records] == [1.0] * (len(types) + 2) + [None]
    [warning] = [record.getMessage() for record in caplog.records]
    assert "'odd' has 4 elements" in warning


def test_a_tensor_that_is_changed_in_place_is_logged_as_it_was(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch, which is no dependency of ours")
    loss = torch.tensor(1.0)
    with ExperimentTracker(ExperimentConfig(experiment_name="x"), tmp_path, quiet=True) as tracker:
        for i in range(100):
            tracker.log_metrics(i, loss)
            loss.add_(1.0)
    assert list(OpenedRun(tracker.path).history().columns["train_loss"]) == list(range(1, 101))
