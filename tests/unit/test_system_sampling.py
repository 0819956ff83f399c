"""What is sampled of GPUs and of the host, and that nothing which hangs holds anybody up."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.nvml import Gpu, Nvml, NVMLError, NVMLError_LibraryNotFound
from tests.waiting import wait_until

from traintop.tracking.cgroup import MemoryUse, cpu_quota, memory_use
from traintop.tracking.gpus import Device, GpuReader, chosen_devices
from traintop.tracking.host import HostReader, allowed_cores
from traintop.tracking.system import Probe, Sample


def read_gpus(monkeypatch: pytest.MonkeyPatch, nvml: Nvml, visible: str | None = None) -> GpuReader:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return GpuReader()


# -------------------------------------------------------------------------------------- GPUs


def test_what_there_is_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = read_gpus(monkeypatch, Nvml(Gpu(throttle=0x20 | 0x1)))
    assert reader.read() == {
        "gpu/0/utilization": 93.0,
        "gpu/0/memory": 64.0,
        "gpu/0/power": 640.0,
        "gpu/0/temp": 61.0,
        "gpu/0/throttle": 0x20,  # that it is idle is no throttling
        "gpu/0/energy": 1.0,
    }


def test_several_gpus_are_also_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpu("GPU-a", utilization=90, memory=60), Gpu("GPU-b", utilization=95, memory=61)
    together = {
        name: value
        for name, value in read_gpus(monkeypatch, Nvml(*gpus)).read().items()
        if not name.startswith(("gpu/0/", "gpu/1/"))
    }
    assert together == {
        "gpu/mean/utilization": 92.5,
        "gpu/mean/memory": 60.5,
        "gpu/max/temp": 61.0,
        "gpu/total/power": 1280.0,
        "gpu/total/energy": 2.0,
    }


def test_what_a_gpu_does_not_support_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Gpu("GPU-a", unsupported=["PowerUsage", "TotalEnergyConsumption", "Reasons"])
    found = read_gpus(monkeypatch, Nvml(old, Gpu("GPU-b"))).read()
    assert {"gpu/0/power", "gpu/0/energy", "gpu/0/throttle"}.isdisjoint(found)
    assert found["gpu/0/utilization"] == 93
    assert found["gpu/1/power"] == 640
    assert {"gpu/total/power", "gpu/total/energy"}.isdisjoint(found)  # it would be of one


def test_a_gpu_that_is_lost_midway_costs_its_own_values(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Gpu("GPU-a", utilization=50), Gpu("GPU-b", utilization=90)
    reader = read_gpus(monkeypatch, Nvml(first, second))
    assert reader.read()["gpu/mean/utilization"] == 70
    first.lost = True
    found = reader.read()
    assert not any(name.startswith("gpu/0/") for name in found)
    assert found["gpu/1/utilization"] == found["gpu/mean/utilization"] == 90
    assert "gpu/total/power" not in found


def test_gpus_of_other_jobs_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [Gpu(f"GPU-{name}", utilization=share) for name, share in (("a", 10), ("b", 20))]
    gpus[0].forbidden = True  # as Slurm does
    found = read_gpus(monkeypatch, Nvml(*gpus), "0").read()
    assert found["gpu/0/utilization"] == 20


def test_an_older_driver_is_asked_as_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = ["nvmlDeviceGetCurrentClocksEventReasons"]
    nvml = Nvml(Gpu(throttle=0x40, unsupported=["MemoryInfo_v2"]), missing=newer)
    found = read_gpus(monkeypatch, nvml).read()
    assert found["gpu/0/throttle"] == 0x40
    assert found["gpu/0/memory"] == 64


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise NVMLError_LibraryNotFound

    assert read_gpus(monkeypatch, Nvml(Gpu(), init=init)).read() == {}


DIVIDED = Device("GPU-c1", "c1", tuple(Device(f"MIG-{name}", name) for name in ("x", "y")))
GPUS = [*(Device(f"GPU-{name}", name) for name in ("a1", "a2", "b1")), DIVIDED]


@pytest.mark.parametrize(
    ("wanted", "handles"),
    [
        (None, ["a1", "a2", "b1", "x"]),
        ("3", ["x"]),
        ("MIG-x,3", []),
        ("2,0", ["b1", "a1"]),
        (" 1 , 2", ["a2", "b1"]),
        ("", []),
        ("-1", []),
        ("0,-1,2", ["a1"]),  # what follows one that names nothing is not there
        ("0,7,2", ["a1"]),
        ("0,0", []),
        ("none", []),
        ("GPU-b", ["b1"]),
        ("GPU-b1,GPU-a2", ["b1", "a2"]),
        ("GPU-a", []),  # it might be either
        ("GPU-zzz,GPU-b1", []),
        ("MIG-y", ["y"]),
    ],
)
def test_only_devices_that_the_process_may_use(wanted: str | None, handles: list[str]) -> None:
    assert [device.handle for device in chosen_devices(wanted, GPUS)] == handles


@pytest.mark.parametrize("visible", [None, "0", "MIG-a", "GPU-large"])
def test_a_mig_instance_has_memory_of_its_own_only(
    monkeypatch: pytest.MonkeyPatch, visible: str | None
) -> None:
    shared = ["UtilizationRates", "PowerUsage", "Temperature", "Reasons", "EnergyConsumption"]
    instances = [Gpu(f"MIG-{name}", memory=4.5, unsupported=shared) for name in "ab"]
    nvml = Nvml(Gpu("GPU-large", instances=instances))
    assert read_gpus(monkeypatch, nvml, visible).read() == {"gpu/0/memory": 4.5}


# ------------------------------------------------------------------------------------ the host


@pytest.mark.parametrize("linux_lists_children", [True, False])
def test_a_process_tree_is_measured_with_its_children(
    monkeypatch: pytest.MonkeyPatch, linux_lists_children: bool
) -> None:
    if not linux_lists_children:
        monkeypatch.setattr("traintop.tracking.host._descendants", lambda pid: None)
    reader = HostReader()
    alone = reader.read()
    assert set(alone) == {"memory/rss", "memory/utilization"}  # rates need two readings
    worker = "x = bytearray(64 << 20)\nwhile True:\n    pass"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {worker!r}])"
    child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    try:
        wait_until(lambda: reader.read()["memory/rss"] > alone["memory/rss"] + 0.06)
        found = reader.read()
        wait_until(lambda: reader.read().get("cpu/utilization", 0) > 0)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    rates = {"cpu/utilization", "disk/read", "disk/write", "network/received", "network/sent"}
    assert rates | set(alone) == set(found)
    assert 0 < found["memory/utilization"] <= 100
    wait_until(lambda: reader.read()["memory/rss"] < alone["memory/rss"] + 0.06)


def cgroups(root: Path, own: str, **files: str) -> Path:
    """A root directory with these files of control groups: slashes are two underscores."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def test_limits_of_cgroups_2_are_those_of_all_groups(tmp_path: Path) -> None:
    root = cgroups(
        tmp_path,
        "0::/job_7/step_0\n",
        job_7__cpu_dot_max="150000 100000\n",
        job_7__step_0__cpu_dot_max="max 100000\n",
        job_7__memory_dot_max="4096\n",
        job_7__memory_dot_current="3072\n",
        job_7__memory_dot_stat="anon 1024\ninactive_file 1024\n",
        job_7__step_0__memory_dot_max="max\n",
        job_7__step_0__memory_dot_current="99\n",
    )
    assert cpu_quota(root) == 1.5
    assert memory_use(root) == MemoryUse(2048, 4096)
    assert allowed_cores(root) == min(1.5, allowed_cores(tmp_path / "none"))


