"""What the command of a run printed, over the whole screen; it follows what is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread

from textual.app import ComposeResult
from textual.message import Message
from textual.timer import Timer

from traintop.lines import Line, Piece
from traintop.model import ALIVE, RunSummary
from traintop.store.console import LOOK_SECONDS, ConsoleReader
from traintop.store.formats import UnreadableRunError
from traintop.text import counted
from traintop.tui.kit.keys import Need, Place, Situation
from traintop.tui.kit.pane import LinePane
from traintop.tui.kit.screen import SessionScreen
from traintop.tui.main.details import header_line
from traintop.tui.main.records import RecordsView
from traintop.tui.session import Session

_SHIFT = 20  # characters
_NONE = "no output of this run is kept: start its program with  traintop run -- python train.py"


@dataclass(eq=False)
class OutputRead(Message):
    """The lines as they are now; ``None`` where none are kept."""

    lines: tuple[str, ...] | None
    note: str = ""


class OutputScreen(SessionScreen):
    """Shows what the command of the run printed that the view has opened."""

    PLACES = (Place.OUTPUT,)

    def __init__(self, session: Session, console_of: Callable[[str], ConsoleReader]) -> None:
        super().__init__(session)
        self._lines: tuple[str, ...] | None = None
        self._note = "reading …"
        self._place = RecordsView()
        self._is_reading = False
        self._is_outdated = False  # what is being read
        self._seen: tuple[RunSummary, bool] | None = None  # and whether its place answers
        self._timer: Timer | None = None
        self._header_pane = LinePane(id="status")
        self._output_pane = LinePane(id="output")
        self._console_of = console_of
        self._reader: ConsoleReader | None = None

    def compose(self) -> ComposeResult:
        yield self._header_pane
        yield self._output_pane
        yield self.footer

    def on_mount(self) -> None:
        self.draw()

    @property
    def situation(self) -> Situation:
        return Situation(Place.OUTPUT, frozenset({Need.RUNS}))

    def draw(self) -> None:
        run = self.rows.run(self.view.opened)
        if run is None:
            self.action_close()
            return
        state = self.session.state_of(run)
        if (run, state is None) != self._seen:
            self._seen = run, state is None
            self._look()
        lines, place = self._lines, self._place
        note = self._note if state is None else f"cannot be read now: {state.text}"
        known = _shown(lines)
        words = "" if lines is None else counted(len(known), "line")
        if place.end is not None:
            words = f"up to {place.end:,} of {words}"
        self._header_pane.show_line(
            (run, words, state),
            lambda width: header_line(
                run, "", width, tuple(filter(None, [words])), self.rows.short_name, state
            ),
        )
        self._output_pane.show(
            (id(lines), len(known), place, note),
            lambda width, height: _output_lines(known, place, height, note),
        )
        self.show_footer()

    # Reading is for another thread.

    def _look_again(self) -> None:
        """Look where more may be printed, or what is could not be read."""
        if self._seen is not None:
            run, answers = self._seen
            if answers and (run.status in ALIVE or self._note not in ("", _NONE)):
                self._look()

    def _look(self) -> None:
        self._is_outdated = self._is_reading
        if not self._is_reading:
            self._is_reading = True
            # A daemon, unlike a worker: the program ends although a filesystem never answers.
            Thread(target=self._read, name="traintop-output", daemon=True).start()

    def _read(self) -> None:
        note = ""
        try:
            if self._reader is None and self.view.opened is not None:
                self._reader = self._console_of(self.view.opened)
            if self._reader is not None:
                self._reader.follow()
        except UnreadableRunError as error:
            note = str(error)
        lines = None if self._reader is None else self._reader.lines
        self.post_message(OutputRead(lines, note or ("" if lines else _NONE)))

    def on_output_read(self, message: OutputRead) -> None:
        self._is_reading = False
        self._lines, self._note = message.lines, message.note
        if self._is_outdated:
            self._look()
        else:
            if self._timer is not None:
                self._timer.stop()
            wait = LOOK_SECONDS if self._reader is None else self._reader.interval
            self._timer = self.set_timer(wait, self._look_again)
        self.draw()

    # Keys.

    def action_scroll(self, lines: int) -> None:
        page = max(self._output_pane.content_height(), 1)
        self._place = self._place.scroll(lines, len(_shown(self._lines)), page)
        self.draw()

    def action_scroll_pages(self, pages: int) -> None:
        self.action_scroll(pages * max(self._output_pane.content_height() - 1, 1))

    def action_go_to_end(self, direction: int) -> None:
        self.action_scroll(direction * len(_shown(self._lines)))

    def action_shift(self, columns: int) -> None:
        longest = max(map(len, _shown(self._lines)), default=0)
        self._place = self._place.shift(columns, longest // _SHIFT + 1)
        self.draw()

    def action_close(self) -> None:
        self.dismiss()

    def on_mouse_scroll_down(self) -> None:
        self.action_scroll(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_scroll(-3)


def _shown(lines: tuple[str, ...] | None) -> Sequence[str]:
    """All but the blank end behind the last line."""
    known = lines or ()
    return known[:-1] if known and not known[-1] else known


def _output_lines(lines: Sequence[str], place: RecordsView, height: int, note: str) -> list[Line]:
    if not lines:
        return [(Piece(f"  {note}", "muted"),)]
    in_view = place.shown(len(lines), height)
    start = place.first * _SHIFT
    return [(Piece(f" {line[start:]}"),) for line in lines[in_view.start : in_view.stop]]
