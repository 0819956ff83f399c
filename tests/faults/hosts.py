"""Three hosts, killed, stopped and cut off at random, while 16 writers log on them.

    python -m tests.faults.hosts --seconds 600 --seed 0

Each is a real sshd; between it and the ssh is a line of 80 ms, which now and then holds up what it
carries, as one that loses packets does. Meanwhile the catalog is watched and histories are read.
At the end every record must be there, by count and by checksum.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest import mock

import psutil
from tests.sshd import Sshd

from traintop.model import RunStatus
from traintop.store.catalog import RunCatalog
from traintop.store.files import FileError
from traintop.store.formats import UnreadableRunError
from traintop.store.snapshot import Snapshot
from traintop.store.watch import CatalogWatcher

HOSTS, WRITERS = 3, 16
_RECORDS_PER_SECOND = 20
_SILENCE = 3.0  # seconds after which a host counts as away, so that there are many of them
_PATIENCE = 90.0

_WRITER = """
import random, sys, time, zlib
from array import array
from traintop import ExperimentConfig, ExperimentTracker
directory, name, count, pause = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
values, checksum = random.Random(name), 0
with ExperimentTracker(ExperimentConfig(experiment_name=name), directory, quiet=True) as tracker:
    for i in range(count):
        loss = values.gauss(3.0, 1.0)
        checksum = zlib.crc32(array("d", [loss]).tobytes(), checksum)
        tracker.log_metrics(i, loss)
        time.sleep(pause)
print(checksum, flush=True)
"""

_LINE = """
import os, random, socket, sys, threading, time
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def carry(read, write):
    while data := read(1 << 16):
        time.sleep(0.04 if random.random() > 0.01 else 0.3)
        write(data)
