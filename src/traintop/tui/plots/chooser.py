"""Choosing which charts are shown; the screen below follows each choice at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from traintop.analysis.chart_names import chart_title, shown_charts
from traintop.lines import Line, Piece, clickable
from traintop.tui.kit.dialogs import SearchDialog
from traintop.tui.kit.keys import Place


class ChartChooser(SearchDialog):
    """A list of all charts with check marks; ``apply`` gets each choice, empty for the usual."""

    PLACES = (Place.CHARTS,)

    def __init__(
        self,
        charts: Sequence[str],
        chosen: Sequence[str],
        apply: Callable[[tuple[str, ...]], None],
    ) -> None:
        super().__init__("charts to show", "space chooses  0 resets  esc closes", id="chooser")
        self._charts = tuple(charts)
        self._chosen = shown_charts(charts, chosen)
        self._apply = apply

    @property
    def content(self) -> Hashable:
        return self._chosen

    @property
    def texts(self) -> Sequence[str]:
        """What each chart is found by."""
        return [f"{chart_title(chart)} {chart}" for chart in self._charts]

    def lines(self, width: int) -> Sequence[Line]:
        return [
            clickable(
                _chooser_line(chart, chart in self._chosen, row == self.cursor),
                f"screen.pick_chart({row})",
                width,
            )
            for row, chart in enumerate(self._charts)
        ]

    def _choose(self, chosen: tuple[str, ...]) -> None:
        self._chosen = shown_charts(self._charts, chosen)
        self._apply(chosen)
        self.draw()

    def action_move_choice(self, lines: int) -> None:
        self.move_cursor(self.place_after(lines), len(self._charts))

    def action_pick_chart(self, place: int) -> None:
        self.cursor = place
        self.action_toggle_chart()

    def action_toggle_chart(self) -> None:
        chart = self._charts[self.cursor]
        others = tuple(one for one in self._chosen if one != chart)
        if len(others) == len(self._chosen):
            self._choose((*others, chart))
        elif others:  # the last one stays: an empty choice would bring all back
            self._choose(others)
        else:
            self.draw()

    def action_reset_charts(self) -> None:
        self._choose(())


def _chooser_line(chart: str, is_chosen: bool, has_cursor: bool) -> Line:
    return (
        Piece("▌" if has_cursor else " ", "accent"),
        Piece("✓ " if is_chosen else "  ", "good"),
        Piece(chart_title(chart), "strong" if is_chosen else "text", bold=has_cursor),
    )
