"""A screen that believes the terminal's present size only."""

from __future__ import annotations

from textual import events
from textual.screen import Screen


class SteadyScreen(Screen[None]):
    """Drops resize events that are out of date.

    Textual 8.2 answers each resize of a screen by laying it out and sending the event once more,
    so two sizes that cross in the queue chase each other for ever, at full load. They cross when
    a terminal is resized quickly, and at the start under ``TERM=dumb``.
    """

    def on_resize(self, event: events.Resize) -> None:
        size = self.app.size
        if event.size == size:
            return
        event.prevent_default()
        event.stop()
        if self.size != size:
            # The event with the right size may have been replaced by the old one in the queue.
            self.post_message(events.Resize(size, size))
