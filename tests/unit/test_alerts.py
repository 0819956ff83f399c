"""Alerts: one for an event and for what is so at first, none for the past, none for noise."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.analysis.alerts import Alert, AlertDetector, AlertKind, Measured
from traintop.model import MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.tracking.pace import RunningMedian

NOW = datetime.fromisoformat("2025-02-22T15:00:00")
EARLIER = "2025-02-22T14:00:00"


def run(name: str = "a", iteration: int = 0, **changes: Any) -> RunSummary:
    loss, rate = changes.pop("loss", 3.0), changes.pop("rate", 100.0)
    loss_stats = MetricStats(
        last=loss, max=changes.pop("highest", 4.0), nonfinite=changes.pop("nonfinite", 0)
    )
    fields: dict[str, Any] = {
        "id": f"/logs/{name}.json",
        "status": RunStatus.RUNNING,
        "name": name,
        "stats": {"train_loss": loss_stats, "tokens_per_sec": MetricStats(last=rate)},
        "last": MetricsSnapshot(iteration=iteration, train_loss=loss, tokens_per_sec=rate),
    }
    return RunSummary(**{**fields, **changes})


def alerts(*states: list[RunSummary]) -> list[tuple[str, AlertKind]]:
    detector = AlertDetector()
    return [(n.name, n.kind) for runs in states for n in detector.observe(runs, NOW)]


def course(values: list[float], key: str, **changes: Any) -> list[list[RunSummary]]:
    return [[run(iteration=i, **{key: value}, **changes)] for i, value in enumerate(values)]


@pytest.mark.parametrize(
    "state",
    [{"status": status} for status in RunStatus if status is not RunStatus.STALLED]
    + [{"nonfinite": 3}, {"best_val_loss": 1.0}],
)
def test_what_is_past_at_the_start_makes_no_notice(state):
    assert alerts([run(**state)], [run(**state)], [run(iteration=1, **state)]) == []


def test_what_is_past_makes_no_notice_however_late_it_is_read():
    detector = AlertDetector()
    new = [run("new", best_val_loss=2.0, status=RunStatus.FINISHED, end_time=EARLIER)]
    old = run("old", status=RunStatus.FAILED, end_time="2024-02-22T14:00:00", best_val_loss=1.0)
    assert detector.observe(new, NOW, complete=False) == ()
    assert detector.observe([*new, old], NOW) == ()
    best = run("best", best_val_loss=0.5, status=RunStatus.FINISHED, end_time=EARLIER)
    assert [alert.kind for alert in detector.observe([*new, old, best], NOW)] == [AlertKind.BEST]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ({"loss": math.nan}, AlertKind.NOT_FINITE),
        ({"status": RunStatus.STALLED}, AlertKind.STALLED),
        ({"status": RunStatus.FAILED, "end_time": EARLIER}, AlertKind.FAILED),
        ({"status": RunStatus.CRASHED, "updated_at": EARLIER}, AlertKind.CRASHED),
    ],
)
def test_what_is_so_at_the_start_makes_one_notice(state, kind):
    assert alerts([run(**state)], [run(**state)], [run(iteration=1, **state)]) == [("a", kind)]


def looked_back(measured: list[Measured], **changes: Any) -> tuple[AlertDetector, list[Alert]]:
    """What is found at first of a run with this past."""
    newest = measured[-1]
    changes = {"loss": newest.loss, "rate": newest.rate, "updated_at": NOW.isoformat(), **changes}
    one = run(
        last=MetricsSnapshot(newest.iteration, wallclock_time=newest.wallclock_time),
        duration_seconds=newest.wallclock_time,
        **changes,
    )
    detector = AlertDetector(lambda run: measured)
    return detector, [*detector.observe([one], NOW)]


def past(losses: list[float], rates: list[float | None] | None = None) -> list[Measured]:
    """A record a second with these values."""
    rates = rates or [100.0] * len(losses)
    return [Measured(i, float(i), loss, rates[i]) for i, loss in enumerate(losses)]


FALLING = [1.5 + 3 * math.exp(-i / 20) for i in range(100)]


def test_a_run_that_diverged_before_is_noticed_with_its_own_low():
    low = MetricStats(last=3.0, min=1.4123, min_iteration=97)
    losses = [*FALLING, *[3.0] * 50]
    detector, [notice] = looked_back(past(losses), stats={"train_loss": low})
    assert notice.kind is AlertKind.DIVERGED
    assert notice.text == "train loss rose to 3 from a low of 1.412 at iteration 97"
    assert NOW - timedelta(seconds=50) < notice.time < NOW - timedelta(seconds=40)
    assert detector.current() == {"/logs/a.json": AlertKind.DIVERGED}


def test_records_that_were_written_together_set_no_pace():
    together = [Measured(i, 1.0 + i * 2e-6, 2.0, None) for i in range(40)]
    after = [Measured(40 + i, 1.03 + i * 0.03, 2.0, None) for i in range(30)]
    _, found = looked_back([*together, *after])
    assert found == []


def test_a_rise_well_short_of_half_way_back_is_a_divergence():
    _, [notice] = looked_back(past([*FALLING, *[2.0] * 50]))
    assert notice.kind is AlertKind.DIVERGED


def test_a_run_that_recovered_before_is_quiet():
    losses = [*FALLING, *[3.0] * 50, *[1.4] * 50]
    detector, notices = looked_back(past(losses))
    assert notices == []
    assert detector.current() == {}


def test_a_run_that_became_slow_before_is_noticed():
    rates: list[float | None] = [*[100.0] * 40, *[65.0] * 160]
    _, [notice] = looked_back(past([2.0] * 200, rates))
    assert notice.kind is AlertKind.SLOWER
    assert notice.text == "65 tokens/s, 35% below its median 100"
    assert notice.time == NOW - timedelta(seconds=199 - 42)


def test_without_throughput_the_pace_of_iterations_serves():
    seconds = [*range(40), *range(40, 100, 3)]
    measured = [Measured(i, float(second), 2.0) for i, second in enumerate(seconds)]
    stats = {"train_loss": MetricStats(last=2.0)}
    _, [notice] = looked_back(measured, stats=stats)
    assert notice.kind is AlertKind.SLOWER
    assert notice.text == "0.333 it/s, 67% below its median 1"


def test_a_mark_goes_when_the_run_recovers():
    detector = AlertDetector()
    states = [run(iteration=i, loss=loss) for i, loss in enumerate((1.0, math.nan, 1.0))]
    marks = [(detector.observe([state], NOW), detector.current())[1] for state in states]
    assert marks == [{}, {"/logs/a.json": AlertKind.NOT_FINITE}, {}]


def test_without_its_records_a_run_is_judged_by_its_summary():
    def sample(run: RunSummary) -> list[Measured]:
        raise OSError("gone")

    [notice] = AlertDetector(sample).observe([run(loss=math.nan)], NOW)
    assert notice.kind is AlertKind.NOT_FINITE


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (RunStatus.STALLED, AlertKind.STALLED),
        (RunStatus.CRASHED, AlertKind.CRASHED),
        (RunStatus.FAILED, AlertKind.FAILED),
    ],
)
def test_a_bad_end_is_noticed_once(status, kind):
    ended = [run(status=status, error="boom")]
    assert alerts([run()], ended, [run(status=status, error="boom")], ended) == [("a", kind)]


def test_good_ends_are_quiet():
    assert alerts([run()], [run(status=RunStatus.FINISHED)]) == []
    assert alerts([run()], [run(status=RunStatus.INTERRUPTED)]) == []


def test_a_second_stall_is_a_second_event():
    stalled = [run(status=RunStatus.STALLED)]
    assert len(alerts([run()], stalled, [run()], stalled)) == 2


def test_a_run_that_starts_and_fails_between_scans_is_noticed():
    detector = AlertDetector()
    detector.observe([], NOW)
    (notice,) = detector.observe([run(status=RunStatus.FAILED, error="CUDA out of memory")], NOW)
    assert (notice.kind, notice.text) == (AlertKind.FAILED, "CUDA out of memory")


@pytest.mark.parametrize("bad", [{"loss": math.nan}, {"loss": math.inf}, {"nonfinite": 1}])
def test_the_first_non_finite_loss_is_noticed_once(bad):
    states = [[run()], [run(iteration=1, **bad)], [run(iteration=2, nonfinite=2)]]
    assert alerts(*states) == [("a", AlertKind.NOT_FINITE)]


def test_a_diverging_loss_is_noticed_once():
    falling = [4.0 - i / 20 for i in range(40)]
    losses = falling + [3.9] * 60
    assert alerts(*course(losses, "loss")) == [("a", AlertKind.DIVERGED)]


def test_a_spike_is_no_divergence():
    losses = [4.0 - i / 20 for i in range(40)]
    losses[30:33] = [9.0, 8.0, 7.0]
    assert alerts(*course(losses, "loss")) == []


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_divergence(seed):
    noise = random.Random(seed)
    flat = [noise.gauss(2.0, 0.3) for _ in range(1000)]
    assert alerts(*course(flat, "loss", highest=max(flat))) == []


def test_a_throughput_drop_is_noticed_once_until_it_recovers():
    rates = [100.0] * 30 + [60.0] * 10 + [100.0] * 10 + [50.0] * 6
    assert alerts(*course(rates, "rate")) == [("a", AlertKind.SLOWER)] * 2


def test_single_slow_steps_and_small_drops_are_quiet():
    evaluating = [5.0 if i % 10 == 0 else 100.0 for i in range(100)]
    assert alerts(*course(evaluating, "rate")) == []
    assert alerts(*course([100.0] * 30 + [75.0] * 30, "rate")) == []


def test_the_text_says_how_much_slower():
    detector = AlertDetector()
    states = course([100_000.0] * 30 + [60_000.0] * 5, "rate")
    (notice,) = (notice for runs in states for notice in detector.observe(runs, NOW))
    assert notice.text == "60k tokens/s, 40% below its median 100k"


def validated(**losses: float) -> list[RunSummary]:
    """Runs with these best validation losses; those in capitals have ended."""
    ended = {name: RunStatus.FINISHED for name in losses if name.isupper()}
    return [
        run(name, best_val_loss=loss, status=ended.get(name, RunStatus.RUNNING))
        for name, loss in losses.items()
    ]


def test_beating_the_record_of_ended_runs_is_noticed_once():
    states = [validated(A=3.0, b=3.5), validated(A=3.0, b=2.9), validated(A=3.0, b=2.8)]
    assert alerts(*states) == [("b", AlertKind.BEST)]


def test_runs_that_race_each_other_from_the_start_are_quiet():
    states = [validated(a=3.0 - i * 0.1, b=3.0 - i * 0.1 - i % 2 * 0.2) for i in range(10)]
    assert alerts(*states) == []
    assert alerts([run()], validated(a=3.0)) == []


def test_beating_the_record_behind_a_better_run_is_no_best():
    states = [validated(A=3.0, b=2.5, c=3.5), validated(A=3.0, b=2.5, c=2.9)]
    assert alerts(*states) == []


def test_a_run_that_was_ahead_when_another_ended_is_quiet():
    states = [validated(a=3.0, b=2.9), [*validated(b=2.9), run("a", best_val_loss=3.0)]]
    states += [[run("a", best_val_loss=3.0, status=RunStatus.FINISHED), *validated(b=2.9)]]
    states += [[run("a", best_val_loss=3.0, status=RunStatus.FINISHED), *validated(b=2.8)]]
    assert alerts(*states) == []


def test_a_record_is_beaten_again_after_its_run_ended():
    states = [validated(A=3.0), validated(A=3.0, B=2.9), validated(A=3.0, B=2.9, c=2.8)]
    assert alerts(*states) == [("B", AlertKind.BEST), ("c", AlertKind.BEST)]


def test_overtaking_below_the_record_is_noticed_once():
    race = [validated(A=3.0, b=3.1 - i * 0.1, c=3.1 - i * 0.12, d=3.1 - i * 0.11) for i in range(9)]
    assert alerts(*race) == [("c", AlertKind.BEST)]


def test_ending_as_the_best_of_concurrent_runs_is_noticed():
    """It passed the record behind another, and was ahead when that one ended."""
    states = [validated(A=3.0, b=3.2, c=3.1), validated(A=3.0, c=2.9, b=2.95)]
    states += [validated(A=3.0, b=2.7, c=2.8)]
    failed = [run("c", best_val_loss=2.8, status=RunStatus.FAILED)]
    finished = [run("b", best_val_loss=0.2, status=RunStatus.FINISHED)]
    states += [[*validated(A=3.0, b=2.6), *failed], [*validated(A=3.0), *failed, *finished]]
    bests = [one for one in alerts(*states) if one[1] is AlertKind.BEST]
    assert bests == [("c", AlertKind.BEST), ("b", AlertKind.BEST)]


def test_a_run_that_ends_behind_another_gives_no_record_to_beat():
    states = [validated(A=3.0, b=3.2, c=3.1), validated(A=3.0, b=2.8, c=2.9)]
    failed = [run("c", best_val_loss=2.9, status=RunStatus.FAILED)]
    states += [[*validated(A=3.0, b=2.7), *failed]]
    bests = [one for one in alerts(*states) if one[1] is AlertKind.BEST]
    assert bests == [("b", AlertKind.BEST)]


def test_a_narrow_record_is_noticed_with_the_digits_that_differ():
    detector = AlertDetector()
    detector.observe(validated(A=1.94321, b=2.0), NOW)
    (notice,) = detector.observe(validated(A=1.94321, b=1.94318), NOW)
    assert notice.text == "val loss 1.94318, the record was 1.94321"


def test_unchanged_runs_are_not_examined_again():
    detector = AlertDetector()
    state = [run(status=RunStatus.RUNNING)]
    detector.observe(state, NOW)
    assert detector.observe(state, NOW) == ()


def test_runs_that_vanished_and_came_back_are_known():
    crashed = [run(status=RunStatus.CRASHED)]
    assert alerts([run()], crashed, [], crashed) == [("a", AlertKind.CRASHED)]


def test_memory_does_not_grow_with_the_runs_that_are_gone():
    detector = AlertDetector()
    for i in range(3000):
        detector.observe([run(f"run-{i}")], NOW)
    assert len(detector._memories) <= 1002


@given(st.lists(st.floats(0, 1e6), min_size=15, max_size=500))
def test_the_running_median_is_that_of_evenly_spread_values(values):
    estimate = RunningMedian()
    for value in values:
        estimate.add(value)
    spread = next(kept for stride in (1, 2, 4, 8, 16) if len(kept := values[::stride]) <= 64)
    assert estimate.value == sorted(spread)[len(spread) // 2]


_NUMBERS = st.one_of(st.none(), st.floats())


@given(st.lists(st.tuples(_NUMBERS, _NUMBERS, st.sampled_from(RunStatus)), max_size=60))
def test_no_sequence_of_summaries_breaks_the_detector(states):
    detector = AlertDetector()
    for i, (loss, rate, status) in enumerate(states):
        observed = run(iteration=i, loss=loss, rate=rate, status=status, best_val_loss=loss)
        for notice in detector.observe([observed], NOW):
            assert notice.text
