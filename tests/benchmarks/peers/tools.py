"""The tools that are measured side by side: what to install, what they cannot do, their screens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

Group = Literal["write", "read", "screen"]

OURS = "traintop"

_BRAILLE = re.compile(rb"\xe2[\xa0-\xa3][\x80-\xbf]")
_BLOCKS = re.compile(rb"\xe2\x96[\x81-\x88]")


class Screen(NamedTuple):
    """A terminal UI, as far as it takes to know what it shows."""

    arguments: Callable[[Path], tuple[str, ...]]
    """Of Python, to show the runs of a directory."""
    listed: bytes
    """What arrives with the first row of the list."""
    step: Callable[[str], int | None]
    """The last step of the live run that a screen shows."""
    curve: re.Pattern[bytes] = _BRAILLE
    """One cell of a curve."""
    chart_keys: str = ""
    """They show the loss of the run that is selected, where that takes keys."""


class Peer(NamedTuple):
    """One tool."""

    name: str
    """Of its script in ``trackers/``, and in the results."""
    title: str
    packages: tuple[str, ...]
    cannot: Mapping[Group, str] = {}
    """Why it is not asked about these."""
    screen: Screen | None = None
    files_of: str = ""
    """The tool that writes what this one shows."""

    @property
    def writer(self) -> str:
        """The tool that writes its files."""
        return self.files_of or self.name


def _number(pattern: str) -> Callable[[str], int | None]:
    def step(screen: str) -> int | None:
        found = re.search(pattern, screen, re.MULTILINE)
        return int(found[1]) if found else None

    return step


def _step_of_listed_loss(screen: str) -> int | None:
    found = re.search(r"live-run .*? (\d\.\d{3}) ", screen)
    return round((9 - float(found[1])) * 1000) if found else None


def _step_of_epoch_count(screen: str) -> int | None:
    count = _number(r"live-run .* ep +(\d+)/")(screen)
    return None if count is None else count - 1


_WEB_PAGE: Mapping[Group, str] = {"screen": "its screen is a web page"}

PEERS = (
    Peer(
        OURS,
        "traintop",
        ("traintop",),
        screen=Screen(lambda home: ("-m", "traintop", str(home)), b"run-0", _step_of_listed_loss),
    ),
    Peer(
        "wandb",
        "W&B offline, LEET",
        ("wandb",),
        screen=Screen(
            lambda home: ("-m", "wandb", "leet", str(home / "wandb")),
            b"offline-run-",
            _number(r"_step +(\d+)"),
        ),
    ),
    Peer(
        "tensorboard",
        "tensorboardX, EventAccumulator",
        ("tensorboardX", "tensorboard"),
        _WEB_PAGE,
    ),
    Peer("trackio", "Trackio", ("trackio",), _WEB_PAGE),
    Peer("aim", "Aim", ("aim",), _WEB_PAGE),
    Peer("mlflow", "MLflow, SQLite", ("mlflow",), _WEB_PAGE),
    Peer(
        "dvclive",
        "DVCLive",
        ("dvclive",),
        {"screen": "its screens are a report in HTML and the extension of an editor"},
    ),
    Peer(
        "epokio",
        "epokio",
        ("epokio",),
        screen=Screen(
            lambda home: ("-m", "epokio", "watch", "--root", str(home)),
            b"run-0",
            _step_of_epoch_count,
            _BLOCKS,
            chart_keys="\r\t",
        ),
    ),
    Peer(
        "terminalboard",
        "terminalboard",
        ("terminalboard", "plotext<6"),  # with a newer one it does not draw
        {"write": "it only shows; tensorboardX writes"},
        Screen(
            lambda home: ("-m", "terminalboard", "--reset-view", "--tags", "loss", str(home)),
            b"run-0",
            _number(r"^ *0\.0 .*?(\d+)\.\d *$"),  # the end of the x axis
        ),
        files_of="tensorboard",
    ),
)
