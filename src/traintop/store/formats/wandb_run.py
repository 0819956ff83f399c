"""What a file of W&B says of its run beside the history: settings, facts, and how it ended."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import msgspec

from traintop.logfile import WrittenStatus
from traintop.store.formats.protobuf import fields, integer, message, text
from traintop.store.formats.wandb_records import item_of

LONGEST_METADATA = 64 * 1024
"""Bytes of a metadata file."""

_OUTPUT, _CONFIG, _RAW_OUTPUT, _RUN, _EXIT, _ENVIRONMENT = 4, 5, 13, 17, 18, 26  # of a Record
_RUN_FACTS = {2: "entity", 3: "project", 6: "group", 7: "job_type", 12: "sweep", 13: "host"}
_RUN_CONFIG, _RUN_NAME, _RUN_NOTES, _RUN_TAG = 4, 8, 9, 10
_RUN_START, _RUN_RUNTIME, _RUN_GIT = 17, 20, 21
_MACHINE_TEXTS = {2: "python", 6: "program", 11: "root", 12: "host", 13: "username", 18: "gpu"}
_MACHINE_ARGUMENT, _MACHINE_GIT, _MACHINE_GPUS = 5, 9, 19

_INTERRUPTED = 255
"""The exit code that W&B has for Ctrl-C."""

_MOST_SETTINGS, _MOST_TAGS, _MOST_GPUS = 1000, 100, 64
_MOST_SETTINGS_BYTES = 16 * 1024 * 1024
_KEPT_OUTPUT = 4096
_EXCEPTION = re.compile(r'^  File "[^\n]*\n(?:[ \t][^\n]*\n)*(\S[^\n]*)', re.MULTILINE)


class _Git(msgspec.Struct):
    commit: str | None = None


class Machine(msgspec.Struct):
    """What W&B notes of a process and its machine, as ``wandb-metadata.json`` names it."""

    host: str | None = None
    username: str | None = None
    root: str | None = None
    program: str | None = None
    args: list[str] = []
    python: str | None = None
    gpu: str | None = None
    gpu_count: int = 0
    git: _Git | None = None

    def facts(self) -> dict[str, Any]:
        """The same, as the files of traintop name it."""
        facts = {
            "host": self.host,
            "user": self.username,
            "command": shlex.join([self.program, *self.args]) if self.program else None,
            "directory": self.root,
            "python": self.python and self.python.removeprefix("CPython "),
            "gpus": [self.gpu] * min(self.gpu_count, _MOST_GPUS) if self.gpu else None,
            "git_commit": self.git and self.git.commit,
        }
        return {name: fact for name, fact in facts.items() if fact}


class RunFacts:
    """Gathers what the records of one file say, those of the history left out."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.name = ""
        self.notes = ""
        self.start: float | None = None
        """When the process began, in seconds since 1970."""
        self.machine: Machine | None = None
        self.end: float | None = None
        """When the run ended, if it did."""
        self._exit_code: int | None = None
        self._settings_bytes = 0
        self._runtime_before = 0  # seconds of the processes that it resumed
        self._known: dict[str, Any] = {}
        self._errors = ""  # the end of what went to the standard error

    def take(self, number: int, data: bytes) -> None:
        """Take a record, given the number of its kind. Raises ``ValueError`` for a wrong one."""
        if number in (_OUTPUT, _RAW_OUTPUT):
            known = dict(fields(data))
            if not known.get(1):
                self._errors = (self._errors + text(known.get(3, b"")))[-_KEPT_OUTPUT:]
        elif number == _CONFIG:
            self._take_settings(data)
        elif number == _RUN:
            self._take_run(data)
        elif number == _EXIT:
            known = dict(fields(data))
            if not known.get(3):  # else another process goes on with the run
                self._exit_code = integer(known.get(1, 0))
                runtime = integer(known.get(2, 0)) - self._runtime_before
                self.end = self.start and self.start + max(runtime, 0)
        elif number == _ENVIRONMENT:
            self._take_machine(data)

    def facts(self) -> dict[str, Any]:
        """Facts about the run, as the files of traintop name them."""
        return {**self._known, **(self.machine.facts() if self.machine else {})}

    def outcome(self) -> tuple[WrittenStatus, str]:
        """How the run ended, if it has, and by which error."""
        code = self._exit_code
        if code is None:
            return "running", ""
        if code == 0:
            return "finished", ""
        if code == _INTERRUPTED:
            return "interrupted", ""
        exceptions = _EXCEPTION.findall(self._errors)
        return "failed", exceptions[-1] if exceptions else f"exit code {code}"

    def _take_run(self, data: bytes) -> None:
        known = dict(fields(data))
        self.name, self.notes = text(known.get(_RUN_NAME, b"")), text(known.get(_RUN_NOTES, b""))
        self._known |= _texts(known, _RUN_FACTS)
        self._known |= _texts(dict(fields(message(known.get(_RUN_GIT, b"")))), {2: "git_commit"})
        tags = [text(tag) for number, tag in fields(data) if number == _RUN_TAG]
        if tags:
            self._known["tags"] = tags[:_MOST_TAGS]
        start = dict(fields(message(known.get(_RUN_START, b""))))
        if start:
            self.start = integer(start.get(1, 0)) + integer(start.get(2, 0)) / 1e9
        self._runtime_before = integer(known.get(_RUN_RUNTIME, 0))
        self._take_settings(message(known.get(_RUN_CONFIG, b"")))

    def _take_settings(self, data: bytes) -> None:
        self._settings_bytes += len(data)
        if self._settings_bytes > _MOST_SETTINGS_BYTES:
            return
        for number, item in fields(data):
            (*groups, name), value = item_of(message(item))
            settings = self.settings
            for group in groups:
                inner = settings.get(group)
                # A copy, for the one before may have been handed out.
                settings[group] = settings = dict(inner) if isinstance(inner, dict) else {}
            if number == 2:
                settings.pop(name, None)
            elif number == 1 and len(settings) < _MOST_SETTINGS:
                settings[name] = value
        self.settings.pop("_wandb", None)  # what W&B keeps for itself

    def _take_machine(self, data: bytes) -> None:
        known = dict(fields(data))
        found: dict[str, Any] = dict(_texts(known, _MACHINE_TEXTS))
        arguments = [text(word) for number, word in fields(data) if number == _MACHINE_ARGUMENT]
        if arguments:
            found["args"] = arguments
        if _MACHINE_GPUS in known:
            found["gpu_count"] = integer(known[_MACHINE_GPUS])
        if _MACHINE_GIT in known:
            commit = dict(fields(message(known[_MACHINE_GIT]))).get(2)
            found["git"] = _Git(text(commit)) if commit else None
        self.machine = msgspec.structs.replace(self.machine or Machine(), **found)


def _texts(known: Mapping[int, int | bytes], names: Mapping[int, str]) -> dict[str, str]:
    return {name: text(known[number]) for number, name in names.items() if known.get(number)}
