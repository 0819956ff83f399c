"""GPUs that idle or are throttled: one alert, in words that have the throughput."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.runs import history

from traintop.analysis.alerts import Alert, AlertDetector, AlertKind, Measured, measured_in
from traintop.analysis.gpu_watch import GpuSample
from traintop.model import MetricsSnapshot, MetricStats, RunStatus, RunSummary

NOW = datetime.fromisoformat("2025-02-22T15:00:00")
HOT = 0x20


def run(second: float, *utilization: float, iteration: int | None = None, **changes: Any) -> Any:
    """A run whose GPUs were read in a second of it; a step a second, unless it hangs."""
    step = round(second) if iteration is None else iteration
    rate, throttle = changes.pop("rate", 91_000.0), changes.pop("throttle", 0.0)
    busiest = changes.pop("busiest", 99.0)
    stats = {"tokens_per_sec": MetricStats(last=rate)}
    for gpu, value in enumerate(utilization):
        stats[f"gpu/{gpu}/utilization"] = MetricStats(last=value, max=busiest)
        stats[f"gpu/{gpu}/throttle"] = MetricStats(last=throttle)
        stats[f"gpu/{gpu}/temp"] = MetricStats(last=84.0)
    fields: dict[str, Any] = {
        "id": "/logs/a.json",
        "status": RunStatus.RUNNING,
        "name": "a",
        "stats": stats,
        "last": MetricsSnapshot(step, wallclock_time=float(step), tokens_per_sec=rate),
        "updated_at": (NOW + timedelta(seconds=second)).isoformat(),
        "duration_seconds": second,
        "gpus_sampled_at": second,
    }
    return RunSummary(**{**fields, **changes})


def watched(runs: list[RunSummary], detector: AlertDetector | None = None) -> list[Alert]:
    detector = detector or AlertDetector()
    return [
        alert
        for one in runs
        for alert in detector.observe([one], NOW + timedelta(seconds=one.duration_seconds or 0))
    ]


BUSY = [run(second, 95.0) for second in range(20)]


def test_a_run_that_hangs_leaves_its_gpu_idle() -> None:
    hangs = [run(20.0 + second, 3.0, iteration=19) for second in range(0, 160, 10)]
    detector = AlertDetector()
    [alert] = watched([*BUSY, *hangs], detector)
    assert alert.kind is AlertKind.GPU_IDLE
    assert alert.text == "GPU 0 idle for 2 min (3 %), 0 tokens/s against 91k before"
    assert alert.time == NOW + timedelta(seconds=20)
    assert detector.current() == {"/logs/a.json": AlertKind.GPU_IDLE}
    watched([run(200, 95.0, iteration=20)], detector)
    assert detector.current() == {}


def test_a_gpu_may_idle_while_the_run_goes_on() -> None:
    slow = [run(20.0 + second, 4.0, rate=90_000.0) for second in range(0, 130, 10)]
    [alert] = watched([*BUSY, *slow])
    assert alert.text == "GPU 0 idle for 2 min (4 %), 90k tokens/s against 91k before"


def test_a_pause_of_less_than_two_minutes_is_none() -> None:
    pause = [run(20.0 + second, 0.0) for second in range(0, 120, 10)]
    assert watched([*BUSY, *pause, run(140, 95.0), run(150, 0.0), run(260, 0.0)]) == []


def test_old_values_of_a_driver_that_hangs_say_nothing() -> None:
    stale = [run(second, 0.0, gpus_sampled_at=20.0) for second in range(20, 400, 10)]
    assert watched([*BUSY, *stale]) == []


@pytest.mark.parametrize(
    ("utilization", "busiest", "names"),
    [
        ((0.0, 0.0, 0.0), 99.0, "GPUs 0 to 2"),
        ((0.0, 95.0, 0.0), 99.0, "GPUs 0 and 2"),
        ((0.0, 0.0), 2.0, "GPUs 0 and 1"),  # of a run that has used none
    ],
)
def test_several_idle_gpus_are_one_alert(
    utilization: tuple[float, ...], busiest: float, names: str
) -> None:
    runs = [run(20.0 + at, *utilization, busiest=busiest) for at in range(0, 200, 10)]
    [alert] = watched(runs)
    assert alert.text.startswith(f"{names} idle for 2 min (at most 0 %)")


def test_gpus_that_a_run_never_used_may_idle() -> None:
    runs = [run(second, 95.0, 0.0) for second in range(0, 400, 10)]
    for one in runs:
        one.stats["gpu/1/utilization"] = MetricStats(last=0.0, max=0.0)
    assert watched(runs) == []


def test_a_throttled_gpu_is_told_with_the_reason() -> None:
    hot = [run(20.0 + at, 95.0, rate=61_000.0, throttle=HOT | 4) for at in range(0, 50, 10)]
    alerts = [alert for alert in watched([*BUSY, *hot]) if alert.kind is AlertKind.GPU_THROTTLED]
    assert [alert.text for alert in alerts] == [
        "GPU 0 throttled (thermal slowdown, 84 °C), 61k tokens/s against 91k before"
    ]


def test_a_power_cap_is_no_trouble() -> None:
    assert watched([run(second, 95.0, throttle=4.0) for second in range(0, 200, 10)]) == []


def test_a_stall_says_more_than_an_idle_gpu() -> None:
    detector = AlertDetector()
    stalled = RunStatus.STALLED
    hangs = [run(20.0 + at, 0.0, iteration=19, status=stalled) for at in range(0, 160, 10)]
    kinds = [alert.kind for alert in watched([*BUSY, *hangs], detector)]
    assert kinds == [AlertKind.STALLED, AlertKind.GPU_IDLE]
    assert detector.current() == {}


def test_what_was_so_before_is_seen_at_the_first_look() -> None:
    past = [
        Measured(step, step * 30.0, 2.0, 91_000.0, GpuSample(step * 30.0, {0: 2.0}, {0: 0.0}))
        for step in range(40)
    ]
    detector = AlertDetector(lambda run: past)
    [alert] = watched([run(1200.0, 2.0, iteration=39)], detector)
    assert alert.text == "GPU 0 idle for 20 min (2 %), 91k tokens/s against 91k before"


def test_samples_are_found_in_records() -> None:
    found = measured_in(
        history(
            iteration=[0, 1, 2],
            wallclock_time=[0.0, 5.0, 10.0],
            **{"gpu/0/utilization": [None, 90.0, None], "gpu/1/throttle": [None, 4.0, None]},
        )
    )
    assert [one.gpus for one in found] == [None, GpuSample(5.0, {0: 90.0}, {1: 4.0}), None]
