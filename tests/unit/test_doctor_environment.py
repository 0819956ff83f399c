"""What the doctor says of the packages and the terminal."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from traintop.doctor import Level
from traintop.doctor.environment import check_environment, check_packages

MODERN = {"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}


def levels(variables: dict[str, str]) -> dict[str, Level]:
    return {finding.check: finding.level for finding in check_environment(variables)}


def test_this_environment_is_in_order() -> None:
    assert set(levels(MODERN).values()) == {Level.OK}


def test_only_what_the_program_itself_needs_is_checked() -> None:
    [packages] = [f for f in check_environment(MODERN) if f.check == "environment.packages"]
    assert "textual 8." in packages.what
    assert "pytest" not in packages.what


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"NO_COLOR": ""}, "environment.colours"),
        ({"TERM": "dumb"}, "environment.unicode"),
        ({"LC_ALL": "C"}, "environment.unicode"),
    ],
)
def test_what_the_terminal_lacks_is_noted(changes: dict[str, str], check: str) -> None:
    assert levels(MODERN | changes)[check] is Level.NOTE


@pytest.mark.parametrize(
    ("version", "level"),
    [("8.2.8", Level.OK), ("8.3rc1", Level.OK), ("8.1.9", Level.PROBLEM), (None, Level.PROBLEM)],
)
def test_the_versions_of_packages_are_compared(version: str | None, level: Level) -> None:
    finding = check_packages([Requirement("textual<9,>=8.2")], lambda name: version)
    assert finding.level is level
    assert f"textual {version}" in finding.what or level is Level.PROBLEM
