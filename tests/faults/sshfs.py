"""A directory mounted over the network: by sshfs, over the loopback, from an sshd of our own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

_NEEDED = {"sshfs": "sshfs", "sshd": "openssh-server", "ssh-keygen": "openssh-client"}
_TIMEOUT = 30.0


class Mount(NamedTuple):
    """One mount; others of the same directory have caches of their own."""

    directory: Path
    pid: int  # of the process that answers for it
    server: int  # the process that it asks in turn

    def freeze(self) -> None:
        """Let the server hang: nothing is answered any more."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def lost(self) -> Iterator[None]:
        """As when the network is gone: what is asked is taken up, and never answered."""
        sessions = psutil.Process(self.server).children(recursive=True)
        for session in sessions:
            session.suspend()
        try:
            yield
        finally:
            for session in sessions:
                session.resume()


class Export:
    """A directory, and the server that exports it."""

    def __init__(self, directory: Path, port: int, key: Path, server: int) -> None:
        self.directory = directory
        self._server = server
        self._port = port
        self._key = key

    @contextlib.contextmanager
    def mounted(self, point: Path) -> Iterator[Mount]:
        """Mount it once more."""
        point.mkdir()
        options = [
            *("-o", f"port={self._port}", "-o", f"IdentityFile={self._key}"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            # By default, what one mount writes is news to another after 20 s.
            *("-o", "LogLevel=ERROR", "-o", "dcache_timeout=1", "-o", "attr_timeout=0", "-f"),
        ]
        process = subprocess.Popen(
            ["sshfs", f"127.0.0.1:{self.directory}", point, *options],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_until_mounted(process, point)
            yield Mount(point, process.pid, self._server)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
            process.terminate()
            process.communicate()


@contextlib.contextmanager
def export(directory: Path, server: Path) -> Iterator[Export]:
    """Export a directory; what the server needs is kept in another. Skips where that cannot be."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    missing = [package for tool, package in _NEEDED.items() if not shutil.which(tool, path=path)]
    if missing:
        pytest.skip(f"needs a network filesystem: install {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("needs a network filesystem of its own: run as root")
    if not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs a network filesystem: /dev/fuse is not to be had here")
    sshd = shutil.which("sshd", path=path)
    server.mkdir()
    for key in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", server / key]
        subprocess.run(command, check=True)
    (server / "sshd_config").write_text(
        f"HostKey {server / 'host'}\nAuthorizedKeysFile {server / 'user.pub'}\n"
        "ListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n"
        "Subsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks up what it runs without privileges
    port = _free_port()
    process = subprocess.Popen(
        [str(sshd), "-D", "-e", "-p", str(port), "-f", server / "sshd_config"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_until_listening(process, port)
        yield Export(directory, port, server / "user", process.pid)
    finally:
        process.terminate()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        port: int = any_socket.getsockname()[1]
        return port


def _wait_until_listening(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        _check(process, deadline)


def _wait_until_mounted(process: subprocess.Popen[str], point: Path) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not os.path.ismount(point):
        _check(process, deadline)


def _check(process: subprocess.Popen[str], deadline: float) -> None:
    """Skips the test when a server gave up, as in a container that lets nobody mount."""
    if process.poll() is not None:
        assert process.stderr is not None
        pytest.skip(f"needs a network filesystem: {process.stderr.read().strip()}")
    assert time.monotonic() < deadline, "the server never answered"
    time.sleep(0.02)
