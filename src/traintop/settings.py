"""The settings file: what a person wants of the terminal UI, wherever they watch.

It is TOML, and everything in it is optional. A mistake in it is reported with the file, the key and
what would be right, and everything else applies. It holds plain values. Nothing in it is
executed but what its rules name, and it is never read from a log directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from traintop.direction import Direction
from traintop.rule import Rule
from traintop.text import safe_text, suggestions

_LARGEST_FILE = 1_000_000
_LONGEST_PATH = 1000

DEFAULT_FILE = """\
# The settings of traintop's terminal UI. Everything is optional; these are the defaults.

# theme = "dark"             # "dark" or "light"; ctrl+t changes it for a directory
# smoothing = 0.0            # weight of the moving average, from 0 (none) to below 1
# bell = false               # ring the terminal's bell at a notice
# desktop_notices = false    # hand notices to the desktop (OSC 9 and 777; not every terminal)

# bucket_seconds = 30        # between two looks at what is in a bucket; a look costs a request

# notify_urls = []           # where notices go as well: Apprise URLs, with traintop[notify]

# [roots]                    # names of roots that are watched together: traintop @lab
# lab = ["ssh://gpu01/runs", "ssh://gpu02/runs", "s3://lab/runs"]

# [directions]               # which values of a metric are better, where its name does not say
# alpha = "lower"            # "lower" or "higher"

# [keys]                     # a key of your own for an action; these are named in the help
# mark = "i"                 # several: "i,insert"; a comma is written as "comma"

# [[rules]]                  # what is done when something is so of a run; as many as you like
# when = "train_loss == nan or gpu/mean/utilization < 10"     # as in a filter
# for = "5m"                 # how long it must have been so
# do = ["notify", "exec: ./stop.sh", "signal: SIGUSR1"]
"""


# @latest and @best are runs, wherever roots and runs may stand.
_Root = Annotated[str, Meta(pattern=r"^[^@]")]
_RootsName = Annotated[str, Meta(pattern=r"^(?!(latest|best)$)[\w.-]+$")]


class Settings(msgspec.Struct, frozen=True):
    """What the file says; without a ``theme`` where it leaves the choice to the program.

    Each setting has the words for what would be right, for those who wrote something else.
    ``smoothing`` is the weight of the moving average at the start, ``directions`` says which values
    of metrics are better, and ``keys`` has the wanted keys of actions by the names of the table of
    keys. ``notify_urls`` are where notices go besides the terminal, for Apprise. ``bucket_seconds``
    are between two looks at what is in a bucket. ``roots`` are watched together under a name: see
    :func:`expanded_roots`.
    """

    theme: Annotated[Literal["dark", "light"] | None, Meta(description='"dark" or "light"')] = None
    smoothing: Annotated[float, Meta(ge=0, lt=1, description="a number from 0 to below 1")] = 0.0
    bell: Annotated[bool, Meta(description="true or false")] = False
    desktop_notices: Annotated[bool, Meta(description="true or false")] = False
    directions: Annotated[
        Mapping[str, Direction],
        Meta(description='"lower" or "higher" under [directions], as in alpha = "lower"'),
    ] = {}
    keys: Annotated[
        Mapping[str, str], Meta(description='a text under [keys], as in mark = "m"')
    ] = {}
    notify_urls: Annotated[
        tuple[str, ...], Meta(description='a list of URLs, as in ["ntfys://my-topic"]')
    ] = ()
    bucket_seconds: Annotated[
        float, Meta(ge=1, le=86_400, description="a number of seconds from 1 to 86400")
    ] = 30
    rules: Annotated[tuple[Rule, ...], Meta(description="tables, each under [[rules]]")] = ()
    roots: Annotated[
        Mapping[_RootsName, Annotated[tuple[_Root, ...], Meta(min_length=1)]],
        Meta(
            description='a list of roots under [roots], as in lab = ["ssh://gpu01/runs", '
            '"s3://lab/runs"], by a word that is neither latest nor best; none is another name'
        ),
    ] = {}


DEFAULTS = Settings()


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


def expanded_roots(given: Iterable[str]) -> tuple[str, ...]:
    """Roots, each once; ``@lab`` stands for those of that name in the settings file.

    Raises ``ValueError`` for a name that is not there.
    """
    roots: dict[str, None] = {}
    for root in given:
        roots |= dict.fromkeys(_roots_named(root[1:]) if root.startswith("@") else [root])
    return (*roots,)


def _roots_named(name: str) -> Iterable[str]:
    path = settings_path()
    settings, problems = load_settings(path)
    if name in settings.roots:
        return map(os.path.expanduser, settings.roots[name])
    known = ", ".join(f"@{one}" for one in settings.roots)
    has = f"has {known} under [roots], and" if known else "has"
    no_such = f'no @{name}; it would be [roots] with {name} = ["ssh://gpu01/runs", "./logs"]'
    raise ValueError("; ".join((_problem(path, f"{has} {no_such}"), *problems[:1])))


def parse_settings(data: bytes) -> tuple[Settings, tuple[str, ...]]:
    """The settings in a file's content, and what is wrong with it. Never raises."""
    if len(data) > _LARGEST_FILE:
        return Settings(), ("is too large for a settings file",)
    try:
        document = msgspec.toml.decode(data)
    except (ValueError, RecursionError) as error:
        return Settings(), (f"is not TOML: {error or 'nested too deep'}",)
    known = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    accepted: dict[str, Any] = {}
    problems = []
    for name, value in document.items():
        if name not in known:
            problems.append(f"{name}: unknown; {suggestions(name, known)}")
            continue
        if name == "rules":
            accepted[name], wrong = _rules_in(value)
            problems += wrong
            continue
        # Each entry of a table by itself, so that a wrong one costs no other.
        entries = value.items() if isinstance(value, dict) and value else [(None, value)]
        for key, entry in entries:
            try:
                part = msgspec.convert(entry if key is None else {key: entry}, known[name])
            except msgspec.ValidationError:
                shown = name if key is None else f"{name}.{key}"
                [meaning] = known[name].__metadata__
                problems.append(f"{shown} = {entry!r}: must be {meaning.description}")
            else:
                accepted[name] = part if key is None else {**accepted.get(name, {}), **part}
    return Settings(**accepted), tuple(problems)


def _rules_in(value: Any) -> tuple[tuple[Rule, ...], list[str]]:
    """The rules among the tables of a file, and what is wrong with the others."""
    if not isinstance(value, list):
        return (), ["rules: must be tables, each under [[rules]]"]
    rules, problems = [], []
    for place, table in enumerate(value, 1):
        try:
            rules.append(msgspec.convert(table, Rule))
        except msgspec.ValidationError as error:
            problems.append(f"rule {place}: {str(error).removesuffix(' - at `$`')}")
    return tuple(rules), problems


def _problem(path: Path, words: str) -> str:
    return f"{safe_text(path, _LONGEST_PATH)} {safe_text(words)}"
