"""Columns of a run: merging, what was measured, and that what was handed out never changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.store.history import GrowingHistory, History

NAN, INF = math.nan, math.inf


def history(*rows: dict[str, Any]) -> History:
    return History.from_columns(columns(rows))


def columns(rows: Any) -> dict[str, list[Any]]:
    keys = dict.fromkeys(("iteration", *(key for row in rows for key in row)))
    return {key: [row.get(key) for row in rows] for key in keys}


def values(found: History, metric: str) -> list[float | None]:
    """A column with ``None`` for what was not measured."""
    pairs = zip(found.columns[metric].tolist(), found.measured(metric).tolist(), strict=True)
    return [value if measured else None for value, measured in pairs]


def test_empty_history_has_all_standard_columns() -> None:
    found = History.from_columns({"iteration": []})
    assert len(found) == 0
    assert found.metrics == ()
    assert {"iteration", "gradient_step", "wallclock_time", "train_loss"} <= set(found.columns)


def test_rows_are_sorted_and_each_iteration_stands_once() -> None:
    found = history(
        {"iteration": 2, "train_loss": 1.0, "val_loss": 5.0},
        {"iteration": 0, "train_loss": 3.0},
        {"iteration": 2, "train_loss": 2.0},
    )
    assert found.columns["iteration"].tolist() == [0, 2]
    assert values(found, "train_loss") == [3.0, 2.0]
    assert values(found, "val_loss") == [None, 5.0]


def test_later_nan_wins_over_a_number_and_over_nothing() -> None:
    found = history(
        {"iteration": 0, "train_loss": 1.0},
        {"iteration": 0, "train_loss": "NaN"},
        {"iteration": 1},
        {"iteration": 1, "train_loss": NAN},
        {"iteration": 2, "train_loss": "NaN"},
        {"iteration": 2},
        {"iteration": 3, "train_loss": "NaN"},
        {"iteration": 3, "train_loss": 4.0},
    )
    assert np.isnan(found.columns["train_loss"][:3]).all()
    assert found.measured("train_loss").tolist() == [True] * 4
    assert found.columns["train_loss"][3] == 4.0


def test_measured_nan_differs_from_not_measured() -> None:
    found = history(
        {"iteration": 0, "train_loss": "NaN"},
        {"iteration": 1, "train_loss": None},
        {"iteration": 2, "train_loss": "-Infinity"},
        {"iteration": 3, "train_loss": 1.0},
    )
    assert np.isnan(found.columns["train_loss"][:2]).all()
    assert found.measured("train_loss").tolist() == [True, False, True, True]
    assert found.nonfinite("train_loss").tolist() == [True, False, True, False]
    assert found.nonfinite("unheard_of").tolist() == [False] * 4
    assert found.measured("unheard_of").tolist() == [False] * 4


def test_non_numbers_count_as_not_measured() -> None:
    found = history(
        {"iteration": 0, "a": "1e5", "b": [1], "c": True, "d": 1},
        {"iteration": 1, "a": "nan", "b": {}, "c": 10**400, "d": 10**400},
        {"iteration": 2, "a": 1, "b": None, "c": -(10**30), "d": 2},
    )
    assert values(found, "a") == [None, None, 1.0]
    assert "b" not in found.columns
    assert values(found, "c") == [1.0, INF, -1e30]
    assert values(found, "d") == [1.0, INF, 2.0]
    assert found.metrics == ("a", "c", "d")


def test_rows_without_a_finite_iteration_are_left_out() -> None:
    found = history(
        {"iteration": None, "a": 1.0},
        {"iteration": "NaN", "a": 2.0},
        {"iteration": -3, "a": 3.0},
        {"iteration": 0.5, "a": 4.0},
    )
    assert found.columns["iteration"].tolist() == [-3, 0.5]
    assert values(found, "a") == [3.0, 4.0]


def test_metrics_are_the_measured_ones_standard_first() -> None:
    found = history(
        {"iteration": 0, "grad_norm": 1.0, "val_loss": None, "learning_rate": 1e-3},
        {"iteration": 1, "acc": "NaN", "train_loss": 2.0, "gradient_step": 3},
    )
    assert found.metrics == ("train_loss", "learning_rate", "acc", "grad_norm")
    assert values(found, "acc")[0] is None


def test_of_very_many_keys_the_first_ones_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file whose every record has a key of its own does not cost the square of its length."""
    monkeypatch.setattr("traintop.logfile.columns._MOST_CELLS", 10_000)
    growing = GrowingHistory()
    for start in range(0, 2000, 50):
        rows = [{"iteration": i, f"x{i:04}": 1.0} for i in range(start, start + 50)]
        growing.extend(columns(rows))
        found = growing.history()
        assert len(found.columns) == min(8 + start + 50, max(10_000 // (start + 50), 64))
        assert found.metrics == tuple(f"x{i:04}" for i in range(len(found.columns) - 8))
    assert len(found) == 2000
    assert values(found, "x0003")[2:5] == [None, 1.0, None]


def test_columns_are_read_only() -> None:
    found = history({"iteration": 0, "train_loss": 1.0})
    with pytest.raises(ValueError, match="read-only"):
        found.columns["train_loss"][0] = 2.0
    with pytest.raises(TypeError):
        found.columns["new"] = found.columns["train_loss"]  # type: ignore[index]


def test_the_same_history_is_returned_until_something_is_added() -> None:
    growing = GrowingHistory()
    growing.extend(columns([{"iteration": 0, "train_loss": 1.0}]))
    first = growing.history()
    assert growing.history() is first
    growing.extend(columns([{"iteration": 1, "train_loss": 1.0}]))
    assert growing.history() is not first


def test_appending_moves_the_columns_logarithmically_often() -> None:
    growing = GrowingHistory()
    moves = 0
    before = growing.history().columns["iteration"]
    for step in range(5000):
        growing.extend(columns([{"iteration": step, "train_loss": float(step)}]))
        now = growing.history().columns["iteration"]
        moves += not np.may_share_memory(before, now)
        before = now
    assert moves <= 8
    assert before.tolist() == list(range(5000))


def test_completing_the_last_record_leaves_what_was_handed_out() -> None:
    growing = GrowingHistory()
    growing.extend(columns([{"iteration": 0, "train_loss": 1.0}]))
    growing.set_open(columns([{"iteration": 1, "train_loss": 2}]))
    before = growing.history()
    growing.extend(columns([{"iteration": 1, "train_loss": 2.0, "val_loss": 9.0}]))
    growing.set_open(columns([{"iteration": 2}]))
    assert values(before, "val_loss") == [None, None]
    assert values(growing.history(), "val_loss") == [None, 9.0, None]


def test_a_replaced_last_record_may_lose_a_value() -> None:
    growing = GrowingHistory()
    growing.extend(columns([{"iteration": 0, "a": 1.0}]))
    growing.set_open(columns([{"iteration": 1, "a": 2.0}]))
    growing.history()
    growing.set_open(columns([{"iteration": 1}]))
    assert values(growing.history(), "a") == [1.0, None]


_METRIC = st.one_of(st.none(), st.sampled_from(["NaN", "Infinity"]), st.floats(-9, 9))
_ROW = st.fixed_dictionaries(
    {"iteration": st.integers(0, 12)}, optional={"train_loss": _METRIC, "a": _METRIC, "b": _METRIC}
)
_STEP = st.tuples(
    st.lists(_ROW, max_size=6),
    st.none() | _ROW,  # the open record
    st.none() | st.integers(0, 12),  # where a rewind leads
    st.booleans(),  # whether somebody looks
)


@given(st.lists(_STEP, max_size=12))
def test_any_growth_equals_merging_by_hand(
    steps: list[tuple[list[Any], Any, int | None, bool]],
) -> None:
    """A model in plain dictionaries; every handed out history is compared again at the end."""
    growing = GrowingHistory()
    rows: list[dict[str, Any]] = []
    handed_out: list[tuple[History, list[Any]]] = []
    for added, is_open, rewind_to, look in [*steps, ([], None, None, True)]:
        growing.extend(columns(added))
        rows = rows + added
        if rewind_to is not None:
            growing.rewind(rewind_to)
            rows = [row for row in rows if row["iteration"] <= rewind_to]
        growing.set_open(columns([is_open]) if is_open else None)
        if look:
            now = [*rows, is_open] if is_open else rows
            handed_out.append((growing.history(), merged_by_hand(now)))
            handed_out.append((growing.copy().history(), merged_by_hand(rows)))
    for found, expected in handed_out:
        assert as_rows(found) == expected


def merged_by_hand(rows: list[dict[str, Any]]) -> list[Any]:
    merged: dict[int, dict[str, Any]] = {}
    for row in rows:
        known = merged.setdefault(row["iteration"], {})
        known.update({key: value for key, value in row.items() if value is not None})
    names = {"NaN": "nan", "Infinity": INF}
    return [
        {
            key: names.get(value, value) if isinstance(value, str) else value
            for key, value in r.items()
        }
        for _, r in sorted(merged.items())
    ]


def as_rows(found: History) -> list[Any]:
    rows: list[Any] = [{} for _ in range(len(found))]
    for name in found.columns:
        for row, value in zip(rows, values(found, name), strict=True):
            if value is not None:
                row[name] = "nan" if math.isnan(value) else value
    return rows