def test_limits_of_cgroups_1(tmp_path: Path) -> None:
    root = cgroups(
        tmp_path,
        "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n",
        cpu__cpu_dot_cfs_quota_us="50000\n",  # in a container its own group is at the top
        cpu__cpu_dot_cfs_period_us="100000\n",
        memory__memory_dot_limit_in_bytes="9223372036854771712\n",
        memory__memory_dot_usage_in_bytes="10\n",
        memory__docker__abc__memory_dot_limit_in_bytes="1000\n",
        memory__docker__abc__memory_dot_usage_in_bytes="500\n",
        memory__docker__abc__memory_dot_stat="total_inactive_file 100\n",
    )
    assert cpu_quota(root) == 0.5
    assert memory_use(root) == MemoryUse(400, 1000)


def test_without_limits_it_is_the_machine(tmp_path: Path) -> None:
    root = cgroups(tmp_path, "0::/\n", cpu_dot_max="max 100000\n", memory_dot_max="max\n")
    for place in (root, tmp_path / "none"):
        assert cpu_quota(place) is None
        assert memory_use(place) is None
        assert allowed_cores(place) == len(os.sched_getaffinity(0))


# -------------------------------------------------------------------------------------- probes


class Reader:
    """Counts how often it is read, and waits while it hangs."""

    def __init__(self) -> None:
        self.readings = 0
        self.free = threading.Event()
        self.free.set()
        self.hangs = threading.Event()
        self.error: Exception | None = None

    def read(self) -> dict[str, float]:
        self.readings += 1
        if not self.free.is_set():
            self.hangs.set()
        self.free.wait()
        if self.error is not None:
            raise self.error
        return {"readings": float(self.readings)}


FOR_EVER = 1e18  # a sample from before then is too old, which any one is


def asked_for_a_while(probe: Probe) -> Iterator[Sample]:
    """What a probe says while another thread would have had its turn."""
    for _ in range(50):
        yield probe.newest(FOR_EVER)
        time.sleep(0.001)


def test_a_reader_that_hangs_holds_up_nobody() -> None:
    reader = Reader()
    probe = Probe(lambda: reader, "stuck")
    wait_until(lambda: probe.newest(FOR_EVER).values)
    reader.free.clear()
    wait_until(lambda: probe.newest(FOR_EVER) and reader.hangs.is_set())
    known, before = probe.newest(FOR_EVER), reader.readings
    for newest in asked_for_a_while(probe):
        assert newest.values == known.values  # the last that it said
    assert reader.readings == before  # it is not asked once more
    reader.free.set()
    wait_until(lambda: probe.newest(FOR_EVER).time > known.time)


def test_what_cannot_be_opened_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    tries = []

    def fail() -> Reader:
        tries.append(1)
        raise NVMLError("Driver/library version mismatch")

    probe = Probe(fail, "broken")
    with caplog.at_level(logging.WARNING, "traintop"):
        probe.newest(FOR_EVER)
        wait_until(lambda: caplog.messages)
        assert all(newest.values == {} for newest in asked_for_a_while(probe))
    assert caplog.messages == [
        "traintop: no broken metrics: Driver/library version mismatch",
    ]
    assert len(tries) == 1


def test_a_reading_that_fails_is_tried_again() -> None:
    reader = Reader()
    reader.error = OSError("too many open files")
    probe = Probe(lambda: reader, "failing")
    wait_until(lambda: probe.newest(FOR_EVER) and reader.readings > 1)
    reader.error = None
    wait_until(lambda: probe.newest(FOR_EVER).values)
