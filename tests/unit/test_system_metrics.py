"""System metrics in the records of a run: the tracker's side."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.nvml import Gpu, Nvml
from tests.runs import OpenedRun, rows_of
from tests.waiting import wait_until

import traintop
from traintop import ExperimentConfig, ExperimentTracker
from traintop.model import MetricStats
from traintop.system_metrics import is_system_metric
from traintop.tracking.pace import LoggingPace
from traintop.tracking.recording import LoggedCall, Recording
from traintop.tracking.system import Sample, SystemMetrics

CALL = LoggedCall(7, 7, 3.5, 2.0, None, None, None, None, {"acc": 0.5})


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """The only GPU of this process, which has not been sampled yet."""
    device = Gpu(joules=7.2e6)
    monkeypatch.setitem(sys.modules, "pynvml", Nvml(device))
    monkeypatch.setattr("traintop.tracking.system._of_process", {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return device


def start(directory: Path, name: str = "sampled", **options: Any) -> ExperimentTracker:
    options = {"system_interval": 0.05, **options}
    tracker = ExperimentTracker(ExperimentConfig(name), directory, quiet=True, **options)
    tracker.start()
    return tracker


def sampled(tracker: ExperimentTracker) -> dict[str, float]:
    """The last value of each system metric in the file of a run."""
    tracker.save()
    stats = OpenedRun(tracker.path).summary().stats
    return {name: stats[name].last or 0.0 for name in stats if is_system_metric(name)}


def log_until_sampled(tracker: ExperimentTracker, name: str = "gpu/0/utilization") -> None:
    steps = iter(range(tracker._run.gradient_step, 1 << 30))

    def is_there() -> bool:
        tracker.log_metrics(next(steps), train_loss=2.0)
        tracker.increment_gradient_step()
        return name in sampled(tracker)

    wait_until(is_there)


def test_a_run_has_the_system_beside_its_own(tmp_path: Path, gpu: Gpu) -> None:
    tracker = start(tmp_path)
    log_until_sampled(tracker, "cpu/utilization")
    tracker.finish()
    run = OpenedRun(tracker.path)
    stats = run.summary().stats
    assert stats["gpu/0/memory"].mean == stats["gpu/0/memory"].max == 64
    assert stats["memory/rss"].last > 0
    assert not any(name.startswith(("gpu/mean", "gpu/total")) for name in stats)  # it has one GPU
    rows = rows_of(run.history())
    assert [row["train_loss"] for row in rows] == [2.0] * len(rows)
    assert len(rows) == run.summary().count
    assert 0 < run.summary().gpus_sampled_at <= run.summary().duration_seconds


def test_the_first_sample_is_due_after_an_interval(tmp_path: Path, gpu: Gpu) -> None:
    tracker = start(tmp_path, system_interval=10.0)
    tracker.log_metrics(0, train_loss=2.0)
    assert sampled(tracker) == {}
    tracker.finish()
    assert sampled(tracker) == {}


@pytest.mark.parametrize("facade", ["tracker", "init"])
def test_none_is_off(tmp_path: Path, gpu: Gpu, facade: str) -> None:
    if facade == "tracker":
        tracker = start(tmp_path, system_interval=None)
    else:
        tracker = traintop.init(name="off", log_dir=tmp_path, system_interval=None).tracker
    tracker.log_metrics(0, train_loss=2.0)
    time.sleep(0.3)
    assert sampled(tracker) == {}
    tracker.finish()


def test_an_interval_must_be_one() -> None:
    for interval in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="system_interval must be above 0"):
            ExperimentTracker({"experiment_name": "a"}, system_interval=interval)


def test_a_run_that_hangs_is_sampled_on(tmp_path: Path, gpu: Gpu) -> None:
    tracker = start(tmp_path)
    log_until_sampled(tracker)
    before = OpenedRun(tracker.path).summary()
    gpu.utilization = 0
    wait_until(lambda: sampled(tracker)["gpu/0/utilization"] == 0)
    after = OpenedRun(tracker.path).summary()
    assert after.count == before.count
    assert after.last.wallclock_time == before.last.wallclock_time
    assert after.pauses.current > before.pauses.current  # no call, so the run may look stalled
    assert after.gpus_sampled_at > before.gpus_sampled_at
    tracker.finish()


def test_a_driver_that_hangs_costs_only_the_gpus(tmp_path: Path, gpu: Gpu) -> None:
    sys.modules["pynvml"].hangs.set()
    tracker = start(tmp_path)
    log_until_sampled(tracker, "cpu/utilization")
    tracker.finish(notes="all there")
    assert not any(name.startswith("gpu/") for name in sampled(tracker))
    run = OpenedRun(tracker.path).summary()
    assert (run.status, run.notes, run.gpus_sampled_at) == ("finished", "all there", None)


def test_a_run_that_seems_over_is_not_sampled(tmp_path: Path, gpu: Gpu) -> None:
    tracker = start(tmp_path)
    log_until_sampled(tracker)
    other = start(tmp_path, system_interval=None)  # of the same name: the first one's loop is gone
    wait_until(lambda: OpenedRun(tracker.path).summary().status == "interrupted")
    gpu.utilization = 11
    time.sleep(0.4)
    assert sampled(tracker)["gpu/0/utilization"] == 93
    for each in (tracker, other):
        each.finish()


def test_runs_of_a_process_share_a_reading(tmp_path: Path, gpu: Gpu) -> None:
    trackers = [start(tmp_path, name, system_interval=0.4) for name in "abc"]
    for tracker in trackers:
        log_until_sampled(tracker)
    queries = sys.modules["pynvml"].queries
    seconds = max(OpenedRun(t.path).summary().duration_seconds for t in trackers)
    for tracker in trackers:
        tracker.finish()
    assert queries <= 8 * (2 + seconds / 0.4)  # as of one, and what it asks at the start


class Given:
    """In the place of a probe: samples with these values of one metric, one after the other."""

    def __init__(self, name: str = "", values: Sequence[float] = ()) -> None:
        self.samples = iter([{name: value} for value in values])

    def newest(self, oldest: float) -> Sample:
        values = next(self.samples, None)
        return Sample(-1.0, {}) if values is None else Sample(time.monotonic(), values)


@pytest.mark.parametrize(
    ("known", "counters", "energy"),
    [
        ({}, [5.0, 5.5, 6.0], [0.0, 0.5, 1.0]),
        ({}, [5.0, 5.5, 0.25, 1.25], [0.0, 0.5, 0.5, 1.5]),  # the driver was loaded anew
        ({"gpu/0/energy": MetricStats(last=2.0)}, [5.0, 6.0], [2.0, 3.0]),  # the run goes on
    ],
)
def test_energy_is_counted_on_from_the_first_sample(
    monkeypatch: pytest.MonkeyPatch,
    known: dict[str, MetricStats],
    counters: list[float],
    energy: list[float],
) -> None:
    probes = SimpleNamespace(host=Given(), gpus=Given("gpu/0/energy", counters))
    monkeypatch.setattr("traintop.tracking.system._of_process", {os.getpid(): probes})
    metrics = SystemMetrics(1e-9, known)
    assert [metrics.due()["gpu/0/energy"] for _ in energy] == energy


def test_only_who_writes_samples(tmp_path: Path, gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    tracker = start(tmp_path)
    tracker.log_metrics(0, train_loss=2.0)
    time.sleep(0.3)
    assert sys.modules["pynvml"].queries == 0
    tracker.finish()


def test_a_forked_child_samples_its_own_run(tmp_path: Path, gpu: Gpu) -> None:
    tracker = start(tmp_path)
    log_until_sampled(tracker)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            mine = start(tmp_path, "child")
            log_until_sampled(mine)
            mine.finish()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    tracker.finish()


def test_results_of_a_run_are_what_its_code_logged(tmp_path: Path, gpu: Gpu) -> None:
    run = traintop.init(name="results", log_dir=tmp_path, system_interval=0.05)
    log_until_sampled(run.tracker)
    assert set(run.summary.keys()) == {"train_loss"}
    run.finish()


# ---------------------------------------------------------------------- the record of the moment


def recording(*calls: LoggedCall) -> Recording:
    made = Recording(LoggingPace())
    for call in calls:
        made.add(call)
    return made


def lines(of: Recording) -> list[dict[str, Any]]:
    of.settle()
    return [json.loads(line) for line in of.lines()]


def test_a_sample_is_part_of_the_newest_record() -> None:
    made = recording(CALL)
    made.add_sample({"gpu/0/power": 600.0})
    made.add_sample({"gpu/0/power": 10.0})
    [line] = lines(made)
    assert line["train_loss"] == 2.0
    assert line["acc"] == 0.5
    assert line["gpu/0/power"] == 10.0
    assert line["wallclock_time"] == 3.5
    assert made.statistics.count == 1


def test_a_sample_after_a_save_is_a_further_line() -> None:
    made = recording(CALL)
    made.settle(saved=True)
    made.add_sample({"gpu/0/power": 600.0})
    first, second = lines(made)
    assert first["iteration"] == second["iteration"] == 7
    assert second["train_loss"] is None
    assert made.statistics.count == 1
    assert made.statistics.summaries()["train_loss"].count == 1


def test_a_sample_does_not_stand_at_a_late_value() -> None:
    made = recording(CALL, CALL._replace(iteration=3, train_loss=None, val_loss=1.0))
    made.add_sample({"gpu/0/power": 600.0})
    step, late, sample = lines(made)
    assert (late["iteration"], late["val_loss"]) == (3, 1.0)
    assert (sample["iteration"], sample["val_loss"], sample["gpu/0/power"]) == (7, None, 600.0)
    assert "gpu/0/power" not in step | late


def test_what_a_loop_logs_by_that_name_counts() -> None:
    made = recording(CALL._replace(further={"gpu/0/power": 555.0}))
    made.add_sample({"gpu/0/power": 600.0, "gpu/0/temp": 60.0})
    [line] = lines(made)
    assert line["gpu/0/power"] == 555.0
    assert line["gpu/0/temp"] == 60.0


def test_before_the_first_record_there_is_no_sample() -> None:
    made = recording()
    made.add_sample({"gpu/0/power": 600.0})
    assert lines(made) == []
