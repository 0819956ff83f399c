"""The log of past notices, and the way from one to its run."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from traintop.analysis.notices import Notice
from traintop.tui.screens.view_screen import ViewScreen

_MOST_NOTICES = 500


class NoticeActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    past_notices: tuple[Notice, ...] = ()
    """The newest first."""

    def remember_notices(self, notices: Sequence[Notice]) -> None:
        """Take over what happened."""
        self.past_notices = (*reversed(notices), *self.past_notices)[:_MOST_NOTICES]

    def action_notices(self) -> None:
        from traintop.tui.screens.notices import NoticesScreen  # not needed for the first frame

        self.app.push_screen(NoticesScreen(self.past_notices, self.go_to_run))

    def go_to_run(self, run_id: str) -> None:
        """Select a run, listed or not."""
        run = self.rows.run(run_id)
        if run is None:
            return
        if self.rows.position(run_id) is None:
            self.change(
                replace(
                    self.view, filter="", show_archived=run.annotations.archived, selected=run_id
                )
            )
        else:
            self.change(replace(self.view, selected=run_id))
