"""A pane of styled lines that repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from traintop.lines import EMPTY_LINE, Line, Look, Piece, Role, changed_span, fit_line

Draw = Callable[[int, int], Sequence[Line]]
"""Makes the lines of a pane for a width and a height in cells; pure."""


class StyledLines(ScrollView, can_focus=False):
    """Turns lines into strips: roles into the colours of the theme."""

    DEFAULT_CSS = """
    StyledLines {
        overflow: hidden;
        scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 40%;
        scrollbar-color-hover: $foreground 58%;
        scrollbar-color-active: $foreground 58%;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """

    ascii_only = False
    """Whether the terminal draws ASCII only; set once by the App before the widgets exist."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._backgrounds: dict[bool, Style] = {}
        self._styles: dict[tuple[Look, bool], Style] = {}

    def strip_of(self, line: Line, width: int, *, cursor: bool = False) -> Strip:
        """The line in exactly ``width`` cells; without its "…" a cut number would be another."""
        fitted = fit_line(line, width)
        segments = [Segment(piece.text, self._style(piece, cursor)) for piece in fitted]
        return Strip(segments).adjust_cell_length(width, self._background(cursor))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._backgrounds.clear()
        self._styles.clear()

    def _background(self, cursor: bool) -> Style:
        if cursor not in self._backgrounds:
            component = self.screen.get_component_rich_style
            base = component("line--cursor") if cursor else self.rich_style
            self._backgrounds[cursor] = Style(bgcolor=base.bgcolor)
        return self._backgrounds[cursor]

    def _style(self, piece: Piece, cursor: bool) -> Style:
        key = (piece.look, cursor)
        if key not in self._styles:
            color = piece.color or self._role_color(piece.role)
            style = Style(color=color, bold=piece.bold or None, dim=piece.dim or None)
            clicked = Style(meta={"@click": piece.action}) if piece.action else Style.null()
            self._styles[key] = self._background(cursor) + style + clicked
        return self._styles[key]

    def _role_color(self, role: Role) -> str | None:
        color = self.screen.get_component_rich_style(f"line--{role}").color
        return color.name if color is not None else None

    def refresh_span(self, row: int, before: Line, after: Line) -> None:
        """Repaint the cells in which a row of the content differs, and nothing when none does."""
        start, end = changed_span(before, after)
        if end > start:
            self.refresh(Region(start, row, end - start, 1))

    def content_width(self) -> int:
        """The cells of a line: the pane without border, padding and scrollbar."""
        return self.scrollable_content_region.width

    def content_height(self) -> int:
        """The lines that are visible at a time."""
        return self.scrollable_content_region.height


class LinePane(StyledLines):
    """Shows what a pure function draws for the size the pane has.

    :meth:`show` is cheap and may be called at any time: nothing is drawn while ``content`` is
    what is drawn already, or while the pane cannot be seen.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._content: Hashable = None
        self._draw: Draw = lambda width, height: ()
        self._lines: tuple[Line, ...] = ()
        self._drawn_for: tuple[int, int] | None = None

    def show(self, content: Hashable, draw: Draw) -> None:
        """Show ``draw``'s lines; ``content`` is equal exactly when they would be."""
        if content == self._content:
            return
        self._content, self._draw = content, draw
        size = (self.content_width(), self.content_height())
        if self._drawn_for != size or self._is_covered or not self.is_on_screen:
            self.draw_when_painted()
            self._fit_scrolling()
            return
        self.draw_again()

    @property
    def _is_covered(self) -> bool:
        """Whether another screen is over the whole of this pane's."""
        stack = self.app.screen_stack
        above = stack[stack.index(self.screen) + 1 :] if self.screen in stack else []
        return any(not screen.is_modal for screen in above)

    def show_line(self, content: Hashable, draw: Callable[[int], Line]) -> None:
        """Show the one line that ``draw`` makes for a width."""
        self.show(content, lambda width, height: (draw(width),))

    def draw_when_painted(self) -> None:
        """Draw no sooner than the pane is painted, at the size that it has then."""
        self._drawn_for = None
        self.refresh()

    def draw_again(self) -> None:
        """Draw the content as it is now, and repaint what differs."""
        before = self._lines
        self._make_lines((self.content_width(), self.content_height()))
        self._fit_scrolling()
        self._refresh_changed(before, self._lines)

    def lines(self) -> tuple[Line, ...]:
        """The lines for the present size, redrawn only when the size or content changed."""
        size = (self.content_width(), self.content_height())
        if self._drawn_for != size:
            self._make_lines(size)
        return self._lines

    def _make_lines(self, size: tuple[int, int]) -> None:
        self._lines = tuple(self._draw(*size)) if size[0] > 0 else ()
        self._drawn_for = size

    def _refresh_changed(self, before: Sequence[Line], after: Sequence[Line]) -> None:
        top = round(self.scroll_y)
        for row in range(self.content_height()):
            self.refresh_span(row, _line_at(before, row + top), _line_at(after, row + top))

    def _fit_scrolling(self) -> None:
        """Nothing to do: the lines of this pane always fit it."""

    def render_line(self, y: int) -> Strip:
        line = _line_at(self.lines(), y + round(self.scroll_y))
        return self.strip_of(line, self.content_width())

    def on_resize(self) -> None:
        self._fit_scrolling()


class ScrollingPane(LinePane):
    """A pane whose lines may be more than its height."""

    DEFAULT_CSS = """
    ScrollingPane { overflow-y: auto; }
    """

    def _fit_scrolling(self) -> None:
        if self.content_width() > 0:
            size = Size(1, len(self.lines()))
            if size != self.virtual_size:
                self.virtual_size = size

    def scroll_lines(self, count: int) -> None:
        """Scroll ``count`` lines down (up when negative)."""
        self.scroll_to(y=self.scroll_y + count, animate=False, force=True, immediate=True)

    def scroll_to_line(self, line: int) -> None:
        """Scroll as little as brings a line into view."""
        top, height = round(self.scroll_y), max(self.content_height(), 1)
        wanted = min(max(top, line - height + 1), line)
        if wanted != top:
            self.scroll_lines(wanted - top)

    def scroll_pages(self, count: int) -> None:
        """Scroll ``count`` pages down (up when negative); one line stays in view."""
        self.scroll_lines(count * max(self.content_height() - 1, 1))


def _line_at(lines: Sequence[Line], index: int) -> Line:
    return lines[index] if 0 <= index < len(lines) else EMPTY_LINE
