"""The charts: as many as can be read in the size the pane has, the one in focus among them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from textual import events
from textual.message import Message
from textual.timer import Timer

from traintop.analysis.chart_names import charts_beside
from traintop.lines import EMPTY_LINE, Line, Piece, beside
from traintop.tui.kit.pane import LinePane

if TYPE_CHECKING:
    from traintop.charts import ChartSpec
    from traintop.tui.plots.source import ChartCell

_LEAST_WIDTH = 40
_GOOD_HEIGHT = 9
_LEAST_HEIGHT = 7
_FIRST_SHARE = 2
"""Of charts below one another the first is so many times as high as the others."""

_CURVES_AT_ONCE = 12
"""Before the screen is painted so many curves are drawn, or one chart: some 15 ms of work."""

_PAINTING_SECONDS = 0.02
"""Textual paints 60 times a second."""

_GUTTER = 1
_FOCUS_BAR = "▌"
_LABELS = 7  # cells of the y axis, about


class Box(NamedTuple):
    """Where a chart is in the pane, in cells."""

    x: int
    y: int
    width: int
    height: int

    def holds(self, x: int, y: int) -> bool:
        """Whether a cell of the pane is in this place."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


def arrange(width: int, height: int, count: int) -> tuple[Box, ...]:
    """The places of the first of ``count`` charts, as many as can be read; at least one.

    Side by side they are alike, row by row. In one column the first one is the highest.
    """
    if count < 1 or width < 1 or height < 1:
        return ()
    across = max(1, min(width // _LEAST_WIDTH, count))
    if across == 1:
        fitting = height // _GOOD_HEIGHT - (_FIRST_SHARE - 1)
        least = 2 if height >= _LEAST_HEIGHT * (_FIRST_SHARE + 1) else 1
        return _column(width, height, min(max(fitting, least), count))
    down = max(1, min(height // _GOOD_HEIGHT, -(-count // across)))
    across = -(-min(count, across * down) // down)
    return tuple(
        Box(
            column * width // across,
            row * height // down,
            (column + 1) * width // across - column * width // across,
            (row + 1) * height // down - row * height // down,
        )
        for row in range(down)
        for column in range(across)
    )[:count]


def _column(width: int, height: int, count: int) -> tuple[Box, ...]:
    shares = _FIRST_SHARE + count - 1 if count > 1 else 1
    first = height - (count - 1) * (height // shares) if count > 1 else height
    rest = height // shares
    tops = [0, *(first + place * rest for place in range(count - 1))]
    heights = [first, *[rest] * (count - 1)]
    return tuple(Box(0, y, width, tall) for y, tall in zip(tops, heights, strict=True))


class _Picture(NamedTuple):
    """What a chart looked like, what for, and what it was made from.

    Of curves that are only there until others are prepared, ``content`` is ``None``.
    """

    content: Hashable
    view: Hashable
    spec: ChartSpec
    lines: tuple[Line, ...]


class ChartGrid(LinePane):
    """Draws a chart only when its data, its size or the theme changed, and only what can be seen.

    A chart whose specification is not ready yet is drawn from the curves that it had before. It
    looks as before where there are none, and while its turn to be drawn has not come.
    """

    @dataclass(eq=False)
    class Rearranged(Message):
        """The size changed, and with it how many charts there are on a page."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._cells: tuple[ChartCell, ...] = ()
        self._focus = ""
        self._alone = False
        self._pictures: dict[str, _Picture] = {}
        self._places: list[tuple[str, Box]] = []
        self.draw_timer: Timer | None = None
        """Set while charts of the page wait to be drawn."""

    @property
    def columns(self) -> int:
        """About how many cells the curves of a chart are wide."""
        width = self._places[0][1].width if self._places else self.content_width()
        return max(width - _GUTTER - _LABELS, 1)

    def spec_in_focus(self) -> ChartSpec | None:
        """What the chart in focus (else the first) is made from, ``None`` when there is nothing."""
        return self._cells[self._place_in_focus()].make_spec() if self._cells else None

    def page_of(self, focus: str, charts: Sequence[str]) -> range:
        """Which of the charts are on one page with the one in focus, by their places."""
        near = charts_beside(focus, charts)
        fitting = len(arrange(self.content_width(), self.content_height(), len(near)))
        place = near.index(charts.index(focus)) if focus in charts else 0
        begin = place // fitting * fitting if fitting else 0
        return near[begin : begin + fitting]

    def show_charts(
        self, cells: Sequence[ChartCell], focus: str, *, ready: int, alone: bool = False
    ) -> None:
        """Show the page with the chart in focus, or with ``alone`` only that one.

        A new ``ready`` asks again for specifications.
        """
        dark = self.app.current_theme.dark
        if alone is not self._alone:
            self.draw_when_painted()  # the size is about to change
        self._cells, self._focus, self._alone = tuple(cells), focus, alone
        content = (dark, focus, alone, ready, *(cell.content for cell in cells))
        self.show(content, lambda width, height: self._draw_page(width, height, dark=dark))

    def show_nothing(self) -> None:
        """Stay blank while there are no records to draw."""
        self._cells, self._places = (), []
        self.show(None, lambda width, height: ())

    def _draw_page(self, width: int, height: int, *, dark: bool) -> tuple[Line, ...]:
        names = [cell.chart for cell in self._cells]
        boxes = arrange(width, height, 1 if self._alone else len(charts_beside(self._focus, names)))
        if not boxes:
            return ()
        place = self._place_in_focus()
        shown = range(place, place + 1) if self._alone else self.page_of(self._focus, names)
        page = self._cells[shown.start : shown.stop]
        self._places = [(cell.chart, box) for cell, box in zip(page, boxes, strict=False)]
        # Those on other pages and behind the one alone are kept: they come back as they were.
        self._pictures = {chart: one for chart, one in self._pictures.items() if chart in names}
        self._draw_due(page, dark=dark)
        rows: list[Line] = []
        for top in sorted({box.y for _, box in self._places}):
            row = [(chart, box) for chart, box in self._places if box.y == top]
            blocks = [self._block(chart, box) for chart, box in row]
            rows += beside(blocks, [box.width for _, box in row])
        return tuple(rows)

    def _place_in_focus(self) -> int:
        names = [cell.chart for cell in self._cells]
        return names.index(self._focus) if self._focus in names else 0

    def _draw_due(self, page: Sequence[ChartCell], *, dark: bool) -> None:
        """Draw the charts that look otherwise now, the one in focus first.

        As many as a key can wait for; the others when the screen has been painted.
        """
        from traintop.charts import DARK, LIGHT, draw_chart

        if self.draw_timer is not None:
            self.draw_timer.stop()
            self.draw_timer = None
        curves = 0
        placed = [(cell, box) for cell, (_, box) in zip(page, self._places, strict=True)]
        for cell, box in sorted(placed, key=lambda one: one[0].chart != self._focus):
            width, height = box.width - _GUTTER, box.height
            content, view = ((part, width, height, dark) for part in (cell.content, cell.view))
            known = self._pictures.get(cell.chart)
            if known is not None and known.content == content:
                continue
            if curves >= _CURVES_AT_ONCE:
                self.draw_timer = self.set_timer(_PAINTING_SECONDS, self._draw_rest)
                return
            made: Hashable = content
            spec = cell.make_spec()
            if spec is None:
                self.call_later(self.prepare_curves)
                made = None
                if known is None or known.view != view:
                    spec = cell.make_interim()
            if spec is None:
                continue
            lines = draw_chart(
                spec,
                width,
                height,
                palette=DARK if dark else LIGHT,
                ascii_only=self.ascii_only,
                letters=self.app.no_color,
            )
            self._pictures[cell.chart] = _Picture(made, view, spec, lines)
            curves += len(spec.series)

    def _draw_rest(self) -> None:
        self.draw_timer = None
        self.draw_again()

    def _block(self, chart: str, box: Box) -> list[Line]:
        known = self._pictures.get(chart)
        lines = known.lines if known is not None else ()
        lines = (lines + (EMPTY_LINE,) * box.height)[: box.height]
        in_focus = chart == self._focus and len(self._places) > 1
        bar = Piece(_FOCUS_BAR if in_focus else " ", "accent")
        return [(bar if row == 0 else Piece(" "), *line) for row, line in enumerate(lines)]

    def on_resize(self) -> None:
        super().on_resize()
        self.post_message(self.Rearranged())

    # What the charts are about decides these.

    @abstractmethod
    def prepare_curves(self) -> None:
        """Prepare what a chart is to be drawn from whose specification is not ready."""

    @abstractmethod
    def point_at(self, chart: str, x: float | None) -> None:
        """A chart was clicked, at this x where there are curves."""

    @abstractmethod
    def zoom_around(self, x: float, *, closer: bool) -> None:
        """The wheel was turned over a chart, away from the person when ``closer``."""

    # The mouse.

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._point(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if event.button:
            self._point(event)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, closer=True)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, closer=False)

    def _point(self, event: events.MouseEvent) -> None:
        chart = next((name for name, box in self._places if box.holds(event.x, event.y)), None)
        if chart is not None:
            self.point_at(chart, self._x_at(event.x, event.y))

    def _wheel(self, event: events.MouseEvent, *, closer: bool) -> None:
        event.stop()
        x = self._x_at(event.x, event.y)
        if x is not None:
            self.zoom_around(x, closer=closer)

    def _x_at(self, column: int, row: int) -> float | None:
        from traintop.charts import x_at

        for chart, box in self._places:
            drawn = self._pictures.get(chart)
            if drawn is not None and box.holds(column, row):
                at = column - box.x - _GUTTER
                size = (box.width - _GUTTER, box.height)
                return x_at(drawn.spec, *size, at, ascii_only=self.ascii_only)
        return None
