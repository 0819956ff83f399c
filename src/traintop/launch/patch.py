"""What was changed of a command's code since its last commit, as a patch."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from traintop.atomic_file import write_atomically
from traintop.store.sidecars import PATCH, make_folder, sidecar_of

LARGEST_BYTES = 1_000_000

_SECONDS = 5.0
_SECRETS = (
    *(".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", ".netrc", "_netrc", ".pgpass"),
    *(".npmrc", ".pypirc", ".git-credentials", ".htpasswd", ".dockercfg", "kaggle.json"),
    *("*credential*", "*secret*", "*passwd*", "*password*", "*service_account*", "*apikey*"),
    *("*api_key*", ".aws", ".ssh", ".gnupg", ".kube", "auth.json", "*.tfvars", "*.ppk"),
    # Not *token*, for what makes tokens of text is called so.
    *("token", "token.*", "*[_-]token", "*[_-]token.txt", "*.token"),
)
"""Names of files and folders that may hold what nobody should read, in any case."""

_DIFF = (
    # Nothing that the repository says is executed, and no program is asked for a difference.
    *("git", "--no-optional-locks", "-c", "core.fsmonitor=false", "diff", "HEAD"),
    *("--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--no-relative"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=dirty", "--", ":/"),
    *(f":(top,exclude,icase,glob)**/{name}" for name in _SECRETS),
    *(f":(top,exclude,icase,glob)**/{name}/**" for name in _SECRETS),
)
_FILE = b"\ndiff --git "


class Patch:
    """What ``git diff HEAD`` says in a directory, found out beside whatever else happens.

    Files that are not under version control, and those with names of secrets, are left out. It is
    empty where there is no repository, or where that takes longer than some seconds.
    """

    def __init__(self) -> None:
        self._patch = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def text(self) -> bytes:
        """Waits until it is known, for some seconds at most."""
        self._thread.join(2 * _SECONDS)
        return self._patch

    def _run(self) -> None:
        with suppress(OSError):
            self._patch = _difference()


def write_patch(run: Path, patch: bytes) -> None:
    """Put a patch, unless it is empty, beside a run's file. Raises ``OSError``."""
    if patch:
        make_folder(run.parent)
        write_atomically(sidecar_of(run, PATCH), patch)


def _difference() -> bytes:
    environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    with subprocess.Popen(
        _DIFF,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    ) as git:
        assert git.stdout is not None
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            with suppress(ProcessLookupError):
                os.killpg(git.pid, signal.SIGKILL)  # and the filters that it runs

        timer = threading.Timer(_SECONDS, stop)
        timer.daemon = True
        timer.start()
        try:
            patch = git.stdout.read(LARGEST_BYTES + 1)
            is_whole = len(patch) <= LARGEST_BYTES
            if not is_whole:
                stop()
        finally:
            timer.cancel()
    if is_whole and (is_late.is_set() or git.returncode):
        return b""
    return patch if is_whole else _cut(patch)


def _cut(patch: bytes) -> bytes:
    """The changes of as many whole files as fit, and that others are left out."""
    note = b"\n# traintop: the changes of further files are left out, for they are too long\n"
    return patch[: max(patch.rfind(_FILE, 0, LARGEST_BYTES - len(note)), 0)] + note
