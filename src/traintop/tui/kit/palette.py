"""The command palette: every key of the place it was called from, found by its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar, NamedTuple

from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.widgets import Input

from traintop.tui._textual import SafePalette
from traintop.tui.kit.keys import INTERRUPT, keys_that_apply
from traintop.tui.kit.screen import PlaceScreen

_OTHER_WORDS: Mapping[str, str] = {
    "archive": "hide delete remove",
    "archived": "hidden show",
    "best": "leaderboard rank top",
    "columns": "fields hide show",
    "compare": "diff difference versus",
    "compare_best": "diff difference versus",
    "dismiss": "hide close clear toasts",
    "export": "save download",
    "filter": "find search query",
    "flip": "direction lower higher",
    "group_by": "machine directory section tree",
    "help": "keys shortcuts",
    "list_only": "hide details",
    "mark": "select overlay",
    "mark_all": "select",
    "unmark_all": "clear deselect",
    "metric": "plot graph",
    "note": "comment annotate",
    "notices": "alerts warnings history",
    "pin": "reference",
    "quit": "exit close leave",
    "repaint": "refresh redraw reload",
    "smoother": "average",
    "sort": "order",
    "suspend": "background",
    "tags": "label",
    "theme": "light mode",
    "zoom": "maximize fullscreen",
}
"""By what other programs call it an action is found too, by the name of its key."""


class _Command(NamedTuple):
    text: str
    words: str  # also looked at when it is searched for
    action: str


class KeyCommands(Provider):
    """The actions that the table of keys has for the calling screen, each with its key."""

    async def discover(self) -> Hits:
        for command in self._commands():
            run = partial(self.screen.run_action, command.action)
            yield DiscoveryHit(Content(command.text), run, text=command.text)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(f"{command.text} {command.words}")
            if score > 0:
                run = partial(self.screen.run_action, command.action)
                yield Hit(score, Content(command.text), run, text=command.text)

    def _commands(self) -> Iterator[_Command]:
        screen = self.screen
        if isinstance(screen, PlaceScreen):
            for key in keys_that_apply(screen.situation):
                if key.name != "palette":
                    name, other = key.name.replace("_", " "), _OTHER_WORDS.get(key.name, "")
                    words = f"{key.label} {name} {other}"
                    yield _Command(f"{key.help}  ({key.shown})", words, key.action)


class ActionPalette(SafePalette):
    """The palette over these commands; its cursor does not blink, since that costs bytes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(INTERRUPT, "escape", show=False, priority=True)  # before the input, which copies
    ]

    def __init__(self) -> None:
        super().__init__([KeyCommands], placeholder="What do you want to do?")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
