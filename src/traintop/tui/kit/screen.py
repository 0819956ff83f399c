"""The screens: with the keys of their places, as dialogs, and those that show the session."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from textual import events
from textual.screen import ModalScreen

from traintop.lines import ROLES
from traintop.tui._textual import DismissedOnce, forget_drawn_widgets, set_bindings
from traintop.tui.kit.keys import Place, Situation, bindings_of, footer_line
from traintop.tui.kit.pane import LinePane
from traintop.tui.kit.themes import theme_name
from traintop.tui.rows import RunRows
from traintop.tui.session import Session
from traintop.tui.view import ViewState


class PlaceScreen(DismissedOnce):
    """Has the keys of its places and the colours of the roles of text; drops outdated resizes.

    Textual 8.2 answers each resize of a screen by laying it out and sending the event again,
    so two sizes that cross in the queue chase each other forever, at full load. They cross when
    a terminal is resized quickly, and at the start under ``TERM=dumb``.

    The colours are here and not in each pane, because a component class costs time wherever it
    stands.
    """

    PLACES: ClassVar[tuple[Place, ...]] = ()
    """The places whose keys the screen has; where two have a key, that of the first comes first."""

    AUTO_FOCUS = ""  # keys are for the screen, save where a text is typed
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{role}" for role in ROLES} | {"line--cursor"}

    DEFAULT_CSS = """
    PlaceScreen {
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

    def use_actions(self, *controllers: object) -> None:
        """Let these objects answer keys: each of their methods ``action_x`` is the action ``x``."""
        inherited = set(dir(PlaceScreen))
        for controller in controllers:
            for name in sorted({*dir(controller)} - inherited):
                if name.startswith("action_"):
                    setattr(self, name, getattr(controller, name))

    @property
    def situation(self) -> Situation:
        """The place, and the needs met there: which keys do something now."""
        return Situation(self.PLACES[0])

    def on_mount(self) -> None:
        """Take the classes of its size, which Textual 8.2 sets after it has painted."""
        breakpoints = (self.HORIZONTAL_BREAKPOINTS, self.VERTICAL_BREAKPOINTS)
        for steps, cells in zip(breakpoints, self.app.size, strict=True):
            reached = [name for least, name in steps or () if least <= cells]
            self.add_class(*reached[-1:])

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


class DialogScreen(PlaceScreen, ModalScreen[None]):
    """A dialog that asks for nothing that could be lost: a click beside it closes it."""

    def action_close(self) -> None:
        self.dismiss()

    def on_click(self, event: events.Click) -> None:
        if event.widget is self:
            self.dismiss()


class SessionScreen(PlaceScreen):
    """A screen that shows the session: redrawn whenever that changes."""

    def __init__(self, session: Session, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.session = session
        self.footer = LinePane(id="footer")

    @abstractmethod
    def draw(self) -> None:
        """Show what is known now."""

    def show_footer(self, note: str = "") -> None:
        """Show the keys that apply now, with a note at the right end."""
        situation = self.situation
        self.footer.show_line((situation, note), lambda width: footer_line(situation, note, width))

    @property
    def view(self) -> ViewState:
        """What the person has chosen."""
        return self.session.view

    @property
    def rows(self) -> RunRows:
        """The listed runs."""
        return self.session.rows

    def action_help(self) -> None:
        from traintop.tui.kit.help import HelpScreen  # as all dialogs: not for the first frame

        self.app.push_screen(HelpScreen(self.situation.place))

    async def action_palette(self) -> None:
        from traintop.tui.kit.palette import ActionPalette

        # Awaited, so that what is typed right after the key lands in it.
        await self.app.push_screen(ActionPalette())

    def action_toggle_theme(self) -> None:
        self.app.theme = theme_name(dark=not self.app.current_theme.dark)
        self.session.change(self.view)

    def action_dismiss_notices(self) -> None:
        self.app.clear_notifications()