back = threading.Thread(target=carry, args=(far.recv, lambda data: os.write(1, data)), daemon=True)
back.start()
carry(lambda size: os.read(0, size), far.sendall)
"""


class Hosts:
    """The hosts, what runs on them, and what was done to them."""

    def __init__(self, folder: Path, seconds: float, seed: int) -> None:
        self._chance = random.Random(seed)
        self.harms: Counter[str] = Counter()
        self._hosts = [Sshd(folder / f"host{number}", f"box{number}") for number in range(HOSTS)]
        line = folder / "line.py"
        line.write_text(_LINE)
        for host in self._hosts:
            host.configure(f"ProxyCommand {sys.executable} {line} %h %p")
            host.start()
        settings = folder / "ssh_config"
        settings.write_text("\n".join(host.config.read_text() for host in self._hosts))
        os.environ["TRAINTOP_SSH"] = f"ssh -F {settings}"
        self.roots = [f"ssh://{host.alias}{host.folder}/runs" for host in self._hosts]
        count = int(seconds * _RECORDS_PER_SECOND)
        self.count = count
        amount = [str(count), str(1 / _RECORDS_PER_SECOND)]
        self._writers: dict[str, subprocess.Popen[bytes]] = {}
        for number in range(WRITERS):
            name, directory = f"run_{number}", f"{self._hosts[number % HOSTS].folder}/runs"
            command = [sys.executable, "-c", _WRITER, directory, name, *amount]
            self._writers[name] = subprocess.Popen(command, stdout=subprocess.PIPE)

    def harm(self) -> None:
        """Do something to one of them."""
        host = self._chance.choice(self._hosts)
        what = self._chance.choice(["kill", "stop", "cut", "end helpers", "mend"])
        self.harms[what] += 1
        if what == "kill":
            host.kill()
        elif what == "stop":
            host.send(signal.SIGSTOP)
        elif what == "mend" or not host.processes():
            self._mend(host)
        else:
            # Those that serve a connection; or the helpers in them, while the connection lasts.
            for process in host.processes()[1:]:
                with suppress(psutil.NoSuchProcess):
                    if what == "cut" or "-Iiq" in process.cmdline():
                        process.kill()

    def mend(self) -> None:
        """Let all of them run again."""
        for host in self._hosts:
            self._mend(host)

    def checksums(self) -> dict[str, int]:
        """What each writer has logged, once they have ended."""
        return {name: int(writer.communicate()[0]) for name, writer in self._writers.items()}

    def are_writing(self) -> bool:
        """Whether any writer goes on."""
        return any(writer.poll() is None for writer in self._writers.values())

    def close(self) -> None:
        """End all of it."""
        for host in self._hosts:
            host.send(signal.SIGCONT)
            host.kill()
        for writer in self._writers.values():
            writer.kill()
            writer.wait()

    def pause(self) -> None:
        """Wait for what comes next."""
        time.sleep(self._chance.uniform(0.2, 2.5))

    def _mend(self, host: Sshd) -> None:
        if host.processes():
            host.send(signal.SIGCONT)
        else:
            host.start()


class Seen:
    """What a person would have seen meanwhile."""

    def __init__(self, hosts: Hosts) -> None:
        self.catalog = RunCatalog(hosts.roots)
        self.snapshot = self.catalog.snapshot()
        self.lost: list[str] = []
        self.aways = 0
        self.followed = 0

    def take(self, snapshot: Snapshot) -> None:
        """The next snapshot: no run that was there may be gone, and none may have ended."""
        names = {run.name for run in snapshot.runs}
        self.lost += [run.name for run in self.snapshot.runs if run.name not in names]
        crashed = (RunStatus.CRASHED, RunStatus.UNREADABLE, RunStatus.STALLED)
        self.lost += [f"{run.name}: {run.status}" for run in snapshot.runs if run.status in crashed]
        self.aways += bool(snapshot.places) and not self.snapshot.places
        self.snapshot = snapshot

    def read(self, stop: threading.Event) -> None:
        """Follow the histories of runs, one after another."""
        readers = {}
        while not stop.wait(0.05):
            for run in self.snapshot.runs:
                with suppress(FileError, UnreadableRunError):
                    reader = readers.setdefault(run.id, self.catalog.reader(run.id))
                    reader.follow()
                    losses = reader.history().columns["train_loss"]
                    self.followed += 1
                    chance = random.Random(run.name)
                    if [*losses] != [chance.gauss(3.0, 1.0) for _ in losses]:
                        self.lost.append(f"{run.name}: other records")


@contextmanager
def watched(hosts: Hosts) -> Iterator[Seen]:
    """The catalog of all hosts, watched."""
    seen, stop = Seen(hosts), threading.Event()
    watcher = CatalogWatcher(seen.catalog, seen.take)
    reading = threading.Thread(target=seen.read, args=(stop,))
    with mock.patch("traintop.store.files.connection.SILENCE", _SILENCE):
        watcher.start()
        reading.start()
        try:
            yield seen
        finally:
            stop.set()
            reading.join()
            watcher.stop()


def play(folder: Path, seconds: float, seed: int) -> tuple[Hosts, Seen]:
    """All of it; raises ``AssertionError`` where anything is lost."""
    with ExitStack() as stack:
        hosts = Hosts(folder, seconds, seed)
        stack.callback(hosts.close)
        seen = stack.enter_context(watched(hosts))
        while hosts.are_writing():
            hosts.harm()
            hosts.pause()
        hosts.mend()
        checksums = hosts.checksums()
        ends = time.monotonic() + _PATIENCE
        while not _has_all(seen.snapshot):
            assert time.monotonic() < ends, (seen.snapshot.places, len(seen.snapshot.runs))
            time.sleep(0.1)
        assert not seen.lost, seen.lost[:5]
        for run in seen.snapshot.runs:
            losses = seen.catalog.reader(run.id).history().columns["train_loss"]
            assert len(losses) == hosts.count, run.name
            assert zlib.crc32(array("d", losses).tobytes()) == checksums[run.name], run.name
    return hosts, seen


def _has_all(snapshot: Snapshot) -> bool:
    ended = [run for run in snapshot.runs if run.status is RunStatus.FINISHED]
    return len(ended) == WRITERS and not snapshot.places


def main() -> None:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hosts, seen = play(Path(folder), arguments.seconds, arguments.seed)
    print(f"{WRITERS} x {hosts.count} records on {HOSTS} hosts: all there, by count and checksum")
    print(f"done to the hosts: {dict(hosts.harms)}; away {seen.aways} times")
    print(f"histories followed meanwhile: {seen.followed}")


if __name__ == "__main__":
    main()
