"""Settings in YAML files, as the tools that train write them: whatever they hold, it is only read.

Tools dump objects of Python too. Of these, what is plain is taken (the attributes of a namespace,
a tuple, the name of a function); nothing is ever made or called.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

from traintop.text import counted, safe_text
from traintop.values import jsonable

LARGEST_SETTINGS = 256 * 1024
"""Bytes of a file that is read: some thousand settings."""

_MOST_VALUES = 10_000
_DEEPEST = 20
_SHOWN = 3
_TAGS = "tag:yaml.org,2002:"
_NAMES = ("python/name:", "python/module:")


class _Object(str):
    """The kind of an object, in its place: it cannot be read without calling something."""


def yaml_settings(data: bytes) -> tuple[dict[str, Any], str]:
    """The settings, and which of them are not read, in words; empty for none.

    Raises ``ValueError`` when there are none, with the reason as words that follow the file's name.
    """
    import yaml

    if len(data) > LARGEST_SETTINGS:
        raise ValueError(f"has over {LARGEST_SETTINGS // 1024} KiB")
    try:
        found = yaml.load(data, _loader())
        left_out: dict[str, str] = {}
        plain = _plain(found, "", left_out, itertools.count())
    except yaml.YAMLError as error:
        line = f" at line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else ""
        reason = getattr(error, "problem", None) or "holds characters that are not allowed"
        raise ValueError(f"is not YAML: {reason}{line}") from None
    except Exception as error:  # what a date of month 13 raises is nowhere said
        raise ValueError(f"cannot be read: {error}") from None
    if found is not None and not isinstance(plain, dict):
        raise ValueError("holds no settings")
    words = [f"{safe_text(name, 40)} ({safe_text(kind, 60)})" for name, kind in left_out.items()]
    more = [counted(len(words) - _SHOWN, "more setting")] if len(words) > _SHOWN else []
    return plain or {}, ", ".join((*words[:_SHOWN], *more))


def _plain(value: object, path: str, left_out: dict[str, str], count: Iterator[int]) -> Any:
    """A copy that JSON can hold, of so many values at most: an alias may stand for millions."""
    if next(count) > _MOST_VALUES or path.count("\0") > _DEEPEST:
        raise ValueError(f"more than {_MOST_VALUES:,} settings, or {_DEEPEST} levels of them")
    if isinstance(value, list):
        return [_plain(item, f"{path}\0", left_out, count) for item in value]
    if not isinstance(value, dict):
        return jsonable(value)
    plain = {}
    for key, item in value.items():
        if isinstance(item, _Object):
            left_out[f"{path}{key}".replace("\0", ".")] = item
        else:
            plain[str(key)] = _plain(item, f"{path}{key}\0", left_out, count)
    return plain


@functools.cache
def _loader() -> Any:
    """PyYAML's safe loader, in C where it is there, which takes what is plain of any object."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            """Leave a merge as a key: of a few lines it could make millions of settings."""

    def construct(loader: Any, node: yaml.Node) -> object:
        kind = node.tag.removeprefix(_TAGS)
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            items = loader.construct_sequence(node, deep=True)
            return items if kind == "python/tuple" else _Object(kind)
        if kind.startswith(_NAMES):
            return kind.partition(":")[2]
        is_text = kind in ("merge", "python/str", "python/unicode")
        return loader.construct_scalar(node) if is_text else _Object(kind)

    Loader.add_constructor(None, construct)
    return Loader
