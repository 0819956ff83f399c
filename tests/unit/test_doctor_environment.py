"""What the doctor says of packages, the kernel's limits, and the terminal."""

from __future__ import annotations

import ctypes
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doctored_runs import LINUX_ONLY

from traintop.doctor import Level
from traintop.doctor.environment import check_environment, satisfies
from traintop.doctor.system import InotifyFacts, SystemFacts, system_facts

GOOD = SystemFacts(
    python="3.12.1",
    variables={"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "en_US.UTF-8"},
    utf8_mode=False,
    requirements=("textual<9,>=8.2", "watchdog<8,>=6"),
    versions={"textual": "8.2.8", "watchdog": "7.1.0", "pandas": "3.0"},
    inotify=InotifyFacts(instances=3, most_instances=128, watches=10, most_watches=10_000),
)


def environment_levels(facts: SystemFacts) -> dict[str, Level]:
    return {finding.check: finding.level for finding in check_environment(facts)}


def test_a_good_environment_is_ok() -> None:
    assert set(environment_levels(GOOD).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        ({"requirements": None}, "packages", Level.NOTE),
        ({"versions": {**GOOD.versions, "textual": "7.0"}}, "packages", Level.PROBLEM),
        ({"versions": {**GOOD.versions, "textual": None}}, "packages", Level.PROBLEM),
        ({"versions": {**GOOD.versions, "pandas": None}}, "pandas", Level.NOTE),
        ({"inotify": InotifyFacts(128, 128, 10, 10_000)}, "inotify", Level.NOTE),
        ({"inotify": InotifyFacts(1, 128, 9_999, 10_000)}, "inotify", Level.NOTE),
        ({"variables": {**GOOD.variables, "NO_COLOR": ""}}, "colours", Level.NOTE),
        ({"variables": {"TERM": "dumb"}}, "colours", Level.NOTE),
        ({"variables": {}}, "colours", Level.NOTE),
        ({"variables": {"TERM": "xterm"}}, "colours", Level.NOTE),
        ({"variables": {"TERM": "tmux-256color"}}, "colours", Level.OK),
        ({"variables": {**GOOD.variables, "LC_ALL": "C"}}, "unicode", Level.NOTE),
        ({"variables": {**GOOD.variables, "SSH_CONNECTION": "a b c d"}}, "ssh", Level.OK),
        ({"variables": {**GOOD.variables, "TMUX": "/tmp/t"}}, "tmux", Level.NOTE),
        (
            {"variables": {**GOOD.variables, "TMUX": "/tmp/t"}, "tmux_clipboard": "on"},
            "tmux",
            Level.OK,
        ),
    ],
)
def test_what_the_environment_lacks_is_found(
    changes: dict[str, Any], check: str, level: Level
) -> None:
    levels = environment_levels(replace(GOOD, **changes))
    assert levels[f"environment.{check}"] is level


@pytest.mark.parametrize(
    ("version", "requirement", "expected"),
    [
        ("8.2.8", "textual<9,>=8.2", True),
        ("8.2", "textual<9,>=8.2", True),
        ("8.1.9", "textual<9,>=8.2", False),
        ("9.0.0", "textual<9,>=8.2", False),
        ("10.1", "textual<9,>=8.2", False),
        ("5.3.2", "plotext<7,>=6.1", False),
        ("1.0", "anything", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, requirement: str, expected: bool) -> None:
    assert satisfies(version, requirement) is expected


def test_the_installed_packages_are_the_ones_that_are_needed() -> None:
    facts = system_facts()
    assert environment_levels(facts)["environment.packages"] is Level.OK
    assert facts.requirements is not None
    assert any(requirement.startswith("textual") for requirement in facts.requirements)
    assert not any("pytest" in requirement for requirement in facts.requirements)


@LINUX_ONLY
def test_inotify_use_is_counted(tmp_path: Path) -> None:
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init()
    try:
        assert libc.inotify_add_watch(descriptor, os.fsencode(tmp_path), 0x100) > 0
        facts = system_facts().inotify
    finally:
        os.close(descriptor)
    assert facts is not None
    assert 1 <= facts.instances <= facts.most_instances
    assert 1 <= facts.watches <= facts.most_watches
