"""One name for each run, also for very many that share theirs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.runs import make_run

from traintop.analysis import naming
from traintop.analysis.naming import unique_names


def test_copies_of_a_file_are_numbered_at_linear_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0

    def counted(first: int) -> Iterator[int]:
        nonlocal tried
        for number in itertools.count(first):
            tried += 1
            yield number

    monkeypatch.setattr(naming, "count", counted)
    runs = [make_run("a", id=f"logs/{number}.json") for number in range(1000)]
    names = sorted(unique_names(runs).values(), key=lambda name: (len(name), name))
    stamped = names[1]
    assert names == ["a", stamped, *(f"{stamped}_{number}" for number in range(2, 1000))]
    assert tried < 2 * len(runs)


def test_a_number_that_a_run_has_by_name_is_not_given_again() -> None:
    runs = [make_run("a", id=f"logs/{number}.json") for number in range(4)]
    stamped = sorted(unique_names(runs).values())[1]
    taken = make_run(f"{stamped}_2", id="logs/taken.json")
    names = unique_names([*runs, taken])
    assert sorted(names.values()) == ["a", stamped, f"{stamped}_2", f"{stamped}_3", f"{stamped}_4"]
    assert names[taken.id] == f"{stamped}_2"
