"""What the control groups of a process allow it: CPU time and memory, as containers and jobs do.

Both versions of cgroups, with the limits of all groups that a process is in: a job of Slurm limits
the group above the one of its step.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class MemoryUse(NamedTuple):
    """Bytes that are in use, and that may be."""

    used: int
    limit: int


def cpu_quota(root: Path = Path("/")) -> float | None:
    """The CPU time in a second that this process and its group may take; ``None`` for no limit."""
    quotas = []
    for group in _groups(root, "cpu"):
        words = _words(group / "cpu.max")
        if not words:
            words = _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        if len(words) == 2 and all(word.isdecimal() for word in words):  # not "max", nor -1
            quota, period = map(int, words)
            quotas += [quota / period] if quota and period else []
    return min(quotas, default=None)


def memory_use(root: Path = Path("/")) -> MemoryUse | None:
    """Of the group with the lowest limit; ``None`` for no limit.

    Files in the page cache that nobody used lately count as free, as for Kubernetes.
    """
    found = []
    for group in _groups(root, "memory"):
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            words = [*_words(group / limit), *_words(group / usage)]
            if len(words) == 2 and all(word.isdecimal() for word in words):
                statistics = _words(group / "memory.stat")
                free = dict(zip(statistics[::2], statistics[1::2], strict=False)).get(cached, "0")
                found.append(MemoryUse(max(int(words[1]) - int(free), 0), int(words[0])))
    return min(found, key=lambda use: use.limit, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The directories of the groups that a controller has this process in, its own first.

    In a container those above it cannot be seen, and its own may be the topmost.
    """
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = mounts / controller if controllers else mounts
        parts = [part for part in path.split("/") if part not in ("", "..")]
        yield from (top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, ValueError):
        return []
