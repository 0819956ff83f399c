"""The settings of runs side by side: flattened, and only those that differ."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

NAME_SETTING = "experiment_name"
"""What a person calls the run: told beside its settings, and no setting itself."""

_SEED = re.compile(r"(^|[._])seed$", re.IGNORECASE)


class Absent:
    """Stands for a setting that a run does not have, which is not the setting ``None``."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


def flat_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with nested ones named by their path: ``optimizer.lr``; without the name.

    Lists and empty mappings are values. Where a dotted key stands beside the nested one that it
    spells, the dotted key counts.
    """
    flat: dict[str, Any] = {}
    # A stack of its own: settings may nest deeper than Python calls.
    waiting = [(name, value, False) for name, value in reversed(list(config.items()))]
    while waiting:
        name, value, nested = waiting.pop()
        if isinstance(value, Mapping) and value:
            inner = reversed(list(value.items()))
            waiting += [(f"{name}.{key}", item, True) for key, item in inner]
        elif not (nested and name in config):
            flat[name] = value
    flat.pop(NAME_SETTING, None)
    return flat


def is_seed(name: str) -> bool:
    """Whether a setting is a seed: ``seed``, ``data.seed``, ``numpy_seed``."""
    return _SEED.search(name) is not None


def settings_key(value: object) -> bytes:
    """Equal for two settings exactly when they are the same: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, Absent):
        return b""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, RecursionError):
        return repr(value).encode("utf-8", "replace")


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of flat settings that are not the same in all of ``settings``, in their order."""
    names = dict.fromkeys(name for one in settings for name in one)
    return [
        name for name in names if len({settings_key(one.get(name, ABSENT)) for one in settings}) > 1
    ]
