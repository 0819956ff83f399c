"""Numbers and settings as strict JSON can hold them, and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Number = int | float

NAME_SETTING = "experiment_name"
"""What a person calls the run: shown beside its settings, and no setting itself."""

_NOT_NESTED = frozenset({str, int, float, bool, type(None), list})
_NONFINITE_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST_EXACT_INTEGER = 2**63 - 1
_DEEPEST = 20
_LONGEST_TEXT = 300
_PLAIN = frozenset({int, float, bool, type(None)})


def as_number(value: object) -> Number | None:
    """The number that a JSON value means, ``None`` if it is no number.

    The strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"`` are numbers of this format.
    """
    if isinstance(value, float):
        # numpy.float64 is a float too, but no encoder of JSON takes it.
        return value if type(value) is float else float(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return int(value) if abs(value) <= _LARGEST_EXACT_INTEGER else _to_float(value)
    if isinstance(value, str):
        return _NONFINITE_NAMES.get(value)
    return None


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def finite_or_name(value: Number | None) -> Number | str | None:
    """A number as it is written: NaN and ±inf by name, so that the file stays strict JSON."""
    if value is None or isinstance(value, int) or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def flat_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with nested ones named by their path: ``optimizer.lr``; without the name.

    Lists and empty mappings are values. Where a dotted key is given beside the nested one that it
    spells, the dotted key counts.
    """
    if _NOT_NESTED.issuperset(map(type, config.values())):  # as most are, and there may be many
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
    if name in config or "." not in name:
        return config.get(name)
    value: Any = config
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def as_given(setting: Any, depth: int = 0) -> Any:
    """A setting as it was given: the names of NaN and ±inf become numbers again.

    The reverse of what :func:`jsonable` does to them, to the same depth.
    """
    if isinstance(setting, str):
        return _NONFINITE_NAMES.get(setting, setting)
    if isinstance(setting, dict) and depth <= _DEEPEST:
        return {
            name: item if type(item) in _PLAIN else as_given(item, depth + 1)
            for name, item in setting.items()
        }
    if isinstance(setting, list) and depth <= _DEEPEST:
        return [as_given(item, depth + 1) for item in setting]
    return setting


def short_text(value: object) -> str:
    """The first 300 characters of the text of any object, "" of ``None``; it never raises."""
    try:
        return str(jsonable("" if value is None else str(value)[:_LONGEST_TEXT]))
    except Exception:  # an object of the training loop may have a broken __str__
        return f"({type(value).__name__} without a text)"


def jsonable(value: object, depth: int = 0) -> Any:
    """A copy of a setting that JSON can hold; what it cannot hold becomes its ``str``.

    Mappings get string keys; sequences and sets become lists; numpy and torch scalars become
    numbers. Beyond 20 levels, and where ``str`` fails, there is a placeholder.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int):
        return int(value) if abs(value) <= _LARGEST_EXACT_INTEGER else str(int(value))
    if isinstance(value, float):
        return finite_or_name(float(value))
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {jsonable(str(key)): jsonable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item, depth + 1) for item in value]
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return jsonable(value.item(), depth + 1)
    try:
        return jsonable(str(value))
    except (
        Exception
    ):  # a foreign __str__ may raise anything, and a setting must not stop a training
        return f"<{type(value).__name__}>"
