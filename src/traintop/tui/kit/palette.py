"""The command palette: every key of the place it was called from, found by its words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import ClassVar, NamedTuple

from textual import on
from textual.binding import Binding, BindingType
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.widgets import Input
from textual.worker import WorkerError

from traintop.tui.kit.keys import keys_that_apply
from traintop.tui.kit.places import INTERRUPT
from traintop.tui.kit.screen import SteadyScreen


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
        if isinstance(screen, SteadyScreen):
            for key in keys_that_apply(screen.situation):
                if key.name != "palette":
                    words = f"{key.label} {key.name.replace('_', ' ')}"
                    yield _Command(f"{key.help}  ({key.shown})", words, key.action)


class ActionPalette(CommandPalette):
    """Textual's palette over these commands; its cursor stands still, since a blink costs bytes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(INTERRUPT, "escape", show=False, priority=True)  # before the input, which copies
    ]

    def __init__(self) -> None:
        super().__init__([KeyCommands], placeholder="What do you want to do?")

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False

    @on(Input.Submitted)
    async def _choose_when_found(self, event: Input.Submitted) -> None:
        """Enter that comes with the words or right after them waits for what they find."""
        event.prevent_default()
        for worker in tuple(self.workers):
            if worker.group == self._GATHER_COMMANDS_GROUP:
                with contextlib.suppress(WorkerError):  # newer words took its place
                    await worker.wait()
        self._select_or_command(event)

    def _action_command_list(self, action: str) -> None:
        # Textual's list fails when it is paged through before it has been laid out.
        with contextlib.suppress(KeyError):
            super()._action_command_list(action)
