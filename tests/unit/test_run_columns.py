"""What is computed of very many runs once, and anew only of those that changed."""

from __future__ import annotations

from msgspec.structs import replace
from tests.runs import NOW, make_run

from traintop.analysis.query import filter_runs
from traintop.analysis.ranking import sorted_runs
from traintop.model import RunSummary
from traintop.run_columns import column, names_of

RUNS = tuple(
    replace(make_run(f"run-{number:04}", age=float(number)), config={"seed": number % 7})
    for number in range(1500)
)


class Counted:
    """Counts of which runs a value was computed."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, run: RunSummary) -> str:
        self.asked.append(run.name)
        return run.name


def test_a_value_is_computed_once_for_each_run() -> None:
    counted = Counted()
    assert column(RUNS, "once", counted) == column(list(RUNS), "once", counted)
    assert len(counted.asked) == len(RUNS)


def test_only_of_runs_that_changed_it_is_computed_anew() -> None:
    counted = Counted()
    column(RUNS, "changed", counted)
    counted.asked.clear()
    other = replace(RUNS[700], name="other")
    changed = (*RUNS[:700], other, *RUNS[701:])
    assert column(changed, "changed", counted) == [run.name for run in changed]
    new = (make_run("new"), *changed[5:])
    assert column(new, "changed", counted) == [run.name for run in new]
    assert counted.asked == ["other", "new"]


def test_what_a_filter_left_does_not_drop_the_others() -> None:
    counted = Counted()
    column(RUNS, "left", counted)
    column(RUNS[:1100], "left", counted)
    column(RUNS[:3], "left", lambda run: run.name)
    column(RUNS, "left", counted)
    assert len(counted.asked) == len(RUNS)


def test_the_names_of_many_runs_are_few() -> None:
    odd = replace(RUNS[0], config={"odd": 1})
    assert len(names_of(RUNS)) == 1
    assert [names.config for names in names_of((*RUNS, odd))] == [("seed",), ("odd",)]


def test_a_filter_of_many_runs_follows_their_changes() -> None:
    assert len(filter_runs(RUNS, "seed == 3 and run-01", NOW)) == 15
    changed = tuple(replace(run, config={"seed": 3}) for run in RUNS[:1000]) + RUNS[1000:]
    assert len(filter_runs(changed, "seed == 3 and run-01", NOW)) == 100
    assert len(filter_runs(RUNS, "seed == 3 and run-01", NOW)) == 15


def test_an_order_of_many_runs_follows_their_changes() -> None:
    assert sorted_runs(RUNS, "seed")[0].config == {"seed": 0}
    changed = (*RUNS[:-1], replace(RUNS[-1], config={"seed": -1}))
    assert sorted_runs(changed, "seed")[0].config == {"seed": -1}
    assert sorted_runs(RUNS, "seed")[0].config == {"seed": 0}
