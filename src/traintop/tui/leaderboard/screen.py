"""The leaderboard: the runs by the best value that they reached of any metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace
from textual import events, on
from textual.app import ComposeResult
from textual.message import Message

from traintop.analysis.ranking import Leader, Ranking, leaders
from traintop.direction import Direction
from traintop.fields import field_of
from traintop.lines import EMPTY_LINE, Line, Piece, spread
from traintop.metrics import direction_of, metrics_of
from traintop.tui.kit.keys import Need, Place, Situation
from traintop.tui.kit.pane import LinePane
from traintop.tui.kit.runs import BASELINE_GLYPH
from traintop.tui.kit.screen import SessionScreen
from traintop.tui.kit.themes import look_of
from traintop.tui.leaderboard.lines import leader_lines
from traintop.tui.leaderboard.settings_lines import coordinate_lines, importance_lines
from traintop.tui.plots.runs import PlottedRuns, shown_marks
from traintop.tui.rows import RunRows
from traintop.tui.session import Session
from traintop.tui.view import toggle_mark, with_direction

if TYPE_CHECKING:
    from traintop.analysis.importance import Importance

_HEADINGS = 1
_WHEEL_ROWS = 3
_LIMITS = (None, 10, 25)

View = Literal["runs", "settings", "coordinates"]
VIEWS: tuple[View, ...] = ("runs", "settings", "coordinates")
"""The runs; the settings by how much of their order they explain; and the runs across these."""


@dataclass(eq=False)
class SettingsJudged(Message):
    """Which settings go with a good place among ranked runs; ``None`` where that failed."""

    ranking: Ranking
    importance: Importance | None


class BestScreen(SessionScreen):
    """Ranks the listed runs; those without a finite value of the metric are left out."""

    PLACES = (Place.BEST,)

    def __init__(
        self,
        session: Session,
        plotted: PlottedRuns,
        compare: Callable[[str | None, RunRows], None],
    ) -> None:
        """``compare`` opens the comparison, from which one comes back to this screen.

        It learns where the cursor is among the leaders, which are the rows here.
        """
        super().__init__(session)
        self._plotted = plotted
        self._compare = compare
        self.leaders: list[Leader] = []
        self._places: dict[str, int] = {}
        self.metric = ""
        self._cursor: str | None = None
        self._top = 0
        self.limit: int | None = None
        """How many of the best are listed; all when ``None``."""
        self._ranked: list[Leader] = []
        self.shown: View = "runs"
        self._judged: SettingsJudged | None = None
        self._judging = False
        self._ahead: int | None = None
        """How many runs are better than the baseline, where that is ranked."""
        self._status_pane = LinePane(id="status")
        self._rows_pane = LinePane(id="best-rows")

    def compose(self) -> ComposeResult:
        yield self._status_pane
        yield self._rows_pane
        yield self.footer

    def on_mount(self) -> None:
        self.draw()

    @property
    def situation(self) -> Situation:
        return Situation(Place.BEST, frozenset({Need.RUNS}))

    @property
    def direction(self) -> Direction | None:
        """Which values of the metric are the best; ``None`` while that is unknown."""
        return direction_of(self.metric)

    @property
    def metrics(self) -> list[str]:
        """The metrics that any listed run has, losses first."""
        return [*metrics_of(self.rows.runs), "duration"]

    @property
    def cursor(self) -> int:
        """The place of the run that keys are about; the first when that has no value any more."""
        return 0 if self._cursor is None else self._places.get(self._cursor, 0)

    def draw(self) -> None:
        metrics = self.metrics
        if self.metric not in metrics:
            self.metric = next(filter(direction_of, metrics))
        direction = self.direction
        ranked = leaders(self.rows.runs, self.metric, direction) if direction else []
        self.leaders, self._ranked = ranked[: self.limit], ranked
        values = [leader.value for leader in ranked]
        pinned = (leader.value for leader in ranked if leader.run.id == self.view.baseline)
        self._ahead = next(map(values.index, pinned), None)
        self._places = {leader.run.id: place for place, leader in enumerate(self.leaders)}
        self._show()

    def _show(self) -> None:
        ranked, cursor, top = self.leaders, self.cursor, self._top_in_view()
        marks = shown_marks(self.view.marks, self._plotted, look_of(self.app))
        if self.view.baseline is not None:
            marks[self.view.baseline] = Piece(BASELINE_GLYPH, "warn")
        direction, metric, limit = self.direction, self.metric, self.limit
        field = field_of(metric)
        heading = (metric, direction, limit, len(self._ranked), len(self.rows), self._ahead)
        self._status_pane.show_line(heading, lambda width: _status_line(*heading, width))

        def draw(width: int, height: int) -> tuple[Line, ...]:
            if direction is None:
                return (EMPTY_LINE, (Piece(f"  {_question(metric)}", "warn"),))
            if not ranked:
                return (
                    EMPTY_LINE,
                    (Piece(f"  no run has a finite {field_of(metric).words}", "muted"),),
                )
            if shown == "runs":
                return leader_lines(
                    field, ranked, top, cursor, marks, self.rows.short_name, width, height, limit
                )
            if importance is None:
                return (EMPTY_LINE, (Piece("  comparing the settings of all runs …", "muted"),))
            if shown == "settings":
                return importance_lines(importance, width, height)
            name = self.rows.short_name(ranked[cursor].run, max(width // 2, 1))
            return coordinate_lines(importance, field, ranked, cursor, name, look, width, height)

        self._judge_settings()
        shown, importance, look = self.shown, self.importance, look_of(self.app)
        chosen = (tuple(ranked), top, cursor, tuple(marks.items()))
        content = (heading, chosen, shown, look, importance if shown != "runs" else None)
        self._rows_pane.show(content, draw)
        self.show_footer(f"{len(self.view.marks):,} marked" if self.view.marks else "")

    def _judge_settings(self) -> None:
        """Have a thread judge the settings, where they are shown and the ranked runs changed."""
        if self.shown == "runs" or self._judging or self.direction is None:
            return
        ranking = Ranking(field_of(self.metric), self.direction, self._ranked)
        if self._judged is None or self._judged.ranking != ranking:
            self._judging = True
            judge = partial(self._judge, ranking)
            self.run_worker(judge, thread=True, group="importance", exit_on_error=False)

    def _judge(self, ranking: Ranking) -> None:
        found = None
        try:
            from traintop.analysis.importance import importance_of

            found = importance_of(ranking.leaders, ranking.direction)
        finally:
            self.post_message(SettingsJudged(ranking, found))

    def on_settings_judged(self, message: SettingsJudged) -> None:
        self._judging, self._judged = False, message
        self._show()

    @property
    def importance(self) -> Importance | None:
        """That of the ranked runs, or as they were while a thread judges them anew."""
        if self._judged is None:
            return None
        field, direction, _ = self._judged.ranking
        is_same = (field.name, direction) == (field_of(self.metric).name, self.direction)
        return self._judged.importance if is_same else None

    @property
    def _page_rows(self) -> int:
        return max(self._rows_pane.content_height() - _HEADINGS, 1)

    def _top_in_view(self) -> int:
        """The place of the first row that is shown: moved only as far as the cursor needs it."""
        lowest = max(self.cursor - self._page_rows + 1, 0)
        last = max(len(self.leaders) - self._page_rows, 0)
        self._top = min(max(self._top, lowest), self.cursor, last)
        return self._top

    @on(events.Resize)
    def _keep_cursor_in_view(self) -> None:
        self.call_after_refresh(self._show)

    def on_mouse_scroll_down(self) -> None:
        self.action_move(_WHEEL_ROWS)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-_WHEEL_ROWS)

    # Keys.

    def action_move(self, step: int) -> None:
        self.action_pick(self.cursor + step)

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(self._page_rows - 1, 1))

    def action_go_to_end(self, direction: int) -> None:
        self.action_move(direction * len(self.leaders))

    def action_pick(self, place: int) -> None:
        if self.leaders:
            place = min(max(place, 0), len(self.leaders) - 1)
            self._cursor = self.leaders[place].run.id
            self._show()

    def action_pick_and_mark(self, place: int) -> None:
        self.action_pick(place)
        self.action_mark()

    def action_next_metric(self, step: int) -> None:
        metrics = self.metrics
        self.metric = metrics[(metrics.index(self.metric) + step) % len(metrics)]
        self._cursor = None
        self.draw()

    def action_flip(self) -> None:
        flipped: Direction = "higher" if self.direction == "lower" else "lower"
        self._cursor = None
        self.session.change(with_direction(self.view, self.metric, flipped))

    def action_next_limit(self) -> None:
        self.limit = _LIMITS[(_LIMITS.index(self.limit) + 1) % len(_LIMITS)]
        self.draw()

    def action_next_view(self) -> None:
        self.shown = VIEWS[(VIEWS.index(self.shown) + 1) % len(VIEWS)]
        self._show()

    def action_mark(self) -> None:
        if self.leaders:
            run = self.leaders[self.cursor].run
            selected = self.view.selected
            marked = toggle_mark(replace(self.view, selected=run.id))
            self.session.change(replace(marked, selected=selected))

    def action_go_to_run(self) -> None:
        if self.leaders:
            run = self.leaders[self.cursor].run
            self.dismiss()
            self.session.change(replace(self.view, selected=run.id))

    def action_compare(self) -> None:
        if not self.leaders:
            self._compare(self.view.selected, self.rows)
            return
        ranked = [leader.run for leader in self.leaders]
        others = [run for run in self.rows.everything if run.id not in self._places]
        self._compare(ranked[self.cursor].id, RunRows(ranked, others))

    def action_close(self) -> None:
        self.dismiss()


def _question(metric: str) -> str:
    words = field_of(metric).words
    return f"Are lower or higher values of {words} better? Press i for lower, again for higher."


def _status_line(
    metric: str,
    direction: Direction | None,
    limit: int | None,
    ranked: int,
    count: int,
    ahead: int | None,
    width: int,
) -> Line:
    which = {"lower": "lowest ", "higher": "highest ", None: ""}[direction]
    left: Line = (
        Piece(" best", "accent", bold=True),
        Piece(f"  top {limit}" if limit else "", "strong"),
        Piece(f"  {which}"),
        Piece(field_of(metric).words, "strong", bold=True),
    )
    known = f"{ranked:,} of {count:,} runs have it "
    if ahead is not None:
        known = f"{ahead:,} better than the baseline · {known}"
    return spread(left, (Piece(known, "muted"),), width)
