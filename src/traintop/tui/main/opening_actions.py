"""The keys that open another screen over the list: columns, comparison, best runs, export.

What those screens need is imported when they open: the first frame does not wait for it.
"""

from __future__ import annotations

from msgspec.structs import replace

from traintop.tui.columns import ColumnChoice, offered_columns
from traintop.tui.messages import ExportRequested
from traintop.tui.view import SortOrder, compared_runs, compared_words
from traintop.tui.view_screen import ViewScreen


class OpeningActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    def action_export(self) -> None:
        from traintop.tui.export.choices import export_choices
        from traintop.tui.kit.dialogs import ChoiceScreen

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
        from traintop.tui.main.column_chooser import ColumnChoosing, ColumnsScreen

        offered = offered_columns(self.rows.runs)
        choosing = ColumnChoosing(self.view.columns, offered)
        self.app.push_screen(ColumnsScreen(choosing, self.view.sort, self._apply_columns))

    def _apply_columns(self, columns: tuple[ColumnChoice, ...], sort: SortOrder) -> None:
        self.change(replace(self.view, columns=columns, sort=sort))

    def action_compare(self) -> None:
        from traintop.tui.compare.screen import CompareScreen

        compared = compared_runs(self.view, self.rows)
        words = compared_words(self.view, self.rows)

        def close(_: object) -> None:
            self.change(replace(self.view, compared=()))

        self.change(replace(self.view, compared=compared))
        self.app.push_screen(CompareScreen(self, words), close)

    def action_best(self) -> None:
        from traintop.tui.leaderboard.screen import BestScreen

        self.app.push_screen(BestScreen(self, self.action_compare))
