"""Which filesystems are those of others, and what is asked of them without waiting for ever.

A network filesystem whose server is gone answers nothing, not even whether a file exists: who asks
hangs, and cannot be interrupted. So whoever may keep a person waiting asks through this module.

This file runs on other machines, too: see :mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Tuple, TypeVar

PATIENCE = 2.0
"""Seconds that are waited for the answer to one question."""

SILENT = 10.0
"""Seconds without an answer after which it is said that there is none."""

_NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs"),
        *("beegfs", "9p", "drvfs", "virtiofs", "vboxsf", "fakeowner"),
    }
)

# FUSE filesystems are served by any program, so they count as remote, save this one: the root of
# containers without privileges, whose files change only through this kernel.
_LOCAL_FUSE_TYPES = frozenset({"fuse.fuse-overlayfs"})

_MOUNTS = Path("/proc/self/mountinfo")
_MOST_LINKS = 40  # on the way to a file, as Linux has it

_Answer = TypeVar("_Answer")
_Mounts = Tuple[Tuple[str, str], ...]  # points and types, in the order in which they were made

_unanswered: dict[Hashable, threading.Thread] = {}  # by who was asked


def network_filesystem(path: Path | str) -> str | None:
    """The type of the network filesystem that holds ``path`` (``"nfs4"``, ``"fuse.sshfs"``, …).

    There, the kernel of this machine does not see what other machines write, so watching needs
    polling; and the times of files come from the server's clock, not from ours. ``None`` for a
    local filesystem, and where that is not known (only Linux says).
    """
    mounts = _mounts()
    found = _mount_of(real_path(os.fspath(path)), mounts) if mounts else None
    return found[1] if found is not None and is_network_type(found[1]) else None


def leads_to_network(path: str) -> bool:
    """Whether a path leads to a network filesystem, as far as links of local ones say.

    It is not asked for that.
    """
    mounts = _mounts()
    return _network_mount(_known_path(path, mounts), mounts) is not None


def may_hang(path: str) -> bool:
    """Whether a path leads to a network filesystem, or one is mounted below it.

    No network filesystem is asked for that.
    """
    return _is_at(path, is_network_type)


def is_fuse(path: str) -> bool:
    """The same for FUSE alone, of which nobody who waits for it can be interrupted.

    What the server has taken up to answer, no signal ends, and so not the process that asked. Who
    closes a file waits, too, also one that was only read: a process that inherits one is to close
    it before it can run another program. So another process asks.
    """
    return _is_at(path, lambda kind: kind.startswith("fuse.") and is_network_type(kind))


def _ask_in_another_process(question: Callable[[str], _Answer], path: str) -> _Answer:
    import json
    import subprocess

    asks = f"import json, os, sys; print(json.dumps(os.path.{question.__name__}(sys.argv[1])))"
    said = subprocess.run(
        [sys.executable, "-ISc", asks, path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it may stay when this process has ended, and hold nothing open
        check=True,
        start_new_session=True,
    )
    found: _Answer = json.loads(said.stdout)
    return found


def _is_at(path: str, is_wanted: Callable[[str], bool]) -> bool:
    """Whether a path leads to a filesystem of some types, or one is mounted below it."""
    mounts = _mounts()
    known = _known_path(path, mounts)
    found = _mount_of(known, mounts)
    return (found is not None and is_wanted(found[1])) or any(
        _contains(known, point) for point, kind in mounts if is_wanted(kind)
    )


def real_path(path: str) -> str:
    """The same for a file however it is named: where the links on the way to it lead.

    Those of a network filesystem that does not answer are left as they are.
    """
    return answer(path, os.path.realpath, "") or _known_path(path, _mounts())


def answer(path: str, question: Callable[[str], _Answer], otherwise: _Answer) -> _Answer:
    """What a question about a path finds; ``otherwise`` where its filesystem does not answer.

    A local one always does. As long as another has not answered, it is not asked again. The
    question is a function of :mod:`os.path`.
    """
    mounts = _mounts()
    known = _known_path(path, mounts)
    point = _network_mount(known, mounts)
    if point is None:
        return question(path)
    ask = functools.partial(_ask_in_another_process, question) if is_fuse(known) else question
    return answer_within(PATIENCE, point, lambda: ask(path), otherwise)


def answer_within(
    seconds: float, whom: Hashable, question: Callable[[], _Answer], otherwise: _Answer
) -> _Answer:
    """What a question finds; ``otherwise`` where that takes longer, or is not asked.

    As long as somebody has not answered the question before, no other is asked. What a question
    raises is raised.
    """
    before = _unanswered.get(whom)
    if before is not None and before.is_alive():
        return otherwise
    found: list[_Answer] = []
    raised: list[Exception] = []

    def ask() -> None:
        try:
            found.append(question())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=ask, name="traintop-question", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _unanswered[whom] = thread
        return otherwise
    if raised:
        raise raised[0]
    return found[0]


def is_network_type(name: str) -> bool:
    """Whether a filesystem type, as the kernel names it, is a remote one."""
    if name in _LOCAL_FUSE_TYPES:
        return False
    return name in _NETWORK_TYPES or name.startswith("fuse.")


def filesystem_type(path: str, mountinfo: str) -> str | None:
    """The type of the filesystem that holds a real path, by the text of proc_pid_mountinfo(5)."""
    found = _mount_of(path, _parsed(mountinfo))
    return None if found is None else found[1]


def _known_path(path: str, mounts: _Mounts) -> str:
    """Where a path leads, as far as links of local filesystems say."""
    if not _network_points(mounts):
        return path
    parts = [*reversed(os.path.join(os.getcwd(), path).split("/"))]
    at, links = "/", 0
    while parts:
        name = parts.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        at = os.path.join(at, name)
        if _network_mount(at, mounts) is not None:
            return os.path.normpath(os.path.join(at, *reversed(parts)))
        try:
            target = os.readlink(at)
        except OSError:  # it is no link, or does not exist
            continue
        links += 1
        if links > _MOST_LINKS:
            break
        at = "/" if target.startswith("/") else os.path.dirname(at)
        parts += reversed(target.split("/"))
    return at


def _network_mount(path: str, mounts: _Mounts) -> str | None:
    """The point at which the network filesystem is mounted that holds a path, if one does."""
    if not any(_contains(point, path) for point in _network_points(mounts)):
        return None  # soon, for it is asked of each part of each path
    found = _mount_of(path, mounts)
    return found[0] if found is not None and is_network_type(found[1]) else None


def _mount_of(path: str, mounts: _Mounts) -> tuple[str, str] | None:
    """The mount that holds a real path: its point, and its type.

    The longest mount point that contains the path wins, and of two on one point the later one,
    which covers the other.
    """
    best = None
    for point, kind in mounts:
        if (best is None or len(point) >= len(best[0])) and _contains(point, path):
            best = point, kind
    return best


def _mounts() -> _Mounts:
    try:
        return _parsed(_MOUNTS.read_text(errors="surrogateescape"))
    except OSError:
        return ()


@functools.lru_cache(maxsize=2)
def _network_points(mounts: _Mounts) -> tuple[str, ...]:
    return tuple(point for point, kind in mounts if is_network_type(kind))


@functools.lru_cache(maxsize=2)
def _parsed(mountinfo: str) -> _Mounts:
    mounts = []
    for line in mountinfo.splitlines():
        mount, separator, source = line.partition(" - ")
        fields = mount.split(" ")
        if separator and len(fields) >= 5:
            mounts.append((_unescaped(fields[4]), source.split(" ", 1)[0]))
    return tuple(mounts)


def _contains(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(field: str) -> str:
    """A mount point as it is: the kernel writes blank, tab, newline and backslash in octal."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field
