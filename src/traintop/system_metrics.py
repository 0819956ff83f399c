"""The system metrics: what a tracker samples of the machine, beside what a loop logs.

They are metrics like any other, in the same records. GPUs are numbered as the process sees them:
``cuda:0`` is ``gpu/0``. Of several, the means and totals are recorded too, so that runs on
different numbers of GPUs can be asked the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

import msgspec


class SystemMetric(msgspec.Struct, frozen=True):
    """One of them: its heading, what a person says, its unit, and what it is."""

    label: str
    words: str
    unit: str
    explanation: str


THROTTLE_REASONS: Mapping[int, str] = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""Why a GPU's clocks are held down, by the bits of NVML's ``nvmlClocksEventReasons``; those bits
that are no throttling (an idle GPU, clocks that somebody set) are left out of the metric."""

SLOWDOWN = 0x08 | 0x20 | 0x40 | 0x80
"""All of them but the power cap, at which a GPU that is well used works all day."""

_OF_GPU: Mapping[str, SystemMetric] = {
    "utilization": SystemMetric("%", "utilization", "%", "share of the time that it computed"),
    "memory": SystemMetric("GiB", "memory", "GiB", "memory in use, by whichever process"),
    "power": SystemMetric("W", "power", "W", "power that it draws"),
    "temp": SystemMetric("°C", "temperature", "°C", "temperature"),
    "throttle": SystemMetric(
        "THROTTLE",
        "throttling",
        "",
        "why its clocks are held down, a sum: 0 not at all, "
        + ", ".join(f"{bit} {reason}" for bit, reason in THROTTLE_REASONS.items()),
    ),
    "energy": SystemMetric("kWh", "energy", "kWh", "energy since the run was first sampled"),
}

GPUS_TOGETHER: Mapping[str, SystemMetric] = {
    "gpu/mean/utilization": SystemMetric(
        "GPU %", "GPU utilization", "%", "share of the time that the GPUs computed, their mean"
    ),
    "gpu/mean/memory": SystemMetric(
        "GPU GiB", "GPU memory", "GiB", "memory in use on a GPU, their mean"
    ),
    "gpu/total/power": SystemMetric("GPU W", "GPU power", "W", "power of all GPUs together"),
    "gpu/max/temp": SystemMetric(
        "GPU °C", "GPU temperature", "°C", "temperature of the hottest GPU"
    ),
    "gpu/total/energy": SystemMetric(
        "GPU kWh",
        "GPU energy",
        "kWh",
        "energy of all GPUs since the run was first sampled",
    ),
}
"""Of all GPUs of a run; of a single one, the file has its own values only, which are the same."""

_OF_HOST: Mapping[str, SystemMetric] = {
    "cpu/utilization": SystemMetric(
        "CPU %",
        "CPU utilization",
        "%",
        "CPU time of the process and its children, of the cores they may use",
    ),
    "memory/rss": SystemMetric(
        "RSS GiB",
        "resident memory",
        "GiB",
        "resident memory of the process and its children; what they share counts for each",
    ),
    "memory/utilization": SystemMetric(
        "MEM %",
        "memory utilization",
        "%",
        "memory in use, of the limit of the container or the job, else of the machine",
    ),
    "disk/read": SystemMetric(
        "READ MiB/s", "disk reads", "MiB/s", "read from storage by the process and its children"
    ),
    "disk/write": SystemMetric(
        "WRITE MiB/s", "disk writes", "MiB/s", "written to storage by the process and its children"
    ),
    "network/received": SystemMetric(
        "NET IN MiB/s", "network received", "MiB/s", "received by the machine's network interfaces"
    ),
    "network/sent": SystemMetric(
        "NET OUT MiB/s", "network sent", "MiB/s", "sent by the machine's network interfaces"
    ),
}

TOGETHER: Mapping[str, SystemMetric] = {**GPUS_TOGETHER, **_OF_HOST}
"""Those of a whole run, by name, in the order in which they are shown."""

EACH_GPU: tuple[str, ...] = tuple(_OF_GPU)
"""What there is of each GPU: ``gpu/0/utilization`` and so on."""

_ONE_GPU = re.compile(rf"gpu/(\d+)/({'|'.join(_OF_GPU)})")


@functools.lru_cache(maxsize=4096)
def system_metric(name: str) -> SystemMetric | None:
    """The system metric of this name; ``None`` for what a loop logs."""
    if name in TOGETHER:
        return TOGETHER[name]
    found = _ONE_GPU.fullmatch(name)
    if found is None:
        return None
    gpu, of_gpu = f"GPU {found[1]}", _OF_GPU[found[2]]
    return SystemMetric(
        f"{gpu} {of_gpu.label}",
        f"{gpu} {of_gpu.words}",
        of_gpu.unit,
        f"{gpu}: {of_gpu.explanation}",
    )


def is_system_metric(name: str) -> bool:
    """Whether a metric was sampled of the machine, by its name."""
    return system_metric(name) is not None


def system_order(name: str) -> tuple[int, ...]:
    """By what metrics sort: what a loop logs as it came, then the GPUs together, each, the host."""
    if name in TOGETHER:
        return 1 if name in GPUS_TOGETHER else 3, [*TOGETHER].index(name)
    found = _ONE_GPU.fullmatch(name)
    return (2, int(found[1]), EACH_GPU.index(found[2])) if found else (0,)


def is_of_one_gpu(name: str) -> bool:
    """Whether a metric is one of a single GPU: of these there may be very many."""
    return _ONE_GPU.fullmatch(name) is not None


def gpus_among(names: Iterable[str], what: str = "utilization") -> dict[int, str]:
    """The GPUs of which there is something among the names of metrics, and its name, in order."""
    found = (_ONE_GPU.fullmatch(name) for name in names)
    gpus = {int(one[1]): one[0] for one in found if one is not None and one[2] == what}
    return dict(sorted(gpus.items()))


def of_single_gpu(name: str) -> str | None:
    """Where the only GPU of a run has what ``name`` means of several; ``None`` for other names."""
    return f"gpu/0/{name.rpartition('/')[2]}" if name in GPUS_TOGETHER else None


def throttle_text(reasons: float) -> str:
    """Why a GPU is throttled, in words; ``no`` where it is not."""
    bits = int(reasons) if 0 <= reasons < 1 << 63 else 0
    return ", ".join(reason for bit, reason in THROTTLE_REASONS.items() if bits & bit) or "no"
