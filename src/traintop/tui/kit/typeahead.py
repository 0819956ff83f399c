"""Keys that arrive in one burst go where each of them was meant to go."""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from textual import events
from textual.app import App

from traintop.tui.kit.screen import PlaceScreen

_ONE_PIECE_SECONDS = 0.01
"""Keys that arrive in one piece are further apart only on a very busy machine; fingers always."""


class _Answered(NamedTuple):
    """A key, when it arrived, and where the person was when it was answered."""

    key: str = ""
    time: float = 0.0
    where: Hashable = None


class TypeAheadApp(App[None]):
    """An App whose keys are answered in the order in which they were typed.

    Textual hands each key on to what has the focus when the key arrives, which may be before the
    key before it has opened or closed anything.

    A key that came twice in one piece, as one that repeats does over a slow line, is answered once
    where its first answer led elsewhere: it was meant for where the person was.
    """

    _answered = _Answered()

    async def on_event(self, event: events.Event) -> None:
        """Take escape and a character that came at once for the two keys that they are, not alt.

        No key of ours has alt. A text that is typed stays open: some people mean alt there.
        """
        if isinstance(event, events.Key) and not event.is_forwarded and self.focused is None:
            key = event.key.removeprefix("alt+")
            if key != event.key and event.is_printable:
                await super().on_event(events.Key("escape", "\x1b"))
                event = events.Key(key, event.character)
        await super().on_event(event)

    def _is_repeated(self, event: events.Key) -> bool:
        """Whether a key that came in one piece with the same one is for a place that was left."""
        before, screen = self._answered, self.screen
        place = screen.situation.place if isinstance(screen, PlaceScreen) else ""
        again = event.key == before.key and event.time - before.time < _ONE_PIECE_SECONDS
        where = before.where if again else (id(screen), place)
        self._answered = _Answered(event.key, event.time, where)
        return where != (id(screen), place)

    def on_key(self, event: events.Key) -> None:
        """Hand what is typed to the text entry that is open now, when the keys before are done."""
        if self._is_repeated(event) and not (self.focused is not None and event.is_printable):
            event.prevent_default()
            return
        if self.focused is None or event.character is None or not event.is_printable:
            return
        if event.key.startswith("alt+"):
            return  # no text is meant
        from textual.widgets import Input  # there already, when anything takes text

        from traintop.tui.kit.entry import TextEntry

        if isinstance(self.focused, TextEntry):
            event.prevent_default()
            self.focused.take(event.character)
        elif isinstance(self.focused, Input):  # the palette's, which was not open yet
            event.prevent_default()
            self.focused.insert_text_at_cursor(event.character)
