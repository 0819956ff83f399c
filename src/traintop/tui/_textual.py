"""Every touch of Textual's private names: why it is needed, and what Textual 8.2 does.

Nothing else in the UI uses a name of Textual that begins with an underscore.
"""

from __future__ import annotations

import contextlib
import string
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from textual import on
from textual._styles_cache import StylesCache
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingsMap
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.keys import Keys, _character_to_key
from textual.notifications import Notification
from textual.screen import Screen
from textual.widgets import Button, Input
from textual.worker import WorkerError

if TYPE_CHECKING:
    AnyApp = App[Any]

_KEY_NAMES = {key.value for key in Keys} | {_character_to_key(sign) for sign in string.printable}


def key_name(key: str) -> str | None:
    """Textual's name of a key as a person writes it, ``None`` when it has none.

    Only ``Binding.make_bindings`` turns "+" into "plus", and it takes any nonsense for a key.
    """
    name = _character_to_key(key) if len(key) == 1 else key
    return name if name in _KEY_NAMES or (len(key) == 1 and key.isprintable()) else None


def set_bindings(node: DOMNode, bindings: Iterable[Binding]) -> None:
    """Give a node these bindings and no others.

    ``BINDINGS`` belong to a class, and are fixed before the settings file is read. Textual's own
    keymap can remap them later, but forgets the other bindings of a key that one binding leaves.
    """
    node._bindings = BindingsMap(bindings)


def unbind(node: DOMNode, *keys: str) -> None:
    """Leave these keys to the screen: a subclass can add bindings, and take none away."""
    for key in keys:
        del node._bindings.key_to_bindings[key]


def forget_drawn_widgets() -> None:
    """Let go of widgets that are gone: a class-wide cache keeps the last thousand that drew."""
    StylesCache.get_inner_outer.cache_clear()


def write_to_terminal(app: AnyApp, sequence: str) -> None:
    """Send an escape sequence for which Textual has no call, such as a desktop notification."""
    if app._driver is not None:
        app._driver.write(sequence)


def is_shown(app: AnyApp, toast: Notification) -> bool:
    """Whether a toast can be seen: ``notify`` returns nothing by which it could be found."""
    return toast in app._notifications


def replace_toasts(app: AnyApp, old: Iterable[Notification], new: Iterable[Notification]) -> None:
    """Show toasts in place of others: Textual takes back all of them or none."""
    for notification in old:
        app._unnotify(notification, refresh=False)
    for notification in new:
        app._notifications.add(notification)
    app._refresh_notifications()


class DismissedOnce(Screen[None]):
    """A screen that leaves the stack once, and takes no other screen with it.

    Textual 8.2 removes whatever screen is in front, and ends the program when that is the last
    one: by a second enter or click that came before the first one had its effect, and by a screen
    that closes while a dialog is over it.
    """

    def dismiss(self, result: None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()


class SafePalette(CommandPalette, DismissedOnce):
    """Textual's palette, made safe for keys that come faster than it searches."""

    @on(Input.Submitted)
    async def _choose_when_found(self, event: Input.Submitted) -> None:
        """Enter that comes with the words or right after them waits for what they find.

        Textual takes the command that is selected now, which those words may not have found.
        """
        event.prevent_default()
        for worker in tuple(self.workers):
            if worker.group == self._GATHER_COMMANDS_GROUP:
                with contextlib.suppress(WorkerError):  # newer words took its place
                    await worker.wait()
        self._select_or_command(event)

    def _select_or_command(self, event: Input.Submitted | Button.Pressed | None = None) -> None:
        """Take a command, and only one however often enter was pressed."""
        if self.is_active:
            super()._select_or_command(event)

    def _action_command_list(self, action: str) -> None:
        """Page through the list; Textual's fails before it has been laid out."""
        with contextlib.suppress(KeyError):
            super()._action_command_list(action)
