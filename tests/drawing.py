"""What the UI draws, and whether it has drawn all that it knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pytest

import traintop.charts
from traintop.lines import Line
from traintop.tui.app import TraintopApp
from traintop.tui.kit.pane import LinePane
from traintop.tui.main.screen import MainScreen
from traintop.tui.plots.grid import ChartGrid


def is_drawn(app: TraintopApp) -> bool:
    """Whether all news that arrived have been drawn."""
    main = app.main_screen
    grids = (grid for screen in app.screen_stack for grid in screen.query(ChartGrid))
    waiting = (main.redraw_timer, *(grid.draw_timer for grid in grids))
    return main.is_mounted and not any(waiting)


def count_drawings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the main ``screen``, the lines of ``panes`` and ``charts`` are drawn."""
    counts: Counter[str] = Counter()
    draw, show, draw_chart = MainScreen.draw, LinePane.show, traintop.charts.draw_chart

    def counted_draw(self: MainScreen) -> None:
        counts["screen"] += 1
        draw(self)

    def counted_show(
        self: LinePane, content: Hashable, lines: Callable[[int, int], Sequence[Line]]
    ) -> None:
        def counted_lines(width: int, height: int) -> Sequence[Line]:
            counts["panes"] += 1
            return lines(width, height)

        show(self, content, counted_lines)

    def counted_chart(*arguments: Any, **named: Any) -> Any:
        counts["charts"] += 1
        return draw_chart(*arguments, **named)

    monkeypatch.setattr(MainScreen, "draw", counted_draw)
    monkeypatch.setattr(LinePane, "show", counted_show)
    monkeypatch.setattr(traintop.charts, "draw_chart", counted_chart)
    return counts
