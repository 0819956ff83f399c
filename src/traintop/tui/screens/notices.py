"""The log of past notices, the newest first; enter goes to the run of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from traintop.analysis.notices import Notice
from traintop.tui.announcing import notice_lines
from traintop.tui.keys import Situation, bindings_of
from traintop.tui.places import Place
from traintop.tui.screens.steady import DialogScreen
from traintop.tui.widgets.line_pane import ScrollingPane


class NoticesScreen(DialogScreen):
    """``go_to`` is called with the run whose notice enter is pressed on."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.NOTICES)]

    def __init__(self, notices: Sequence[Notice], go_to: Callable[[str], None]) -> None:
        super().__init__()
        self._notices = tuple(notices)
        self._go_to = go_to
        self._cursor = 0
        self._pane = ScrollingPane(id="past-notices")

    @property
    def situation(self) -> Situation:
        return Situation(Place.NOTICES)

    def compose(self) -> ComposeResult:
        self._pane.border_title = "notices, newest first"
        self._pane.border_subtitle = "enter goes to the run  esc closes"
        yield self._pane

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        notices, cursor = self._notices, self._cursor
        self._pane.show(
            (notices, cursor), lambda width, height: notice_lines(notices, cursor, width)
        )
        self._pane.scroll_to_line(cursor)

    def action_move_notice(self, lines: int) -> None:
        self._cursor = min(max(self._cursor + lines, 0), max(len(self._notices) - 1, 0))
        self._show()

    def action_pick_notice(self, place: int) -> None:
        self._cursor = place
        self.action_go_to_run()

    def action_go_to_run(self) -> None:
        self.dismiss()
        if self._notices:
            self._go_to(self._notices[self._cursor].run_id)
