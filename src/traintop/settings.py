"""The settings file: what a person wants of the terminal UI, wherever they watch.

It is TOML, and everything in it is optional. What is wrong in it is told, with the file, the key
and what would be right, and all the rest applies. It holds plain values only; nothing in it is
ever executed.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from traintop.text import safe_text

_LARGEST_FILE = 1_000_000
_LONGEST_PATH = 1000

THEMES = ("dark", "light")

DEFAULT_FILE = """\
# The settings of traintop's terminal UI. Everything is optional; these are the defaults.

# theme = "dark"             # "dark" or "light"; ctrl+t changes it for a directory
# smoothing = 0.0            # weight of the moving average, from 0 (none) up to, not with, 1
# bell = false               # ring the terminal's bell at a notice
# desktop_notices = false    # hand notices to the desktop (OSC 9 and 777; not every terminal)

# [keys]                     # a key of your own for an action; these are named in the help
# mark = "i"                 # several: "i,insert"; a comma is written as "comma"
"""


class Settings(msgspec.Struct, frozen=True):
    """What the file says; ``None`` where it leaves the choice to the program.

    ``theme`` is one of ``THEMES``, ``smoothing`` the weight of the moving average at the start,
    and ``keys`` has the wanted keys of actions by the names of the table of keys.
    """

    theme: str | None = None
    smoothing: float | None = None
    bell: bool = False
    desktop_notices: bool = False
    keys: Mapping[str, str] = msgspec.field(default_factory=dict)


DEFAULTS = Settings()


class _Rule(msgspec.Struct, frozen=True):
    accepts: Callable[[Any], bool]
    allowed: str


def _is_smoothing(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


def _is_keys(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(keys, str) for keys in value.values())


_SWITCH = _Rule(lambda value: isinstance(value, bool), "true or false")
_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "theme": _Rule(lambda value: value in THEMES, '"dark" or "light"'),
        "smoothing": _Rule(_is_smoothing, "a number from 0 up to, but not, 1"),
        "bell": _SWITCH,
        "desktop_notices": _SWITCH,
        "keys": _Rule(_is_keys, 'a table of texts, as in mark = "m"'),
    }
)


def settings_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the settings file is: ``$TRAINTOP_CONFIG``, else in the user's config folder."""
    environment = os.environ if environment is None else environment
    if environment.get("TRAINTOP_CONFIG"):
        return Path(environment["TRAINTOP_CONFIG"])
    from platformdirs import user_config_path

    return user_config_path("traintop", appauthor=False) / "settings.toml"


def load_settings(path: Path) -> tuple[Settings, tuple[str, ...]]:
    """The settings in a file, and what is wrong with it, in words that name it. Never raises.

    A file that does not exist means the defaults.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        return Settings(), ()
    except (OSError, ValueError) as error:
        return Settings(), (_problem(path, f"cannot be read: {error}"),)
    settings, problems = parse_settings(data)
    return settings, tuple(_problem(path, problem) for problem in problems)


def parse_settings(data: bytes) -> tuple[Settings, tuple[str, ...]]:
    """The settings in a file's content, and what is wrong with it. Never raises."""
    if len(data) > _LARGEST_FILE:
        return Settings(), ("is too large for a settings file",)
    import tomllib  # few people have settings, and all wait for the first frame

    try:
        found = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        return Settings(), (f"is not TOML: {error or 'nested too deep'}",)
    accepted: dict[str, Any] = {}
    problems = []
    for name, value in found.items():
        rule = _RULES.get(name)
        if rule is None:
            problems.append(f"{name}: unknown; {_closest(name, _RULES)}")
        elif not rule.accepts(value):
            problems.append(f"{name} = {value!r}: must be {rule.allowed}")
        else:
            accepted[name] = value
    return Settings(**accepted), tuple(problems)


def _closest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"


def _problem(path: Path, words: str) -> str:
    return f"{safe_text(path, _LONGEST_PATH)} {safe_text(words)}"
