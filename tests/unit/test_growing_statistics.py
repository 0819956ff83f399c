"""Statistics that are kept up to date are those of all records at once."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.logfile import Tail
from traintop.model import MetricStats
from traintop.store import statistics
from traintop.store.history import GrowingHistory, History
from traintop.store.statistics import GrowingStatistics, LateRecordError, completed_tail

VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from(["NaN", "Infinity"]))
ROWS = st.lists(st.tuples(st.integers(0, 3), VALUES, VALUES), max_size=60)

NO_RECORDS = History.from_columns({"iteration": []})


def columns(rows: list[tuple[int, object, object]]) -> dict[str, list[object]]:
    return {
        "iteration": [row[0] for row in rows],
        "train_loss": [row[1] for row in rows],
        "accuracy": [row[2] for row in rows],
        "wallclock_time": [float(row[0]) for row in rows],
    }


def as_read(rows: list[tuple[int, object, object]]) -> list[tuple[int, object, object]]:
    """Rows whose first numbers are distances become rows with iterations, some of them equal."""
    found, iteration = [], 0
    for distance, *values in rows:
        iteration += distance
        found.append((iteration, *values))
    return found


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_WINDOW", 8)


def assert_same(one: MetricStats, other: MetricStats) -> None:
    for name in MetricStats.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine is None or theirs is None or math.isnan(theirs):
            assert repr(mine) == repr(theirs), name
        else:
            assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-6), name


@given(ROWS, st.integers(1, 7))
def test_growing_statistics_are_those_of_all_records(
    distances: list[tuple[int, object, object]], size: int
) -> None:
    rows, everything = as_read(distances), GrowingHistory()
    growing = GrowingStatistics(NO_RECORDS)
    for start in range(0, len(rows), size):
        growing.extend(columns(rows[start : start + size]))
        everything.extend(columns(rows[start : start + size]))
    expected = completed_tail(Tail(), everything.history())
    found = growing.completed(Tail())
    assert found.count == expected.count
    assert found.stats.keys() == expected.stats.keys()
    for metric, stats in found.stats.items():
        assert_same(stats, expected.stats[metric])
    assert repr(found.highest_record) == repr(expected.highest_record)


def test_a_record_before_the_window_is_late() -> None:
    growing = GrowingStatistics(NO_RECORDS)
    growing.extend(columns([(at, 1.0, None) for at in range(100)]))
    with pytest.raises(LateRecordError):
        growing.extend(columns([(2, 1.0, None)]))
    with pytest.raises(LateRecordError):
        growing.rewind(2)


def test_a_rewound_record_counts_no_more() -> None:
    growing = GrowingStatistics(NO_RECORDS)
    growing.extend(columns([(at, float(at), None) for at in range(6)]))
    growing.rewind(3)
    stats = growing.completed(Tail()).stats["train_loss"]
    assert (stats.count, stats.max, stats.last) == (4, 3.0, 3.0)


def test_the_rhythm_is_that_of_all_records() -> None:
    growing = GrowingStatistics(NO_RECORDS)
    rows = [(at, 1.0, None) for at in range(60)]
    growing.extend(columns([*rows[:5], *[(at + 50, 1.0, None) for at, *_ in rows[5:]]]))
    tail = growing.completed(Tail())
    assert tail.pauses is not None
    assert (tail.pauses.longest, tail.pauses.usual) == (51.0, 1.0)
    assert tail.iterations_per_second == 1.0
