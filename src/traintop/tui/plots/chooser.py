"""Choosing which charts are shown; the screen below follows each choice at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult

from traintop.analysis.chart_names import chart_title, shown_charts
from traintop.lines import Line, Piece, clickable
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import ScrollingPane
from traintop.tui.kit.screen import DialogScreen


class ChartChooser(DialogScreen):
    """A list of all charts with check marks; ``apply`` gets each choice, empty for the usual."""

    PLACES = (Place.CHARTS,)

    def __init__(
        self,
        charts: Sequence[str],
        chosen: Sequence[str],
        apply: Callable[[tuple[str, ...]], None],
    ) -> None:
        super().__init__()
        self._charts = tuple(charts)
        self._chosen = shown_charts(charts, chosen)
        self._apply = apply
        self._place = 0

    def compose(self) -> ComposeResult:
        pane = ScrollingPane(id="chooser")
        pane.border_title = "charts to show"
        pane.border_subtitle = "space chooses  0 resets  esc closes"
        yield pane

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        pane = self.query_one("#chooser", ScrollingPane)
        charts, chosen, place = self._charts, self._chosen, self._place
        pane.show(
            (chosen, place), lambda width, height: chooser_lines(charts, chosen, place, width)
        )
        pane.scroll_to_line(place)

    def _choose(self, chosen: tuple[str, ...]) -> None:
        self._chosen = shown_charts(self._charts, chosen)
        self._apply(chosen)
        self._show()

    def action_move_choice(self, lines: int) -> None:
        self._place = min(max(self._place + lines, 0), len(self._charts) - 1)
        self._show()

    def action_pick_chart(self, place: int) -> None:
        self._place = place
        self.action_toggle_chart()

    def action_toggle_chart(self) -> None:
        chart = self._charts[self._place]
        others = tuple(one for one in self._chosen if one != chart)
        if len(others) == len(self._chosen):
            self._choose((*others, chart))
        elif others:  # the last one stays: an empty choice would bring all back
            self._choose(others)
        else:
            self._show()

    def action_reset_charts(self) -> None:
        self._choose(())


def chooser_lines(
    charts: Sequence[str], chosen: Sequence[str], place: int, width: int
) -> tuple[Line, ...]:
    """A line for each chart, with a bar at the one the cursor is on."""
    return tuple(
        clickable(
            _chooser_line(chart, chart in chosen, row == place), f"screen.pick_chart({row})", width
        )
        for row, chart in enumerate(charts)
    )


def _chooser_line(chart: str, is_chosen: bool, has_cursor: bool) -> Line:
    return (
        Piece("▌" if has_cursor else " ", "accent"),
        Piece("✓ " if is_chosen else "  ", "good"),
        Piece(chart_title(chart), "strong" if is_chosen else "text", bold=has_cursor),
    )
