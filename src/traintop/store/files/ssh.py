"""Files of a host, by the ssh that its user has set up."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

from traintop.store.files.connection import LostError
from traintop.store.files.piped import PYTHON, PipedFiles

COMMAND = "TRAINTOP_SSH"
"""The environment variable that names another ssh, or one with options: ``ssh -F lab.conf``."""

_ADDRESS = re.compile(r"ssh://((?:[^/@:\s]+@)?)(\[[\w:.%]+\]|[^/@:\s\[\]]+)(?::(\d{1,5}))?")

_OPTIONS = (
    *("-T", "-a", "-x"),  # no terminal there, and nothing of ours that the host could use
    *("-oBatchMode=yes", "-oLogLevel=ERROR"),  # nobody is asked for a password, or told of success
    "-oConnectTimeout=10",
    *("-oServerAliveInterval=5", "-oServerAliveCountMax=3"),
    *("-oClearAllForwardings=yes", "-oRemoteCommand=none"),  # those of the alias are for a person
)

_LEFT_OPEN = 10  # seconds for which a connection waits for the next start of this program

_REASONS = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "its host key has changed: see `{ssh}`",
    "Host key verification failed": "its host key is not known: run `{ssh}` once and confirm it",
    "Permission denied|Too many authentication failures": (
        "wants a password: run `ssh-copy-id {host}`, or `ssh-add`"
    ),
    "Could not resolve hostname": "no such host name",
    "not responding|Connection timed out|Operation timed out": "does not answer",
    "Shared connection|Connection to .* closed": "the connection has ended",
    "No route to host|Connection refused|Network is unreachable|Connection reset": "{found}",
    "ommand not found": "has no python3",
}
"""What ssh says, and what that means here."""


class SshFiles(PipedFiles):
    """The files of ``ssh://[user@]host[:port]``. Raises ``ValueError`` for another address.

    Whatever the user's ssh knows of the host counts: keys, agents, aliases, ProxyJump, Kerberos. A
    connection that his settings keep open (ControlPath) is used; else one of ours is.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        parts = _ADDRESS.fullmatch(address)
        if parts is None:
            raise ValueError(f"{address}: an address is ssh://[user@]host[:port]/path")
        user, host, port = parts.groups()
        self._port = ["-p", port] if port else []
        self._host = user + host.strip("[]")

    @property
    def place(self) -> str:
        """The host, as its user calls it."""
        return ":".join([self._host, *self._port[1:]])

    def command(self) -> list[str]:
        """What leads there, and starts a Python."""
        ssh = shlex.split(os.environ.get(COMMAND, "")) or ["ssh"]
        host = [*self._port, "--", self._host]  # what comes behind -- is no option
        return [*ssh, *_OPTIONS, *self._connection_options(ssh, host), *host, shlex.join(PYTHON)]

    def reason(self, error: LostError) -> str:
        """Why there is no connection."""
        for said, words in _REASONS.items():
            if found := re.search(said, error.errors):
                host = shlex.join([*self._port, self._host])
                return words.format(ssh=f"ssh {host}", host=host, found=found[0].lower())
        return super().reason(error)

    def _connection_options(self, ssh: list[str], host: list[str]) -> list[str]:
        """Those by which one connection serves several programs that come one after another."""
        folder = _private_folder()
        if folder is None or _keeps_connections([*ssh, "-G", *host]):
            return []
        path = folder / hashlib.sha256(shlex.join([*ssh, *host]).encode()).hexdigest()[:16]
        if self.is_lost:
            path.unlink(missing_ok=True)  # it may lead nowhere any more
        return [
            *("-oControlMaster=auto", f"-oControlPath={path}"),
            f"-oControlPersist={_LEFT_OPEN}",
        ]


def _keeps_connections(command: list[str]) -> bool:
    """Whether the user's own settings say where connections to a host are kept."""
    try:
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=5,
            check=False,
            start_new_session=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return re.search(rb"(?m)^controlpath (?!none$)", said) is not None


def _private_folder() -> Path | None:
    """A folder that only this user can look into, with a short path, as sockets need one."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(runtime, "traintop") if runtime else Path(f"/tmp/traintop-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.geteuid()
    return folder if is_ours and not state.st_mode & 0o077 and len(str(folder)) < 60 else None
