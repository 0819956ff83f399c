"""What the processes of a run take of their machine: CPU, memory, disks, network."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from traintop.tracking.cgroup import cpu_quota, memory_use

GIB = float(1 << 30)
_MIB = float(1 << 20)


class _Counters(NamedTuple):
    """What only ever grows, at a moment; of the disks by process, for those come and go."""

    time: float
    cpu_seconds: float
    disk: dict[Any, tuple[int, int]]
    network: tuple[int, int]


class HostReader:
    """Reads the system metrics of this process, its children and theirs, and of the machine.

    Rates are over the time since the reading before, so that the first one has none.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        """``root`` is where ``/proc`` and ``/sys`` are for the control groups."""
        import psutil

        self._psutil = psutil
        self._root = root
        self._process = psutil.Process()
        self._before: _Counters | None = None

    def read(self) -> dict[str, float]:
        """The metrics by name."""
        resident = cpu_seconds = 0.0
        disk: dict[Any, tuple[int, int]] = {}
        for process in self._tree():
            try:
                with process.oneshot():
                    resident += process.memory_info().rss
                    # Those that ended count for who waited for them, so that nothing gets lost.
                    cpu_seconds += sum(process.cpu_times()[:4])
                    if hasattr(process, "io_counters"):  # not on macOS
                        counters = process.io_counters()
                        disk[process] = counters.read_bytes, counters.write_bytes
            except self._psutil.Error:
                continue  # it has just ended, or belongs to somebody else
        before = self._before
        now = _Counters(time.monotonic(), cpu_seconds, disk, self._network())
        self._before = now
        values = {
            "memory/rss": round(resident / GIB, 3),
            "memory/utilization": round(self._memory_utilization(), 1),
        }
        return values if before is None else {**self._rates(before, now), **values}

    def _rates(self, before: _Counters, now: _Counters) -> dict[str, float]:
        seconds = now.time - before.time
        read, written = (
            sum(
                amounts[way] - before.disk.get(process, (0, 0))[way]
                for process, amounts in now.disk.items()
            )
            for way in (0, 1)
        )
        received, sent = (now.network[way] - before.network[way] for way in (0, 1))
        amounts = {"network/received": received, "network/sent": sent}
        if now.disk:
            amounts |= {"disk/read": read, "disk/write": written}
        used = 100 * (now.cpu_seconds - before.cpu_seconds) / (seconds * allowed_cores(self._root))
        values = {"cpu/utilization": round(used, 1)}
        values |= {name: round(bytes_ / _MIB / seconds, 3) for name, bytes_ in amounts.items()}
        # A process that left the tree, or an interface that went, took its count with it.
        return {name: value for name, value in values.items() if value >= 0}

    def _tree(self) -> Iterator[Any]:
        """This process, and all that it started and that these started."""
        yield self._process
        found = _descendants(self._process.pid)
        if found is None:
            yield from self._process.children(recursive=True)
            return
        for pid in found:
            with contextlib.suppress(self._psutil.Error):  # it has just ended
                yield self._psutil.Process(pid)

    def _network(self) -> tuple[int, int]:
        """Bytes received and sent by the network cards, or by all interfaces but the loopback."""
        interfaces = self._psutil.net_io_counters(pernic=True)
        cards = [name for name in interfaces if os.path.exists(f"/sys/class/net/{name}/device")]
        # In a container there are none to be seen; elsewhere the others are bridges to these.
        counted = cards or [name for name in interfaces if not name.startswith("lo")]
        return (
            sum(interfaces[name].bytes_recv for name in counted),
            sum(interfaces[name].bytes_sent for name in counted),
        )

    def _memory_utilization(self) -> float:
        machine, group = self._psutil.virtual_memory(), memory_use(self._root)
        if group is not None and 0 < group.limit < machine.total:
            return 100 * group.used / group.limit
        return float(machine.percent)


def _descendants(root: int) -> list[int] | None:
    """The processes below one, as Linux lists them; ``None`` where it does not.

    psutil looks at all processes of the machine, of which a node has thousands.
    """
    found: list[int] = []
    for parent in itertools.chain([root], found):  # which grows meanwhile
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", "rb") as children:
                    found += map(int, children.read().split())
        except OSError:
            if parent == root:  # a kernel that is built without, or another system
                return None
    return found


def allowed_cores(root: Path = Path("/")) -> float:
    """How many cores this process may use at once: by its affinity, and by its control groups."""
    if hasattr(os, "sched_getaffinity"):
        cores = float(len(os.sched_getaffinity(0)))
    else:
        cores = float(os.cpu_count() or 1)
    quota = cpu_quota(root)
    return cores if quota is None else min(cores, quota)
