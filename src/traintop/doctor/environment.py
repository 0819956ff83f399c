"""Checks of the environment: packages, kernel limits, and what the terminal can do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from traintop.doctor.findings import Finding, Level
from traintop.doctor.system import OPTIONAL_PARTS, InotifyFacts, SystemFacts, requirement_name
from traintop.terminal import draws_ascii_only
from traintop.text import safe_text

_NEARLY_ALL = 0.9
_BOUND = re.compile(r"(>=|<)\s*([\d.]+)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_COLOURLESS_TERMINALS = ("", "dumb", "vt100", "vt102", "vt220")


def check_environment(facts: SystemFacts) -> Iterator[Finding]:
    """The findings about the environment."""
    yield Finding("environment.python", Level.OK, f"Python {facts.python}")
    yield from _packages(facts)
    for package, use in OPTIONAL_PARTS.items():
        yield _optional(package, use, facts.versions.get(package))
    if facts.inotify is not None:
        yield _watching(facts.inotify)
    yield _colours(facts.variables)
    yield _symbols(facts)
    yield from _connection(facts)


def _packages(facts: SystemFacts) -> Iterator[Finding]:
    if facts.requirements is None:
        yield Finding(
            "environment.packages",
            Level.NOTE,
            "traintop is not installed but imported from its source folder",
            "pip install -e . in that folder, so that the versions of what it needs are known",
        )
        return
    wrong = []
    for requirement in facts.requirements:
        version = facts.versions.get(requirement_name(requirement))
        if version is None:
            wrong.append(f"{requirement_name(requirement)} is missing")
        elif not satisfies(version, requirement):
            wrong.append(f"{requirement_name(requirement)} is {version}, needed is {requirement}")
    if wrong:
        yield Finding(
            "environment.packages",
            Level.PROBLEM,
            "; ".join(wrong),
            "pip install --upgrade traintop, in an environment of its own if another package "
            "needs the older version",
        )
        return
    names = map(requirement_name, facts.requirements)
    listed = ", ".join(f"{name} {facts.versions[name]}" for name in names)
    yield Finding("environment.packages", Level.OK, listed)


def satisfies(version: str, requirement: str) -> bool:
    """Whether a version is within the lower and the upper bound of a requirement."""
    release = _release(version)
    return all(
        release >= _release(bound) if operator == ">=" else release < _release(bound)
        for operator, bound in _BOUND.findall(requirement)
    )


def _release(version: str) -> tuple[int, ...]:
    """``(8, 2)`` of ``8.2.0rc1``: trailing zeros mean nothing."""
    found = _RELEASE.match(version)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _optional(package: str, use: str, version: str | None) -> Finding:
    check = f"environment.{package}"
    if version is not None:
        return Finding(check, Level.OK, f"{package} {version}")
    return Finding(
        check,
        Level.NOTE,
        f"{package} is not installed; only {use} needs it",
        f"pip install {package}, if you want that",
    )


def _watching(inotify: InotifyFacts) -> Finding:
    limits = (
        ("instances", inotify.instances, inotify.most_instances),
        ("watches", inotify.watches, inotify.most_watches),
    )
    for name, used, most in limits:
        if used >= most * _NEARLY_ALL:
            return Finding(
                "environment.inotify",
                Level.NOTE,
                f"{used:,} of your {most:,} inotify {name} are in use: without one, runs are "
                "polled every 2 s",
                f"nothing, or raise the limit: sudo sysctl fs.inotify.max_user_{name}={most * 4}",
            )
    uses = ", ".join(f"{used:,} of {most:,} {name}" for name, used, most in limits)
    return Finding("environment.inotify", Level.OK, f"inotify {uses}")


def _colours(variables: Mapping[str, str]) -> Finding:
    terminal = variables.get("TERM", "")
    shown = safe_text(terminal, 40) or "not set"
    if "NO_COLOR" in variables:
        return Finding(
            "environment.colours",
            Level.NOTE,
            "NO_COLOR is set: no colours; runs are told apart by markers",
            "nothing, or for colours: unset NO_COLOR",
        )
    if terminal in _COLOURLESS_TERMINALS:
        return Finding(
            "environment.colours",
            Level.NOTE,
            f"TERM is {shown}: this is no terminal with colours",
            "run traintop in a terminal; over SSH with a command, use: ssh -t HOST traintop",
        )
    if variables.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Finding("environment.colours", Level.OK, f"true colour ({shown})")
    if terminal.rpartition("-")[2] in ("256color", "kitty"):  # as Rich, below Textual, judges
        return Finding("environment.colours", Level.OK, f"256 colours ({shown})")
    return Finding(
        "environment.colours",
        Level.NOTE,
        f"TERM is {shown}: it promises few colours",
        "if the terminal can do more: export COLORTERM=truecolor"
        + (", and in tmux: set -g default-terminal tmux-256color" if "TMUX" in variables else ""),
    )


def _symbols(facts: SystemFacts) -> Finding:
    if not draws_ascii_only(facts.variables, utf8_mode=facts.utf8_mode):
        return Finding("environment.unicode", Level.OK, "Unicode")
    return Finding(
        "environment.unicode",
        Level.NOTE,
        "the terminal or its locale has no Unicode: charts are drawn in ASCII",
        "for finer charts, in a terminal that has the symbols: export LANG=C.UTF-8",
    )


def _connection(facts: SystemFacts) -> Iterator[Finding]:
    if facts.variables.get("SSH_CONNECTION") or facts.variables.get("SSH_TTY"):
        yield Finding("environment.ssh", Level.OK, "over SSH, without animations")
    if not facts.variables.get("TMUX"):
        return
    if facts.tmux_clipboard == "on":
        yield Finding("environment.tmux", Level.OK, "tmux passes the clipboard on")
    else:
        yield Finding(
            "environment.tmux",
            Level.NOTE,
            "tmux keeps what programs copy from the clipboard of your terminal",
            "to copy text out of it: tmux set -s set-clipboard on",
        )
