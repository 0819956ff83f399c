"""A chart: the lines of :mod:`traintop.charts`, for the size and the theme the pane has."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from traintop.tui.lines import Line, Piece
from traintop.tui.widgets.line_pane import LinePane

if TYPE_CHECKING:
    from traintop.charts import ChartSpec


class Chart(LinePane):
    """Draws only when its data, its size or the theme changed, and only while it is visible."""

    def show_chart(self, content: Hashable, make_spec: Callable[[], ChartSpec]) -> None:
        """Show a chart; ``make_spec`` is called when it is drawn, if it is drawn at all."""
        dark = self.app.current_theme.dark

        def draw(width: int, height: int) -> tuple[Line, ...]:
            return _chart_lines(make_spec(), width, height, dark=dark, ascii_only=self.ascii_only)

        self.show((content, dark), draw)

    def show_nothing(self) -> None:
        """Stay blank while there are no records to draw."""
        self.show(None, lambda width, height: ())


def _chart_lines(
    spec: ChartSpec, width: int, height: int, *, dark: bool, ascii_only: bool
) -> tuple[Line, ...]:
    from traintop.charts import DARK, LIGHT, draw_chart

    palette = DARK if dark else LIGHT
    lines = draw_chart(spec, width, height, palette=palette, ascii_only=ascii_only)
    return tuple(
        tuple(Piece(span.text, color=span.color, dim=span.dim, bold=span.bold) for span in line)
        for line in lines
    )
