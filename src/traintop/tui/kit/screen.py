"""A screen that believes the terminal's present size only."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.screen import ModalScreen, Screen

from traintop.lines import ROLES
from traintop.tui._textual import forget_drawn_widgets, set_bindings
from traintop.tui.kit.keys import Place, Situation, bindings_of


class SteadyScreen(Screen[None]):
    """Drops resize events that are out of date; knows the colours of the roles of text.

    Textual 8.2 answers each resize of a screen by laying it out and sending the event once more,
    so two sizes that cross in the queue chase each other for ever, at full load. They cross when
    a terminal is resized quickly, and at the start under ``TERM=dumb``.

    The colours are here and not in each pane, because a component class costs time wherever it
    stands.
    """

    PLACES: ClassVar[tuple[Place, ...]] = ()
    """The places whose keys the screen has; where two have a key, that of the first comes first."""

    AUTO_FOCUS = ""  # keys are for the screen, save where a text is typed
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{role}" for role in ROLES} | {"line--cursor"}

    DEFAULT_CSS = """
    SteadyScreen {
        & > .line--text { color: $foreground 88%; }
        & > .line--muted { color: $foreground 70%; }
        & > .line--strong { color: $foreground; }
        & > .line--accent { color: $accent; }
        & > .line--good { color: $success; }
        & > .line--warn { color: $warning; }
        & > .line--bad { color: $error; }
        & > .line--cursor { background: $accent 15%; }
    }
    """

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        set_bindings(self, bindings_of(*self.PLACES))

    @property
    def situation(self) -> Situation:
        """The place, and the needs met there: which keys do something now."""
        return Situation(self.PLACES[0])

    def on_unmount(self) -> None:
        forget_drawn_widgets()

    def on_resize(self, event: events.Resize) -> None:
        size = self.app.size
        if event.size == size:
            return
        event.prevent_default()
        event.stop()
        if self.size != size:
            # The event with the right size may have been replaced by the old one in the queue.
            self.post_message(events.Resize(size, size))


class DialogScreen(SteadyScreen, ModalScreen[None]):
    """A dialog that asks for nothing that could be lost: a click beside it closes it."""

    def action_close(self) -> None:
        self.dismiss()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss()
