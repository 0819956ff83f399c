"""Checks of the log directory itself."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from traintop.doctor.findings import Finding, Level
from traintop.store.filesystem import network_filesystem
from traintop.store.regular_file import reason_of
from traintop.text import file_size, safe_text

_SCARCE = 2 * 10**9  # a sweep of long runs: 200 bytes a record
_EXHAUSTED = 100 * 10**6
_PROBE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    """What the system says of a directory. Reasons are empty where there is no trouble."""

    path: Path
    missing: bool = False
    not_a_directory: bool = False
    unreadable: str = ""
    unwritable: str = ""
    is_ours: bool = True  # it belongs to the user who asks
    network: str | None = None  # the type of the network filesystem
    free_bytes: int | None = None

    @property
    def usable(self) -> bool:
        """Whether runs can be read from it."""
        return not (self.missing or self.not_a_directory or self.unreadable)


def directory_facts(path: Path) -> DirectoryFacts:
    """Looks at a directory, and tries to write into it without leaving anything there."""
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return DirectoryFacts(path, missing=True)
    except OSError as error:
        return DirectoryFacts(path, unreadable=reason_of(error))
    if not stat.S_ISDIR(info.st_mode):
        return DirectoryFacts(path, not_a_directory=True)
    return DirectoryFacts(
        path,
        unreadable=_why_unreadable(path),
        unwritable=_why_unwritable(path),
        is_ours=not hasattr(os, "getuid") or info.st_uid == os.getuid(),
        network=network_filesystem(path),
        free_bytes=_free_bytes(path),
    )


def _why_unreadable(path: Path) -> str:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                break
    except OSError as error:
        return reason_of(error)
    return ""


def _why_unwritable(path: Path) -> str:
    # Permissions alone do not tell: there are quotas, full disks and read-only mounts.
    try:
        with tempfile.TemporaryFile(dir=path, prefix=".traintop-doctor-") as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _free_bytes(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def check_directory(facts: DirectoryFacts, run_count: int) -> Iterator[Finding]:
    """The findings about a directory that holds so many runs."""
    shown = safe_text(facts.path, 500)
    quoted = safe_text(shlex.quote(str(facts.path)), 500)
    if facts.missing:
        yield Finding(
            "directory.exists",
            Level.PROBLEM,
            f"{shown} does not exist",
            f"mkdir -p {quoted}, or name another directory: traintop doctor LOG_DIR; "
            "the tracker makes its log_dir itself",
        )
        return
    if facts.not_a_directory:
        yield Finding(
            "directory.exists",
            Level.PROBLEM,
            f"{shown} is not a directory",
            "name the directory that holds the runs, not one file",
        )
        return
    yield Finding("directory.exists", Level.OK, "directory exists")
    if facts.unreadable:
        yield Finding(
            "directory.readable",
            Level.PROBLEM,
            f"{shown} {facts.unreadable}",
            f"ask its owner for access: chmod a+rx {quoted}",
        )
        return
    yield Finding("directory.readable", Level.OK, "readable")
    yield _writable(facts, shown, run_count)
    yield _filesystem(facts)
    if facts.free_bytes is not None:
        yield _disk(facts.free_bytes)
    yield _holds_runs(run_count, shown, quoted)


def _writable(facts: DirectoryFacts, shown: str, run_count: int) -> Finding:
    if not facts.unwritable:
        return Finding("directory.writable", Level.OK, "writable")
    what = f"{shown} cannot be written to: {facts.unwritable}"
    if run_count and not facts.is_ours:
        return Finding(
            "directory.writable",
            Level.NOTE,
            f"{what} (it belongs to another user)",
            "nothing, to watch; to train, give the tracker a log_dir of your own",
        )
    return Finding(
        "directory.writable",
        Level.PROBLEM,
        what,
        "free the disk, mend the permissions, or give the tracker another log_dir; "
        "a tracker that cannot write keeps records in memory and loses the rest",
    )


def _filesystem(facts: DirectoryFacts) -> Finding:
    if facts.network is None:
        return Finding("directory.filesystem", Level.OK, "local filesystem")
    return Finding(
        "directory.filesystem",
        Level.NOTE,
        f"on a network filesystem ({safe_text(facts.network, 40)}): it is polled every 2 s",
        "nothing: changes made on other machines show a few seconds later",
    )


def _disk(free_bytes: int) -> Finding:
    free = file_size(free_bytes)
    if free_bytes >= _SCARCE:
        return Finding("directory.disk", Level.OK, f"{free} free")
    level = Level.NOTE if free_bytes >= _EXHAUSTED else Level.PROBLEM
    return Finding(
        "directory.disk",
        level,
        f"only {free} are free on its disk",
        "free some space: a record takes about 200 bytes, checkpoints much more",
    )


def _holds_runs(run_count: int, shown: str, quoted: str) -> Finding:
    if run_count:
        return Finding("directory.runs", Level.OK, "holds runs")
    return Finding(
        "directory.runs",
        Level.NOTE,
        f"{shown} holds no runs: no experiment_*.json, and no other .json of that schema",
        "train with ExperimentTracker(config, log_dir=…) pointing here, or try: "
        f"traintop demo --log-dir {quoted}",
    )
