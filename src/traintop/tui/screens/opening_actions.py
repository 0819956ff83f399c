"""The keys that open another screen over the list: columns, comparison, best runs, export.

What those screens need is imported when they open: the first frame does not wait for it.
"""

from __future__ import annotations

from msgspec.structs import replace

from traintop.tui import state
from traintop.tui.columns import offered_columns
from traintop.tui.messages import ExportRequested
from traintop.tui.row_layout import ColumnChoice
from traintop.tui.screens.view_screen import ViewScreen
from traintop.tui.state import SortOrder


class OpeningActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    def action_export(self) -> None:
        from traintop.tui.export_choices import export_choices
        from traintop.tui.screens.dialogs import ChoiceScreen

        choices = export_choices(self.view, self.rows)

        def export(choice: int) -> None:
            runs, together = choices[choice].runs, choices[choice].together
            # To the App itself, so that it comes before the end that a next key asks for.
            self.app.post_message(ExportRequested(runs, together=together))

        if len(choices) == 1:
            export(0)
        elif choices:
            words = [choice.words for choice in choices]
            self.app.push_screen(ChoiceScreen("write runs as CSV", words, export))

    def action_columns(self) -> None:
        from traintop.tui.column_choice import ColumnChoosing
        from traintop.tui.screens.columns import ColumnsScreen

        offered = offered_columns(self.rows.runs)
        choosing = ColumnChoosing(self.view.columns, offered)
        self.app.push_screen(ColumnsScreen(choosing, self.view.sort, self._apply_columns))

    def _apply_columns(self, columns: tuple[ColumnChoice, ...], sort: SortOrder) -> None:
        self.change(replace(self.view, columns=columns, sort=sort))

    def action_compare(self) -> None:
        from traintop.tui.screens.compare import CompareScreen

        compared = state.compared_runs(self.view, self.rows)
        words = state.compared_words(self.view, self.rows)

        def close(_: object) -> None:
            self.change(replace(self.view, compared=()))

        self.change(replace(self.view, compared=compared))
        self.app.push_screen(CompareScreen(self, words), close)

    def action_best(self) -> None:
        from traintop.tui.screens.best import BestScreen

        self.app.push_screen(BestScreen(self, self.action_compare))
