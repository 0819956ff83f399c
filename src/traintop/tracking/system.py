"""When the system metrics are sampled, for all runs of a process.

The writers ask, and never wait: each reader is asked in a thread for the moment, one at a time. A
driver that hangs keeps that thread, and is not asked again; all else goes on as before.
"""

from __future__ import annotations

import _thread
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from traintop.model import MetricStats
from traintop.tracking.warn_once import WarnOnce

DEFAULT_INTERVAL = 10.0
"""Seconds between two samples of a run."""

_ENERGY = "/energy"

_warn_once = WarnOnce()


class Sample(NamedTuple):
    """What was read at a moment of ``time.monotonic``."""

    time: float
    values: Mapping[str, float]


class Reader(Protocol):
    """What can be read of the system, which may take long, or hang."""

    def read(self) -> dict[str, float]:
        """The metrics by name."""


class Probe:
    """Asks a reader, which is opened when it is first asked, and keeps its newest sample.

    What cannot be opened is logged once and not tried again. ``what`` are the words for it.
    """

    def __init__(self, open_reader: Callable[[], Reader], what: str) -> None:
        self._open = open_reader
        self._what = what
        self._reader: Reader | None = None
        self._free = threading.Lock()  # held while it is being asked
        self._newest = Sample(-math.inf, {})

    def newest(self, oldest: float) -> Sample:
        """The newest sample; if it is from before a moment, another one is under way."""
        if self._newest.time < oldest and self._free.acquire(blocking=False):
            try:
                _thread.start_new_thread(self._ask, ())
            except RuntimeError:  # no thread is left, or the interpreter ends
                self._free.release()
        return self._newest

    def _ask(self) -> None:
        try:
            reader = self._reader = self._reader or self._open()
        except Exception as error:
            _warn_once(self._what, f"no {self._what} metrics: {error}")
            return  # and nobody else can ask
        try:
            self._newest = Sample(time.monotonic(), reader.read())
        except Exception as error:  # too many open files, for instance
            _warn_once(self._what, f"a sample of the {self._what} metrics is missing: {error}")
        finally:
            self._free.release()


class _Probes:
    """Those of one process: a forked child has its own."""

    def __init__(self) -> None:
        self.host = Probe(_open_host, "CPU and memory")
        self.gpus = Probe(_open_gpus, "GPU")


_of_process: dict[int, _Probes] = {}


def _open_host() -> Reader:
    from traintop.tracking.host import HostReader

    return HostReader()


def _open_gpus() -> Reader:
    from traintop.tracking.gpus import GpuReader

    return GpuReader()


class SystemMetrics:
    """The system metrics of one run, at most one sample of each kind in so many seconds.

    Runs of one process share what was read. ``known`` are the statistics of a run that goes on,
    whose energy is counted on.
    """

    def __init__(self, interval: float, known: Mapping[str, MetricStats]) -> None:
        self._interval = interval
        probes = _of_process.setdefault(os.getpid(), _Probes())
        self._gpus = probes.gpus
        self._taken = dict.fromkeys((probes.host, probes.gpus), time.monotonic())
        self._used = {
            name: stats.last or 0.0 for name, stats in known.items() if name.endswith(_ENERGY)
        }
        self._counted: dict[str, float] = {}
        self.gpus_sampled_at: float | None = None
        """When the GPUs were last sampled, on the monotonic clock."""

    def due(self) -> dict[str, float]:
        """What was read since the last time, if it is time for a sample; most often nothing."""
        now = time.monotonic()
        values: dict[str, float] = {}
        for probe, taken in self._taken.items():
            if now - taken < self._interval:
                continue
            sample = probe.newest(now - self._interval)
            if sample.time <= taken:
                continue
            self._taken[probe] = sample.time
            values |= sample.values
            if probe is self._gpus and sample.values:
                self.gpus_sampled_at = sample.time
        return {
            name: self._energy_since_start(name, value) if name.endswith(_ENERGY) else value
            for name, value in values.items()
        }

    def _energy_since_start(self, name: str, counter: float) -> float:
        """The energy that a run has used, from the counter of a device that counts for ever."""
        before = self._counted.get(name, counter)
        self._counted[name] = counter
        # A counter that fell was set back, as when a driver is loaded.
        used = self._used[name] = self._used.get(name, 0.0) + max(counter - before, 0.0)
        return round(used, 6)
