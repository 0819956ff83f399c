"""What the NVIDIA GPUs of this process do, as NVML says.

NVML may hang, lose a device, or not know a query for a device: what it does not say is missing, and
whoever asks does so in a thread that may hang (:mod:`.system`).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from traintop.system_metrics import THROTTLE_REASONS
from traintop.tracking.host import GIB

_JOULES_OF_KWH = 3.6e6
_NO_DRIVER = frozenset({"NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded"})
_INDEX = re.compile(r"\+?\d+")


class Device(NamedTuple):
    """A GPU, or a MIG instance of one, by NVML's handle."""

    uuid: str
    handle: Any
    instances: tuple[Device, ...] = ()

    @property
    def enumerated(self) -> Device:
        """What CUDA has in its place."""
        return self.instances[0] if self.instances else self


class GpuReader:
    """Reads the metrics of the GPUs that this process may use, by ``CUDA_VISIBLE_DEVICES``.

    Raises what NVML raises, unless it is that there is no driver: then there are no GPUs.
    """

    def __init__(self) -> None:
        import pynvml

        self._nvml: Any = pynvml
        self._devices: list[Device] = []
        try:
            pynvml.nvmlInit()
        except Exception as error:
            if type(error).__name__ not in _NO_DRIVER:
                raise
        else:
            self._devices = _usable_devices(pynvml, os.environ.get("CUDA_VISIBLE_DEVICES"))

    def read(self) -> dict[str, float]:
        """The metrics by name; none of what NVML does not say."""
        each = [_measured(self._nvml, device.handle) for device in self._devices]
        values = {
            f"gpu/{place}/{name}": value
            for place, measured in enumerate(each)
            for name, value in measured.items()
        }
        return values if len(each) < 2 else {**values, **_together(each)}


def _measured(nvml: Any, handle: Any) -> dict[str, float]:
    values = {}
    for name, query in _QUERIES.items():
        with contextlib.suppress(Exception):  # not supported, not allowed, or the GPU is lost
            values[name] = query(nvml, handle)
    return values


def _together(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means and totals of several GPUs; no total where one of them did not answer."""
    values = {}
    for name, of_all, combine, digits in (
        ("gpu/mean/utilization", False, _mean, 1),
        ("gpu/mean/memory", False, _mean, 3),
        ("gpu/max/temp", False, max, 0),
        ("gpu/total/power", True, sum, 1),
        ("gpu/total/energy", True, sum, 9),
    ):
        what = name.rpartition("/")[2]
        known = [measured[what] for measured in each if what in measured]
        if known and (len(known) == len(each) or not of_all):
            values[name] = round(float(combine(known)), digits)
    return values


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _memory(nvml: Any, handle: Any) -> float:
    """Without what the driver keeps for itself, where NVML can tell, as ``nvidia-smi`` has it."""
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except Exception:  # a driver before 510
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return round(float(memory.used) / GIB, 3)


def _throttle(nvml: Any, handle: Any) -> float:
    try:
        reasons = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except Exception:  # what drivers before 535 call it
        reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return float(reasons & sum(THROTTLE_REASONS))


_QUERIES: Mapping[str, Callable[[Any, Any], float]] = {
    "utilization": lambda nvml, handle: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
    "memory": _memory,
    "power": lambda nvml, handle: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, 1),
    "temp": lambda nvml, handle: float(
        nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
    ),
    "throttle": _throttle,
    # Since the driver was loaded.
    "energy": lambda nvml, handle: (
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000 / _JOULES_OF_KWH
    ),
}


# Which devices.


def _usable_devices(nvml: Any, wanted: str | None) -> list[Device]:
    gpus = []
    for index in range(nvml.nvmlDeviceGetCount()):
        # One that belongs to another job, or is lost: CUDA does not count it either.
        with contextlib.suppress(Exception):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(nvml.nvmlDeviceGetUUID(handle))
            gpus.append(Device(uuid, handle, (*_instances(nvml, handle),)))
    return chosen_devices(wanted, gpus)


def _instances(nvml: Any, gpu: Any) -> Iterator[Device]:
    """The MIG instances of a GPU, none where it is not divided."""
    try:
        divided, _ = nvml.nvmlDeviceGetMigMode(gpu)
        places = range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu) if divided else 0)
    except Exception:  # a GPU that cannot be divided
        return
    for place in places:
        with contextlib.suppress(Exception):  # there is none at this place, or it is another's
            handle = nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, place)
            yield Device(_text(nvml.nvmlDeviceGetUUID(handle)), handle)


def chosen_devices(wanted: str | None, gpus: Sequence[Device]) -> list[Device]:
    """The devices that ``CUDA_VISIBLE_DEVICES`` names, in its order; all where it is not set.

    As CUDA takes it: indices, or the beginnings of UUIDs; what follows an entry that names nothing
    counts as not there, and so does everything where a device is named twice. Of a GPU that is
    divided by MIG, it is the first instance.
    """
    if wanted is None:
        return [gpu.enumerated for gpu in gpus]
    named = [device for gpu in gpus for device in (gpu, *gpu.instances)]
    found: dict[str, Device] = {}  # NVML's handles cannot be hashed
    for entry in map(str.strip, wanted.split(",")):
        if entry.startswith(("GPU-", "MIG-")):
            alike = [device for device in named if device.uuid.startswith(entry)]
        else:
            index = _INDEX.match(entry)
            alike = [*gpus[int(index[0]) :][:1]] if index else []
        if len(alike) != 1:
            break
        device = alike[0].enumerated
        if device.uuid in found:
            return []
        found[device.uuid] = device
    return [*found.values()]


def _text(uuid: str | bytes) -> str:
    return uuid.decode() if isinstance(uuid, bytes) else uuid
