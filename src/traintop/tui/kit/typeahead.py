"""Keys that arrive in one burst go where each of them was meant to go."""

from __future__ import annotations

from textual import events
from textual.app import App


class TypeAheadApp(App[None]):
    """An App whose keys are answered in the order in which they were typed.

    Textual hands each key on to what has the focus when the key arrives, which may be before the
    key before it has opened or closed anything.
    """

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

    def on_key(self, event: events.Key) -> None:
        """Hand what is typed to the text entry that is open now, when the keys before are done."""
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
