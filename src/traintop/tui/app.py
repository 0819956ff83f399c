"""The App: starts the watcher and the loader, and carries messages between them and the screen."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.theme import Theme

from traintop.text import safe_text
from traintop.tui.loader import RunLoader, export_csv
from traintop.tui.messages import (
    ChartedRunsChanged,
    ExportFailed,
    ExportFinished,
    ExportRequested,
    HistoryLoaded,
    LoadFailed,
    RowsInView,
    SnapshotChanged,
    TrendsLoaded,
)
from traintop.tui.screens.main import MainScreen
from traintop.tui.terminal import draws_ascii_only
from traintop.tui.trends import TrendLoader
from traintop.tui.widgets.line_pane import StyledLines

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.catalog import Snapshot
    from traintop.store.watch import DirectoryWatcher

_LONGEST_PATH = 4096
_NOTICE_SECONDS = 8.0

THEMES = (
    Theme(
        name="traintop",
        primary="#56b4d3",
        accent="#56b4d3",
        success="#7fb86a",
        warning="#e0a640",
        error="#ee6a5f",
        foreground="#d8dce2",
        background="#13161b",
        surface="#1a1e25",
        panel="#232932",
        dark=True,
    ),
    Theme(
        name="traintop-light",
        primary="#0b6e8f",
        accent="#0b6e8f",
        success="#3c7a27",
        warning="#94610a",
        error="#b3261e",
        foreground="#1d2126",
        background="#fbfbfa",
        surface="#f1f1ef",
        panel="#e4e4e1",
        dark=False,
    ),
)


class TraintopApp(App[None]):
    """The terminal UI over one or several log directories."""

    TITLE = "traintop"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar = []

    def __init__(
        self, directories: Sequence[Path], clock: Callable[[], datetime] = datetime.now
    ) -> None:
        super().__init__()
        # Over SSH each frame of an animation costs bytes, and none of them says anything.
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = "traintop"
        StyledLines.ascii_only = draws_ascii_only(os.environ)
        self._directories = tuple(directories)
        self._watcher: DirectoryWatcher | None = None
        self._loader = RunLoader(self.post_message)
        self._trends = TrendLoader(self.post_message, ascii_only=StyledLines.ascii_only)
        self._summaries: dict[Path, RunSummary] = {}
        self._charted: tuple[Path, ...] = ()
        self.main_screen = MainScreen(self._directories, clock)

    def get_default_screen(self) -> MainScreen:
        return self.main_screen

    def on_mount(self) -> None:
        self.start_watching()
        self.app_resume_signal.subscribe(self, self._draw_everything_again)

    def _draw_everything_again(self, app: App[object]) -> None:
        """Back from the shell: Textual 8.2 enters the alternate screen and leaves it empty."""
        self.screen.refresh(repaint=True, layout=True)

    def start_watching(self) -> None:
        """Start the watcher; from here on the screen follows the directories."""
        from traintop.store.catalog import RunCatalog
        from traintop.store.watch import DirectoryWatcher

        def tell(snapshot: Snapshot) -> None:
            self.post_message(SnapshotChanged(snapshot))

        self._watcher = DirectoryWatcher(RunCatalog(self._directories), tell)
        self._watcher.start()

    def start_loading(self) -> None:
        """Start to read the records of the charted runs."""
        self._loader.start()
        self._trends.start()

    def on_unmount(self) -> None:
        self._loader.stop()
        self._trends.stop()
        if self._watcher is not None:
            self._watcher.stop()

    def on_snapshot_changed(self, message: SnapshotChanged) -> None:
        mode = self._watcher.mode if self._watcher is not None else ""
        self.main_screen.show_snapshot(message.snapshot, mode)
        before, self._summaries = self._summaries, {r.path: r for r in message.snapshot.runs}
        changed = [p for p in self._charted if self._summaries.get(p) is not before.get(p)]
        self._loader.follow(changed)

    def on_first_runs_painted(self) -> None:
        if not gc.isenabled():  # the command line left it off, for a quick start
            gc.freeze()  # what was imported stays, so no pause of a collection is for that
            gc.enable()
        # Its threads import numpy: after the first frame, not before.
        self.start_loading()

    def on_charted_runs_changed(self, message: ChartedRunsChanged) -> None:
        self._charted = tuple(run.path for run in message.runs)
        self._loader.show(message.runs)

    def on_history_loaded(self, message: HistoryLoaded) -> None:
        self.main_screen.show_history(message)

    def on_load_failed(self, message: LoadFailed) -> None:
        self.main_screen.show_failure(message)

    def on_rows_in_view(self, message: RowsInView) -> None:
        self._trends.show(message.runs)

    def on_trends_loaded(self, message: TrendsLoaded) -> None:
        self.main_screen.show_trends(message.trends)

    def on_export_requested(self, message: ExportRequested) -> None:
        self.run_worker(
            partial(export_csv, message.path, Path.cwd(), self.post_message),
            thread=True,
            group="export",
            exit_on_error=False,
        )

    def on_export_finished(self, message: ExportFinished) -> None:
        self._tell(f"Wrote {safe_text(message.target, limit=_LONGEST_PATH)}")

    def on_export_failed(self, message: ExportFailed) -> None:
        name = safe_text(message.path.name)
        self._tell(f"No CSV of {name}: {safe_text(message.reason)}", failed=True)

    def _tell(self, text: str, *, failed: bool = False) -> None:
        # Markup is interpreted in notices unless told otherwise.
        self.notify(
            text,
            severity="error" if failed else "information",
            timeout=_NOTICE_SECONDS,
            markup=False,
        )


def run(directories: Sequence[Path]) -> None:
    """Show the runs of ``directories`` until the person quits.

    Raises ``SystemExit`` with the code of the App when that is not 0.
    """
    app = TraintopApp(directories)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)
