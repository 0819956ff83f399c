"""The settings of runs side by side: flattened, and only those that differ."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from traintop.model import RunSummary
from traintop.text import MISSING, Default, setting_text
from traintop.values import finite_or_name, flat_settings

_SEED = re.compile(r"(^|[._])seed$", re.IGNORECASE)

DEFAULT = "default"
"""What is said of a setting that nobody gave."""

PROCESS_FACTS = frozenset(
    {
        *("format", "machine", "boot", "pid_namespace", "pid_started", "git_dirty"),
        *("utc_offset", "given"),
    }
)
"""Of the facts about a run, those that identify its process for the program, and no person."""

_FEW_RUNS = 8
"""Of so many runs each may well have an optimizer of its own."""


class Absent:
    """Stands for a setting that a run does not have, which is not the setting ``None``."""

    def __repr__(self) -> str:
        return MISSING


ABSENT = Absent()


def run_settings(run: RunSummary) -> dict[str, Any]:
    """The flat settings of a run; those that nobody gave are each a ``Default``."""
    flat = flat_settings(run.config)
    if run.given_names is None:
        return flat
    known = flat_settings(run.given)
    return {name: value if name in known else Default(value) for name, value in flat.items()}


def settings_with_asides(run: RunSummary) -> list[tuple[str, object, str]]:
    """The flat settings of a run, those that a person gave first, each with what is to be said.

    That is "default", or "0.1 at the start", or nothing.
    """
    flat, given = flat_settings(run.config), flat_settings(run.given)
    before = flat_settings(run.changed)
    asides = {name: DEFAULT for name in flat if name not in given}
    for name in (name for name in flat if name in before):
        was = before[name]
        asides[name] = "set later" if was is None else f"{setting_text(was)} at the start"
    settings = [(name, value, asides.get(name, "")) for name, value in flat.items()]
    return sorted(settings, key=lambda setting: setting[2] == DEFAULT)


def is_seed(name: str) -> bool:
    """Whether a setting is a seed: ``seed``, ``data.seed``, ``numpy_seed``."""
    return _SEED.search(name) is not None


def settings_key(value: object) -> bytes:
    """Equal for two settings exactly when they are the same: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, Absent):
        return b""
    if isinstance(value, Default):
        value = value.value
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
    if isinstance(value, Default):
        value = value.value
    if isinstance(value, (str, int, float)):
        return value
    return setting_text(value, limit=sys.maxsize - 1)


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


def distinctive_settings(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of flat settings that differ, those first that best distinguish the runs.

    They are ordered by the entropy of their values, numbers before texts. A setting that splits the
    runs just as an earlier one does adds nothing, as the least learning rate that is a tenth of the
    greatest, and neither does a text that each of many runs has for itself, as the directory of
    its checkpoints; such settings come after the others, and seeds come last.
    """
    splits = {name: _split(settings, name) for name in differing(settings)}
    texts = {name for name in splits if any(isinstance(one.get(name), str) for one in settings)}
    by_entropy = sorted(splits, key=lambda name: (-_entropy(splits[name]), name in texts))
    seen: set[tuple[int, ...]] = set()
    rank = {}
    for name in by_entropy:
        is_another_name = name in texts and len(set(splits[name])) == len(settings) > _FEW_RUNS
        rank[name] = 2 if is_seed(name) else int(is_another_name or splits[name] in seen)
        if not is_seed(name):  # each run has another one, as it has of a setting that is drawn
            seen.add(splits[name])
    return sorted(by_entropy, key=lambda name: rank[name])


def _split(settings: Sequence[Mapping[str, Any]], name: str) -> tuple[int, ...]:
    """For each of ``settings`` the first one that has the same value."""
    firsts: dict[bytes, int] = {}
    keys = (settings_key(one.get(name, ABSENT)) for one in settings)
    return tuple(firsts.setdefault(key, place) for place, key in enumerate(keys))


def _entropy(split: Sequence[int]) -> float:
    shares = [count / len(split) for count in Counter(split).values()]
    return -sum(share * math.log(share) for share in shares)
