"""Checks of the environment: the packages, and what the terminal can do."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement

from traintop.doctor.findings import Finding, Level
from traintop.terminal import draws_ascii_only

_TMUX_TIMEOUT_SECONDS = 2.0


def check_environment(variables: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about this Python and about the terminal that these variables describe."""
    yield Finding("environment.python", Level.OK, f"Python {platform.python_version()}")
    yield check_packages(_requirements(), _version)
    if draws_ascii_only(variables):
        yield Finding(
            "environment.unicode",
            Level.NOTE,
            "the terminal or its locale has no Unicode: charts are drawn in ASCII",
            "for finer charts, in a terminal that has the symbols: export LANG=C.UTF-8",
        )
    else:
        yield Finding("environment.unicode", Level.OK, "Unicode")
    if "NO_COLOR" in variables:
        yield Finding(
            "environment.colours",
            Level.NOTE,
            "NO_COLOR is set: there are no colours, and runs differ by their markers",
            "nothing, or for colours: unset NO_COLOR",
        )
    if variables.get("TMUX"):
        yield _clipboard_in_tmux()


def check_packages(
    requirements: Sequence[Requirement] | None, version_of: Callable[[str], str | None]
) -> Finding:
    """Whether the packages that traintop needs are there, in the versions that it needs.

    ``requirements`` is ``None`` where they are unknown; ``version_of`` gives ``None`` for a package
    that is not installed.
    """
    if requirements is None:
        return Finding(
            "environment.packages",
            Level.NOTE,
            "traintop is not installed but imported from its source folder",
            "pip install -e . in that folder, so that the versions of what it needs are known",
        )
    versions = {needed.name: version_of(needed.name) for needed in requirements}
    wrong = []
    for needed in requirements:
        version = versions[needed.name]
        if version is None:
            wrong.append(f"{needed.name} is missing")
        elif not needed.specifier.contains(version, prereleases=True):
            wrong.append(f"{needed.name} is {version}, needed is {needed.specifier}")
    if wrong:
        return Finding(
            "environment.packages",
            Level.PROBLEM,
            "; ".join(wrong),
            "pip install --upgrade traintop, in an environment of its own if another package "
            "needs the older version",
        )
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Finding("environment.packages", Level.OK, found)


def _requirements() -> list[Requirement] | None:
    try:
        declared = importlib.metadata.requires("traintop") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    needed = map(Requirement, declared)
    return [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _clipboard_in_tmux() -> Finding:
    command = ["tmux", "show-options", "-s", "-v", "set-clipboard"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_TMUX_TIMEOUT_SECONDS, check=False
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        answer = ""
    if answer == "on":
        return Finding("environment.tmux", Level.OK, "tmux passes on what is copied")
    return Finding(
        "environment.tmux",
        Level.NOTE,
        "tmux does not pass on what programs copy to your terminal's clipboard",
        "to copy from traintop: tmux set -s set-clipboard on",
    )
