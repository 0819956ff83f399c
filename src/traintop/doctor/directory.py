"""Checks of the log directory itself."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from traintop.doctor.findings import Finding, Level
from traintop.model import RunStatus
from traintop.mounts import answer, network_filesystem
from traintop.store.files.states import reason_of
from traintop.store.other_files import READ_FILES
from traintop.store.snapshot import Snapshot
from traintop.store.watch import gets_events
from traintop.text import file_size, safe_text

_SCARCE_BYTES = 2 * 10**9  # a sweep of long runs: 200 bytes a record
_EXHAUSTED_BYTES = 100 * 10**6
_PROBE_BYTES = 4096
_MOST_REFUSED = 20


def check_access(directory: Path) -> Finding:
    """Whether runs can be read from a directory: all else depends on it."""
    shown, quoted = _shown(directory), safe_text(shlex.quote(str(directory)), 500)
    if answer(str(directory), os.path.lexists, None) is None:
        return Finding(
            "directory.answers",
            Level.PROBLEM,
            f"{shown} does not answer: it is on a network filesystem",
            "find out what its server is doing; the runs of other roots are shown meanwhile",
        )
    try:
        with os.scandir(directory) as entries:
            next((entry.stat(follow_symlinks=False) for entry in entries), None)
    except FileNotFoundError:
        return Finding(
            "directory.exists",
            Level.PROBLEM,
            f"{shown} does not exist",
            f"mkdir -p {quoted}, or name another directory: traintop doctor ROOT; "
            "the tracker creates its log_dir itself",
        )
    except NotADirectoryError:
        return Finding(
            "directory.exists",
            Level.PROBLEM,
            f"{shown} is not a directory",
            "name the directory that holds the runs, not one file",
        )
    except OSError as error:
        return Finding(
            "directory.readable",
            Level.PROBLEM,
            f"{shown} {reason_of(error)}",
            f"ask its owner for access: chmod a+rx {quoted}",
        )
    return Finding("directory.readable", Level.OK, "readable")


def check_place(snapshot: Snapshot) -> Iterator[Finding]:
    """The findings about a root elsewhere: what a reader of its runs sees."""
    for state in snapshot.places:
        step = "docs/fleet.md says what helps; traintop shows the other roots meanwhile"
        yield Finding("place.reached", Level.PROBLEM, state.trouble, step)
    for notice in snapshot.notices:
        yield Finding("place.reached", Level.PROBLEM, notice, "name a directory that is there")
    if not (snapshot.places or snapshot.notices):
        yield Finding("place.reached", Level.OK, "answers")
    refused = [run for run in snapshot.runs if run.status is RunStatus.UNREADABLE]
    for run in refused[:_MOST_REFUSED]:
        step = "ask whoever writes it; the other runs are shown"
        yield Finding("place.readable", Level.PROBLEM, f"{run.id} {run.problem}", step)
    yield Finding(
        "place.unchecked",
        Level.NOTE,
        "not checked from here: free space, permissions, whole files, processes",
        "run `traintop doctor` on the machine that has the directory",
    )


def check_directory(directory: Path, run_count: int, others: str = "") -> Iterator[Finding]:
    """The findings about a readable directory that holds so many runs, and ``others``' files.

    It tries to write there, without leaving anything.
    """
    yield writing_finding(directory, _why_unwritable(directory), _is_ours(directory), run_count)
    yield watching_finding(network_filesystem(directory), gets_events(directory))
    with contextlib.suppress(OSError):  # some filesystems do not say
        yield space_finding(shutil.disk_usage(directory).free)
    yield _holds_runs(directory, run_count)
    if others:
        reads = f"nothing: traintop reads {READ_FILES}"
        yield Finding("directory.others", Level.NOTE, f"not read: {others}", reads)


def writing_finding(directory: Path, refusal: str, is_ours: bool, run_count: int) -> Finding:
    """What it means that a directory cannot be written to, for this reason, if any."""
    if not refusal:
        return Finding("directory.writable", Level.OK, "writable")
    what = f"{_shown(directory)} cannot be written to: {refusal}"
    if run_count and not is_ours:
        return Finding(
            "directory.writable",
            Level.NOTE,
            f"{what} (it belongs to another user)",
            "nothing if you only watch; to train, pass the tracker a log_dir of your own",
        )
    return Finding(
        "directory.writable",
        Level.PROBLEM,
        what,
        "free some space, fix the permissions, or pass the tracker another log_dir; "
        "a tracker that cannot write keeps a limited number of records in memory",
    )


def watching_finding(network: str | None, has_events: bool) -> Finding:
    """How changes are noticed: at once or by polling."""
    if network is not None:
        return Finding(
            "directory.watching",
            Level.NOTE,
            f"on a network filesystem ({safe_text(network, 40)}): it is polled every 2 s",
            "nothing: changes made on other machines appear a few seconds later",
        )
    if has_events:
        return Finding("directory.watching", Level.OK, "watched live")
    return Finding(
        "directory.watching",
        Level.NOTE,
        "the system reports no file events for it: it is polled every 2 s",
        "nothing, or on Linux raise the limits: sudo sysctl fs.inotify.max_user_instances=1024 "
        "fs.inotify.max_user_watches=1048576",
    )


def space_finding(free_bytes: int) -> Finding:
    """Whether that much free space is enough for training."""
    free = file_size(free_bytes)
    if free_bytes >= _SCARCE_BYTES:
        return Finding("directory.disk", Level.OK, f"{free} free")
    return Finding(
        "directory.disk",
        Level.NOTE if free_bytes >= _EXHAUSTED_BYTES else Level.PROBLEM,
        f"only {free} free on the disk",
        "free some space: a record takes about 200 bytes, checkpoints much more",
    )


def _holds_runs(directory: Path, run_count: int) -> Finding:
    if run_count:
        return Finding("directory.runs", Level.OK, "holds runs")
    return Finding(
        "directory.runs",
        Level.NOTE,
        f"{_shown(directory)} holds no runs: no experiment_*.json, and no other .json of that "
        "schema",
        "train with ExperimentTracker(config, log_dir=…) pointing here, or try: "
        f"traintop demo --log-dir {safe_text(shlex.quote(str(directory)), 500)}",
    )


def _why_unwritable(directory: Path) -> str:
    # Permissions alone do not decide: there are quotas, full disks and read-only mounts.
    try:
        with tempfile.TemporaryFile(dir=directory, prefix=".traintop-doctor-") as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _is_ours(directory: Path) -> bool:
    return directory.stat().st_uid == os.getuid()


def _shown(directory: Path) -> str:
    return safe_text(directory, 500)
