"""A stand-in for NVML: what ``import pynvml`` gives in tests, for no test needs a GPU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """As NVML's errors: each has a class of its own."""


class NVMLError_NotSupported(NVMLError):  # noqa: N801, N818 - as pynvml has them
    """A query that a device does not know."""


class NVMLError_GpuIsLost(NVMLError):  # noqa: N801, N818
    """A device that fell off the bus."""


class NVMLError_NoPermission(NVMLError):  # noqa: N801, N818
    """A device that the control groups of a job keep from it."""


class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801, N818
    """No driver is installed."""


class Gpu:
    """A device, and its own handle, which cannot be hashed, as those of NVML.

    ``unsupported`` are the ends of the names of queries that it does not know.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        uuid: str = "GPU-00000000",
        *,
        utilization: float = 93,
        memory: float = 64.0,
        watts: float = 640.0,
        joules: float = 3.6e6,
        throttle: int = 0,
        unsupported: Sequence[str] = (),
        instances: Sequence[Gpu] = (),
    ) -> None:
        self.uuid = uuid
        self.utilization = utilization
        self.memory = memory
        self.watts = watts
        self.joules = joules
        self.throttle = throttle
        self.unsupported = tuple(unsupported)
        self.instances = instances
        self.lost = False
        self.forbidden = False


class Nvml:
    """The functions of pynvml over some GPUs.

    ``missing`` are the functions that an older driver does not have, ``init`` is what ``nvmlInit``
    does, and ``hangs`` makes every query wait for ever.
    """

    NVML_TEMPERATURE_GPU = 0
    nvmlMemory_v2 = 2  # noqa: N815

    def __init__(
        self,
        *gpus: Gpu,
        missing: Sequence[str] = (),
        init: Callable[[], None] = lambda: None,
    ) -> None:
        self.gpus = gpus
        self.missing = missing
        self.init = init
        self.hangs = threading.Event()
        self.queries = 0

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml") or name in self.missing:
            raise AttributeError(name)
        return lambda *arguments, **options: self._call(name, *arguments, **options)

    def _call(self, name: str, gpu: Any = None, *rest: Any, version: int | None = None) -> Any:
        if self.hangs.is_set():
            threading.Event().wait()
        if name == "nvmlInit":
            return self.init()
        if name == "nvmlDeviceGetCount":
            return len(self.gpus)
        if name == "nvmlDeviceGetHandleByIndex":
            if self.gpus[gpu].forbidden:
                raise NVMLError_NoPermission
            return self.gpus[gpu]
        self.queries += 1
        if gpu.lost:
            raise NVMLError_GpuIsLost
        if name.endswith(gpu.unsupported) or (version and "MemoryInfo_v2" in gpu.unsupported):
            raise NVMLError_NotSupported
        return _ANSWERS[name](gpu, *rest)


def _instance(gpu: Gpu, place: int) -> Gpu:
    if place >= len(gpu.instances):
        raise NVMLError
    return gpu.instances[place]


_ANSWERS: dict[str, Callable[..., Any]] = {
    "nvmlDeviceGetUUID": lambda gpu: gpu.uuid,
    "nvmlDeviceGetMigMode": lambda gpu: [int(bool(gpu.instances)), 0],
    "nvmlDeviceGetMaxMigDeviceCount": lambda gpu: 7,
    "nvmlDeviceGetMigDeviceHandleByIndex": _instance,
    "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=gpu.utilization),
    "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=int(gpu.memory * (1 << 30))),
    "nvmlDeviceGetPowerUsage": lambda gpu: round(gpu.watts * 1000),
    "nvmlDeviceGetTemperature": lambda gpu, sensor: 61,
    "nvmlDeviceGetCurrentClocksEventReasons": lambda gpu: gpu.throttle,
    "nvmlDeviceGetCurrentClocksThrottleReasons": lambda gpu: gpu.throttle,
    "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: round(gpu.joules * 1000),
}
