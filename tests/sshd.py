"""A real sshd on this machine, as another host."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psutil
from tests.waiting import wait_until

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")

MISSING = not (SSHD and shutil.which("ssh") and shutil.which("ssh-keygen"))
"""Whether there is none to be had here; tests that need one are skipped then."""


class Sshd:
    """A host that is called ``alias`` in the ``config`` of an ssh client."""

    def __init__(self, folder: Path, alias: str, *, address: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.alias, self.address = folder, alias, address
        self.config = folder / "ssh_config"
        self.authorized = folder / "authorized_keys"
        self.known_hosts = folder / "known_hosts"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.make_host_key()
        _make_key(folder / "user_key")
        shutil.copy(folder / "user_key.pub", self.authorized)
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress {address}\nHostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {self.authorized}\nPidFile none\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
        )
        self.configure()

    def configure(self, *options: str) -> None:
        """Write the settings of the client, with further options for the host."""
        lines = [
            *options,
            f"HostName {self.address}",
            f"Port {self.port}",
            f"IdentityFile {self.folder}/user_key",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.known_hosts}",
            "StrictHostKeyChecking accept-new",
        ]
        self.config.write_text("\n  ".join([f"Host {self.alias}", *lines]) + "\n")

    def make_host_key(self) -> None:
        """Give the host a new key."""
        for old in self.folder.glob("host_key*"):
            old.unlink()
        _make_key(self.folder / "host_key")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        assert SSHD is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        command = [SSHD, "-D", "-f", str(self.folder / "sshd_config"), "-E", f"{self.folder}/log"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_until(self._listens)

    def processes(self) -> list[psutil.Process]:
        """Itself, and what serves connections, with all that runs in them."""
        if self._process is None or self._process.poll() is not None:
            return []
        listener = psutil.Process(self._process.pid)
        return [listener, *listener.children(recursive=True)]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as when the host loses its power."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((self.address, self.port)) == 0


def _make_key(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
