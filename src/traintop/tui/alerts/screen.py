"""The log of past notices, the newest first; enter goes to the run of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from traintop.analysis.alerts import Alert, AlertKind
from traintop.lines import Line, Piece, clickable, line_width
from traintop.text import cell_width, fit, safe_text, wrap
from traintop.tui.alerts.toasts import ROLES, WIDEST_NAME, severity_of
from traintop.tui.kit.dialogs import ListDialog
from traintop.tui.kit.keys import Place

_KIND_WIDTH = max(len(kind) for kind in AlertKind)


class NoticesScreen(ListDialog):
    """``go_to`` is called with the run whose notice enter is pressed on."""

    PLACES = (Place.NOTICES,)

    def __init__(self, notices: Sequence[Alert], go_to: Callable[[str], None]) -> None:
        hint = "enter goes to the run  esc closes"
        super().__init__("notices, newest first", hint, id="past-notices")
        self._notices = tuple(notices)
        self._go_to = go_to

    @property
    def content(self) -> Hashable:
        return self._notices

    def lines(self, width: int) -> Sequence[Line]:
        return notice_lines(self._notices, self.cursor, width)

    def draw(self) -> None:
        """Show the notices, and all of the one at the cursor."""
        super().draw()
        more = len(self.pane.lines()) - len(self._notices)
        self.pane.scroll_to_line(self.cursor + max(more, 0))

    def action_move_notice(self, lines: int) -> None:
        self.move_cursor(self.cursor + lines, len(self._notices))

    def action_pick_notice(self, place: int) -> None:
        self.cursor = place
        self.action_go_to_run()

    def action_go_to_run(self) -> None:
        self.dismiss()
        if self._notices:
            self._go_to(self._notices[self.cursor].run_id)


def notice_lines(notices: Sequence[Alert], cursor: int, width: int) -> tuple[Line, ...]:
    """The log of past notices: when, what, which run, and the rest of it.

    What has no room on the line of the cursor is below it in full.
    """
    if not notices:
        return ((Piece("  Nothing has happened since you opened traintop.", "muted"),),)
    names = [safe_text(notice.name, WIDEST_NAME) for notice in notices]
    name_width = max(map(cell_width, names))
    lines: list[Line] = []
    for row, (notice, name) in enumerate(zip(notices, names, strict=True)):
        line = _notice_line(notice, fit(name, name_width), at_cursor=row == cursor)
        rest = line_width(line) > width and row == cursor
        texts = [(Piece(f"  {part}"),) for part in wrap(line[-1].text, width - 2)] if rest else []
        lines += [clickable(shown, f"screen.pick_notice({row})", width) for shown in (line, *texts)]
    return tuple(lines)


def _notice_line(notice: Alert, name: str, *, at_cursor: bool) -> Line:
    return (
        Piece("▌ " if at_cursor else "  ", "accent"),
        Piece(f"{notice.time:%m-%d %H:%M:%S}  ", "muted"),
        Piece(f"{fit(safe_text(notice.kind), _KIND_WIDTH)}  ", ROLES[severity_of(notice)]),
        Piece(f"{name}  ", "strong"),
        Piece(safe_text(notice.text, 500)),
    )
