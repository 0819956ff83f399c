"""Every touch of Textual's private names: why it is needed, and what Textual 8.2 does.

Nothing else in the UI uses a name of Textual that begins with an underscore.
"""

from __future__ import annotations

import contextlib
import os
import signal
import string
import time
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.traceback import Traceback
from textual import constants, events, on
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._styles_cache import StylesCache
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingsMap
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.driver import Driver
from textual.drivers import linux_driver
from textual.geometry import Size
from textual.keys import Keys, _character_to_key
from textual.message import Message
from textual.notifications import Notification
from textual.screen import Screen
from textual.timer import Timer, TimerCallback
from textual.widgets import Button, Input
from textual.worker import WorkerError

from traintop.terminal import answers_itself, erases_in_color
from traintop.tui.messages import LineSlowed
from traintop.tui.output.pacing import LinePace
from traintop.tui.output.screen import ANSWER, SynchronisedScreen

if TYPE_CHECKING:
    AnyApp = App[Any]

_KEY_NAMES = {key.value for key in Keys} | {_character_to_key(sign) for sign in string.printable}

_LAST_MOMENT = 0.01


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


class _Answer(Enum):
    """The terminal's answer, as a key that Textual's parser of input knows."""

    READY = "<terminal-ready>"


cast(dict[str, Any], ANSI_SEQUENCES_KEYS)[ANSWER] = (_Answer.READY,)  # one that came in two parts


class _InputParser(XTermParser):
    """Takes the terminal's answers out of what is typed, and knows escape before every sign.

    Textual 8.2 reads escape and a letter as two other keys when a sequence follows at once, and
    what comes within a paste as text. It calls escape and "O" alt+shift+o, and loses that before
    "?", where others are alt and the key.
    """

    def feed(self, data: str) -> Iterable[Message]:
        """What is in the input."""
        answers = data.count(ANSWER)
        yield from (events.Key(_Answer.READY.value, None) for _ in range(answers))
        typed = data.replace(ANSWER, "")
        if typed or not answers:  # nothing at all is the end of the input
            yield from super().feed(typed)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        for event in super()._sequence_to_key_events(sequence):
            if alt and event.is_printable:
                event = events.Key(f"alt+{event.key}", event.character)
            yield event


linux_driver.XTermParser = _InputParser  # type: ignore[attr-defined]  # the driver makes it by this name


class SynchronisedDriver(linux_driver.LinuxDriver):
    """Textual's driver, whose drawing goes through a screen that never sends what is out of date.

    Textual 8.2 queues what it draws, and all that is drawn meanwhile waits behind it. It stops and
    goes on within a signal's handler, in the midst of whatever is done: with a lock that is held
    the program would wait for itself.
    """

    def __init__(self, app: AnyApp, **options: Any) -> None:
        super().__init__(app, **options)
        environment = os.environ
        self._screen = SynchronisedScreen(
            cast(TextIO, self._file).fileno(),
            self._get_terminal_size,
            LinePace(time.monotonic(), answers=False if answers_itself(environment) else None),
            erases_in_color=erases_in_color(environment),
            slow_changed=lambda slow: app.post_message(LineSlowed(slow)),
            failed=lambda error: app.call_later(
                app.panic, Traceback.from_exception(type(error), error, error.__traceback__)
            ),
        )
        self._loop.add_signal_handler(signal.SIGTSTP, self._sigtstp_application)
        self._loop.add_signal_handler(signal.SIGCONT, self._sigcont_application)

    def forget_terminal(self) -> None:
        """Draw everything again, whatever the terminal shows, in the size that it has.

        Textual 8.2 takes an older size for the newest where a signal interrupts the one before.
        """
        self._screen.forget()
        size = Size(*self._get_terminal_size())
        if size != self._app.size:
            self._app.post_message(events.Resize(size, size))

    def rest(self) -> float:
        """Seconds for which nothing is sent that no key asked for."""
        return self._screen.rest()

    def write(self, data: str) -> None:
        """Take what Textual draws."""
        self._screen.write(data)

    def start_application_mode(self) -> None:
        """Take the terminal, and ask it whether it answers."""
        self._screen.start()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._has_terminal:
            self._screen.query()
        else:  # continued in the background, where Textual stops again
            self._screen.stop()

    def resume_application_mode(self) -> None:
        """Take the terminal again, also after a stop of which nothing was known (SIGSTOP).

        Textual 8.2 then reads the input twice, and one of the two threads never ends.
        """
        if self._has_terminal:
            self.suspend_application_mode()
            self._must_signal_resume = True
        super().resume_application_mode()

    @property
    def _has_terminal(self) -> bool:
        """Whether the terminal is ours to draw on."""
        return self._writer_thread is not None and self._writer_thread.is_alive()

    def process_message(self, message: Message) -> None:
        """Hand on what a person does; the terminal's answers are for the screen."""
        if isinstance(message, events.Key) and message.key == _Answer.READY.value:
            self._screen.answered()
            return
        if isinstance(message, events.InputEvent) and not isinstance(message, events.MouseMove):
            self._screen.pressed()
        super().process_message(message)

    def disable_input(self) -> None:
        """Wait for the answer that is under way, and read no more."""
        self._screen.close()
        super().disable_input()

    def close(self) -> None:
        """Let the terminal go."""
        self._screen.stop()
        super().close()


def driver_class(environment: Mapping[str, str]) -> type[Driver] | None:
    """The driver for a terminal; ``None`` leaves the choice to Textual."""
    plain = environment.get("TRAINTOP_DRIVER") == "plain" or constants.DRIVER
    return None if plain else SynchronisedDriver


def forget_terminal(app: AnyApp) -> None:
    """Have everything drawn again: the terminal may show something else than what it got."""
    if isinstance(app._driver, SynchronisedDriver):
        app._driver.forget_terminal()


def seconds_of_rest(app: AnyApp) -> float:
    """For how long nothing of what is drawn will be sent, unless a key asks for it."""
    return app._driver.rest() if isinstance(app._driver, SynchronisedDriver) else 0.0


class LastingNotification(Notification):
    """One of which a toast may be made at its last moment, as when a screen is opened just then.

    Textual 8.2 ends the toast after the time that is left. Once that is below zero, its timer
    counts without end, and nothing else happens any more.
    """

    @property
    def time_left(self) -> float:
        """Seconds that its toast is to stay, never none."""
        return max(super().time_left, _LAST_MOMENT)

    @property
    def has_expired(self) -> bool:
        """Whether no more than its last moment is left."""
        return self.time_left == _LAST_MOMENT


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
    """Textual's palette, made safe for keys that come faster than it searches.

    What was under way when it was left, a search, its timers, or words that were typed, would look
    for widgets that are gone, which ends the program.
    """

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Leave the palette, and search no more."""
        self._cancel_gather_commands()
        return super().dismiss(result)

    def set_timer(
        self, delay: float, callback: TimerCallback | None = None, **options: Any
    ) -> Timer:
        """Call a function later, if the palette is still there."""

        def call() -> object:
            return callback() if callback is not None and self.is_active else None

        return super().set_timer(delay, call, **options)

    @on(Input.Changed)
    def _search_while_there(self, event: Input.Changed) -> None:
        if not self.is_active:
            event.prevent_default()

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
