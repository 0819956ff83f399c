"""Which process writes a run, and whether it is still alive.

A pid alone is not enough: pids are reused, mean nothing on another host, and repeat in every
container. So a process is identified by host, boot, pid namespace, pid and start time, and only
a reader that shares the first three may judge the rest.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def current_process() -> dict[str, Any]:
    """The identity of the calling process, as a run's file holds it."""
    return {**_machine(), "pid": os.getpid(), "pid_started": _start_of(os.getpid())}


def has_ended(process: Mapping[str, Any]) -> bool | None:
    """Whether the process with this identity has ended.

    ``None`` when that cannot be known here: another host, another container, no identity.
    """
    pid = process.get("pid")
    ours = _machine()
    if not isinstance(pid, int) or pid <= 0 or process.get("host") != ours["host"]:
        return None
    if process.get("boot") != ours["boot"]:
        # One machine and two boots: it was restarted. A host name alone would not do, for many
        # machines on one network filesystem are called "localhost".
        return True if ours["machine"] and process.get("machine") == ours["machine"] else None
    if process.get("pid_namespace") != ours["pid_namespace"]:
        return None
    return _start_of(pid) != process.get("pid_started")


@functools.cache
def _machine() -> dict[str, str | None]:
    return {
        "host": os.uname().nodename,
        "machine": _machine_digest(),
        "boot": _first_line(Path("/proc/sys/kernel/random/boot_id")),
        "pid_namespace": _pid_namespace(),
    }


def user_name() -> str | None:
    """Who runs this process; the number of a user without a name, as in a container."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else None


def _machine_digest() -> str | None:
    """A digest, for machine-id(5) asks not to publish the id itself."""
    import hashlib  # as below: not at the cost of every training loop's start

    machine_id = _first_line(Path("/etc/machine-id"))
    return (
        hashlib.sha256(f"traintop:{machine_id}".encode()).hexdigest()[:16] if machine_id else None
    )


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _pid_namespace() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def _start_of(pid: int) -> str | None:
    """When a process started, as an opaque text; ``None`` when there is no such process.

    A zombie has ended: it writes no more.
    """
    if sys.platform != "linux":
        return _start_by_ps(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    return None if state in "ZX" else fields[18]  # field 22 of proc_pid_stat(5): starttime


def _start_by_ps(pid: int) -> str | None:
    import subprocess

    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
