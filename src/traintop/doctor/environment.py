"""Checks of the environment: the packages, and what the terminal can do."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement

from traintop.doctor.findings import Finding, Level
from traintop.terminal import draws_ascii_only


def check_environment(variables: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about this Python and about the terminal that these variables describe."""
    yield Finding("environment.python", Level.OK, f"Python {platform.python_version()}")
    # It is not known as a package where it runs from its source folder.
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
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


def check_packages(
    requirements: Sequence[Requirement], version_of: Callable[[str], str | None]
) -> Finding:
    """Whether the packages that traintop needs are there, in the versions that it needs.

    ``version_of`` gives ``None`` for a package that is not installed.
    """
    versions = {needed.name: version_of(needed.name) for needed in requirements}
    wrong = []
    for needed in requirements:
        version = versions[needed.name]
        if version is None:
            wrong.append(f"{needed.name} is missing")
        elif not needed.specifier.contains(version, prereleases=True):
            wrong.append(f"{needed.name} is {version}, but {needed.specifier} is required")
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


def _requirements() -> list[Requirement]:
    declared = map(Requirement, importlib.metadata.requires("traintop") or [])
    return [each for each in declared if not each.marker or each.marker.evaluate({"extra": ""})]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
