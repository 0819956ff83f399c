"""The settings of runs side by side: flattened, and only those that differ."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import msgspec

from traintop.model import RunSummary
from traintop.text import MISSING, number, safe_text
from traintop.values import finite_or_name

NAME_SETTING = "experiment_name"
"""What a person calls the run: told beside its settings, and no setting itself."""

_PLAIN = frozenset({str, int, float, bool, NoneType, list})
"""The types that settings from JSON have, where none is nested."""

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
    if _PLAIN.issuperset(map(type, config.values())):  # as most are, and there may be thousands
        return {name: value for name, value in config.items() if name != NAME_SETTING}
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


def setting_of(config: Mapping[str, Any], name: str) -> Any:
    """A setting by its name, in which dots lead into nested ones; ``None`` where it is missing."""
    if name in config:
        return config[name]
    value: Any = config
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def is_seed(name: str) -> bool:
    """Whether a setting is a seed: ``seed``, ``data.seed``, ``numpy_seed``."""
    return _SEED.search(name) is not None


def settings_key(value: object) -> bytes:
    """Equal for two settings exactly when they are the same: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, Absent):
        return b""
    try:
        return msgspec.json.encode(_comparable(value), order="deterministic")
    except (TypeError, ValueError, RecursionError):
        return repr(value).encode("utf-8", "replace")


def _comparable(value: object) -> object:
    """A setting in which equal numbers are alike; JSON has no NaN and ±inf, so their names."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else finite_or_name(value)
    if isinstance(value, list):
        return list(map(_comparable, value))
    if isinstance(value, Mapping):
        return {name: _comparable(item) for name, item in value.items()}
    return value


def setting_cell(value: object) -> object:
    """A setting for a cell of CSV: numbers and text as they are, all else as JSON."""
    if isinstance(value, Absent):
        return None
    if isinstance(value, (str, int, float)):
        return value
    return setting_text(value, limit=sys.maxsize - 1)


def setting_text(value: object, limit: int = 200) -> str:
    """A setting as one line: text bare, numbers as short as they are told, else as JSON."""
    if isinstance(value, Absent):
        return MISSING
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, str):
        return safe_text(value, limit)
    import json  # here, for `traintop list` does without

    try:
        return safe_text(json.dumps(value, ensure_ascii=False), limit)
    except (TypeError, ValueError, RecursionError):
        return safe_text(value, limit)


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of flat settings that are not the same in all of ``settings``, in their order."""
    names: dict[str, None] = {}
    for one in settings:
        names.update(dict.fromkeys(one))
    return [name for name in names if _differs([one.get(name, ABSENT) for one in settings])]


def _differs(values: Sequence[object]) -> bool:
    first = values[0]
    kind, key = type(first), settings_key(first)
    if kind in (int, float, str):  # as most are, and there may be thousands
        values = [value for value in values if type(value) is not kind or value != first]
    return any(settings_key(value) != key for value in values)


def differing_settings(runs: Sequence[RunSummary]) -> list[str]:
    """The settings that are not the same in all runs, in the order in which they are written.

    Nested ones are named by their path: ``optimizer.lr``.
    """
    return differing([flat_settings(run.config) for run in runs])


def telling_settings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of flat settings that differ, those first that tell most about which is which.

    That is the entropy of a setting's values. A setting that splits the runs just as an earlier
    one does tells nothing new, as the least learning rate that is a tenth of the greatest; such
    settings come after the others, and seeds come last.
    """
    splits = {name: _split(settings, name) for name in differing(settings)}
    by_entropy = sorted(splits, key=lambda name: -_entropy(splits[name]))
    seen: set[tuple[int, ...]] = set()
    rank = {}
    for name in by_entropy:
        rank[name] = 2 if is_seed(name) else int(splits[name] in seen)
        seen.add(splits[name])
    return sorted(by_entropy, key=lambda name: rank[name])


def _split(settings: Sequence[Mapping[str, Any]], name: str) -> tuple[int, ...]:
    """For each of ``settings`` the first one that has the same value."""
    keys = [settings_key(one.get(name, ABSENT)) for one in settings]
    return tuple(map(keys.index, keys))


def _entropy(split: Sequence[int]) -> float:
    shares = [count / len(split) for count in Counter(split).values()]
    return -sum(share * math.log(share) for share in shares)
