"""Which process writes a run, and whether it is still alive.

A pid alone is not enough: pids are reused, mean nothing on another host, and repeat in every
container. So a process is identified by host, boot, pid namespace, pid and start time, and only
a reader that shares the first three may judge the rest. This file runs on other machines, too: see
:mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

IDENTITY = ("host", "machine", "boot", "pid_namespace", "pid", "pid_started")
"""What a process is known by, in the file of a run."""


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


def send_signal(name: str, process: Mapping[str, Any], path: Path | None) -> None:
    """Send a signal such as "SIGUSR1" to the process that writes a run, whose file is at ``path``.

    Only where that is beyond doubt: its identity is that in the file, and process and file belong
    to the user of this process, for anybody may write another pid into a file of their own. Raises
    ``OSError`` otherwise.
    """
    import signal

    pid = process.get("pid")
    if has_ended(process) is None or not isinstance(pid, int) or path is None:
        raise ProcessLookupError("it is not known which process of this machine writes the run")
    if path.stat().st_uid != os.geteuid():
        raise PermissionError("the file of the run belongs to another user")
    number = signal.Signals[name]
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        # The descriptor stands for one process, whichever has its number after it was looked at.
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            raise ProcessLookupError("the process of the run has ended") from None
        try:
            _refuse_another(process, pid)
            signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
    else:
        _refuse_another(process, pid)
        os.kill(pid, number)


def _refuse_another(process: Mapping[str, Any], pid: int) -> None:
    if has_ended(process) is not False:
        raise ProcessLookupError("the process of the run has ended")
    if _owner_of(pid) != os.geteuid():
        raise PermissionError("the process of the run belongs to another user")


def _owner_of(pid: int) -> int | None:
    if sys.platform == "linux":
        return os.stat(f"/proc/{pid}").st_uid
    owner = _asked_of_ps("uid=", pid)
    return int(owner) if owner else None


@functools.lru_cache(maxsize=None)
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
        return _asked_of_ps("lstart=", pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the name in brackets may hold anything
    return None if state in "ZX" else fields[18]  # field 22 of proc_pid_stat(5): starttime


def _asked_of_ps(what: str, pid: int) -> str | None:
    import subprocess

    command = ["ps", "-o", what, "-p", str(pid)]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
