"""What is known of the machine, the Python installation and the terminal."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

OPTIONAL_PARTS: Mapping[str, str] = MappingProxyType(
    {"pandas": "ExperimentAnalyzer.to_dataframe()"}
)
"""Packages that traintop does without, each with what needs it."""

_INOTIFY_LIMITS = Path("/proc/sys/fs/inotify")
_TMUX_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class InotifyFacts:
    """The kernel's limits for one user of watching files, and how much of them is used."""

    instances: int
    most_instances: int
    watches: int
    most_watches: int


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """The environment of the process that asks.

    ``requirements`` are as the package's metadata has them (``textual<9,>=8.2``), ``None`` when
    the package is not installed. ``versions`` has ``None`` for what is not installed.
    ``tmux_clipboard`` is the setting of that name, empty when it cannot be asked for.
    """

    python: str
    variables: Mapping[str, str]
    utf8_mode: bool
    requirements: tuple[str, ...] | None
    versions: Mapping[str, str | None]
    inotify: InotifyFacts | None
    tmux_clipboard: str = ""


def system_facts() -> SystemFacts:
    """Looks around."""
    requirements = _requirements()
    names = [requirement_name(requirement) for requirement in requirements or ()]
    return SystemFacts(
        python=platform.python_version(),
        variables=dict(os.environ),
        utf8_mode=bool(sys.flags.utf8_mode),
        requirements=requirements,
        versions={name: _version(name) for name in (*names, *OPTIONAL_PARTS)},
        inotify=_inotify(),
        tmux_clipboard=_tmux_clipboard() if os.environ.get("TMUX") else "",
    )


def requirement_name(requirement: str) -> str:
    """``textual`` of ``textual<9,>=8.2``."""
    length = next(
        (at for at, character in enumerate(requirement) if not _is_part_of_name(character)),
        len(requirement),
    )
    return requirement[:length]


def _is_part_of_name(character: str) -> bool:
    return character.isalnum() or character in "._-"


def _requirements() -> tuple[str, ...] | None:
    try:
        found = importlib.metadata.requires("traintop") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return tuple(requirement for requirement in found if ";" not in requirement)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _inotify() -> InotifyFacts | None:
    try:
        most_instances = int((_INOTIFY_LIMITS / "max_user_instances").read_text())
        most_watches = int((_INOTIFY_LIMITS / "max_user_watches").read_text())
    except (OSError, ValueError):
        return None  # not Linux
    instances = watches = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != os.getuid():
                continue
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) == "anon_inode:inotify":
                    instances += 1
                    details = (process / "fdinfo" / descriptor.name).read_text()
                    watches += details.count("inotify wd:")
        except OSError:
            continue  # it ended meanwhile, or does not let us look
    return InotifyFacts(instances, most_instances, watches, most_watches)


def _tmux_clipboard() -> str:
    command = ["tmux", "show-options", "-s", "-v", "set-clipboard"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_TMUX_PATIENCE_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
