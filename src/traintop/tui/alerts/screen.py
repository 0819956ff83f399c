"""The log of past notices, the newest first; enter goes to the run of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult

from traintop.analysis.alerts import Alert, AlertKind
from traintop.lines import Line, Piece, clickable
from traintop.text import cell_width, fit, safe_text
from traintop.tui.alerts.toasts import ROLES, SEVERITIES
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import ScrollingPane
from traintop.tui.kit.screen import DialogScreen

_WIDEST_NAME = 30
_KIND_WIDTH = max(len(kind) for kind in AlertKind)


class NoticesScreen(DialogScreen):
    """``go_to`` is called with the run whose notice enter is pressed on."""

    PLACES = (Place.NOTICES,)

    def __init__(self, notices: Sequence[Alert], go_to: Callable[[str], None]) -> None:
        super().__init__()
        self._notices = tuple(notices)
        self._go_to = go_to
        self._cursor = 0
        self._pane = ScrollingPane(id="past-notices")

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


def notice_lines(notices: Sequence[Alert], cursor: int, width: int) -> tuple[Line, ...]:
    """The log of past notices: when, what, which run, and the rest of it."""
    if not notices:
        return (
            (Piece("  Nothing since you opened this: no NaN, stall, crash or slowdown.", "muted"),),
        )
    names = [safe_text(notice.name, _WIDEST_NAME) for notice in notices]
    name_width = max(map(cell_width, names))
    return tuple(
        clickable(
            _notice_line(notice, fit(name, name_width), at_cursor=row == cursor),
            f"screen.pick_notice({row})",
            width,
        )
        for row, (notice, name) in enumerate(zip(notices, names, strict=True))
    )


def _notice_line(notice: Alert, name: str, *, at_cursor: bool) -> Line:
    return (
        Piece("▌ " if at_cursor else "  ", "accent"),
        Piece(f"{notice.time:%m-%d %H:%M:%S}  ", "muted"),
        Piece(f"{notice.kind:<{_KIND_WIDTH}}  ", ROLES[SEVERITIES[notice.kind]]),
        Piece(f"{name}  ", "strong"),
        Piece(safe_text(notice.text, 500)),
    )
