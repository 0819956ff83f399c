"""Watching when events fail: the kernel refuses them, loses them, or the directory goes away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bad_files import HEAD, RECORD, TAIL
from mounts import tmpfs
from tests.listener import Listener
from tests.waiting import TIMEOUT, wait_until

from traintop.store import watch as watch_module
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.watch import CatalogWatcher


@contextmanager
def watched(directory: Path) -> Iterator[tuple[CatalogWatcher, Listener]]:
    listener = Listener()
    watcher = CatalogWatcher(RunCatalog([directory]), listener)
    watcher.start()
    try:
        yield watcher, listener
    finally:
        watcher.stop()


def add_runs(directory: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        (directory / f"experiment_{number}.json").write_bytes(HEAD + RECORD + TAIL)


# As a user that no other process has, so that nobody else is left without events.
_WITHOUT_INSTANCES = """
import ctypes, hashlib, importlib.metadata, json, os, pkgutil, resource, sys, threading
from pathlib import Path
import platformdirs.unix, watchdog.observers, watchdog.events
import traintop.doctor
from traintop.store import watch
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles

for module in pkgutil.walk_packages(traintop.store.__path__, "traintop.store."):
    importlib.import_module(module.name)  # the user below may not read our files
most = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
resource.setrlimit(resource.RLIMIT_NOFILE, (most + 1000,) * 2)
importlib.metadata.requires = lambda package: []  # nobody else may read it here
os.setuid(int(sys.argv[2]))
libc = ctypes.CDLL(None)
while libc.inotify_init() >= 0:
    pass
LocalFiles.interval = 0.05
seen = threading.Event()
watcher = watch.CatalogWatcher(
    RunCatalog([Path(sys.argv[1])]), lambda snapshot: snapshot.runs and seen.set()
)
watcher.start()
print("started", flush=True)
assert seen.wait(60)
mode = watcher.mode
watcher.stop()
said = traintop.doctor.render(traintop.doctor.diagnose(Path(sys.argv[1])), 200)
print(json.dumps([mode, said]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user without any processes")
def test_without_inotify_it_polls_and_the_doctor_says_why() -> None:
    user = 61_000 + os.getpid() % 1000
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        logs = Path(name)
        logs.chmod(0o755)
        process = subprocess.Popen(
            [sys.executable, "-c", _WITHOUT_INSTANCES, name, str(user)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        add_runs(logs, 0, 1)
        output, errors = process.communicate(timeout=2 * TIMEOUT)
    assert errors == ""
    mode, message = json.loads(output)
    assert mode == "polling 0.05 s"
    assert message.count("the system reports no file events for it") == 1
    assert message.count("max_user_instances") == 1


def test_a_directory_unmounted_and_mounted_again_is_found(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    with tmpfs(logs) as disk:
        add_runs(logs, 0, 3)
        with watched(logs) as (watcher, listener):
            listener.wait_for(lambda snapshot: len(snapshot.runs) == 3)
            wait_until(lambda: watcher.mode == "live")
            disk.unmount()
            listener.wait_for(lambda snapshot: not snapshot.runs)
            logs.rmdir()
            listener.wait_for(lambda snapshot: bool(snapshot.notices))
            with tmpfs(logs):
                add_runs(logs, 0, 5)
                listener.wait_for(lambda snapshot: len(snapshot.runs) == 5 and not snapshot.notices)
                wait_until(lambda: watcher.mode == "live")
                add_runs(logs, 5, 1)
                listener.wait_for(lambda snapshot: len(snapshot.runs) == 6)


def test_thousands_of_files_at_once_are_all_found(tmp_path: Path) -> None:
    with watched(tmp_path) as (watcher, listener):
        wait_until(lambda: watcher.mode == "live")
        add_runs(tmp_path, 0, 5000)
        listener.wait_for(lambda snapshot: len(snapshot.runs) == 5000)
        add_runs(tmp_path, 5000, 1)
        listener.wait_for(lambda snapshot: len(snapshot.runs) == 5001)
        assert len(listener.snapshots) < 1000, "it reports many changes at once"


def test_lost_events_cost_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalFiles, "interval", 0.1)
    monkeypatch.setattr(watch_module._Hints, "_note", lambda *_: None)
    with watched(tmp_path) as (watcher, listener):
        wait_until(lambda: watcher.mode == "live")
        for number in range(5):
            add_runs(tmp_path, number, 1)
            listener.wait_for(lambda snapshot, count=number + 1: len(snapshot.runs) == count)
