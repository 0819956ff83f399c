"""The App: wires the watcher, the screens, and what writes for them in the background."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from textual import events
from textual.app import App
from textual.filter import LineFilter
from textual.notifications import Notify
from textual.screen import Screen
from textual.timer import Timer

from traintop.analysis.rules import recent_records, usable_rules
from traintop.directory_memory import DirectoryMemory, memory_path
from traintop.run_ids import is_remote, root_name
from traintop.settings import DEFAULTS, Settings, load_settings, settings_path
from traintop.terminal import (
    can_be_continued,
    desktop_sequence,
    draws_ascii_only,
    is_gnu_screen,
    on_termination,
    takes_clipboard,
)
from traintop.text import safe_text
from traintop.tui._textual import (
    LastingNotification,
    driver_class,
    forget_terminal,
    write_to_terminal,
)
from traintop.tui.alerts.toasts import (
    TOAST_SECONDS,
    NoticeLog,
    NoticeToasts,
    toasts_of,
)
from traintop.tui.annotate.actions import AnnotationController, written_text
from traintop.tui.annotate.writer import AnnotationWriter
from traintop.tui.export.choices import ExportController
from traintop.tui.export.exports import Export, ExportWriter, ProgressScreen, ended_text
from traintop.tui.key_table import KEYS
from traintop.tui.kit.keymap import remapped_keys
from traintop.tui.kit.keys import use_table
from traintop.tui.kit.pane import StyledLines
from traintop.tui.kit.themes import THEMES, AsciiFilter, ColorlessFilter, theme_name
from traintop.tui.kit.typeahead import TypeAheadApp
from traintop.tui.main.screen import MainScreen
from traintop.tui.messages import (
    ActionFailed,
    AlertsChanged,
    AnnotationRequested,
    AnnotationsWritten,
    CopyRequested,
    EndRequested,
    ExportEnded,
    ExportProgress,
    ExportRequested,
    LineSlowed,
    NoticesRaised,
    SnapshotChanged,
    TextExportRequested,
)
from traintop.tui.process_memory import collect_what_is_new, give_back_large_blocks
from traintop.tui.rows import RunRows
from traintop.tui.session import Session
from traintop.tui.view import (
    ViewState,
    describe_comparison,
    runs_to_compare,
    smoothing_level,
)
from traintop.tui.view_memory import plain_view, recalled_view

if TYPE_CHECKING:
    from traintop.store.annotations import AnnotationChange, Saved
    from traintop.store.console import ConsoleReader
    from traintop.store.formats import RunReader
    from traintop.store.snapshot import Snapshot
    from traintop.store.watch import CatalogWatcher
    from traintop.tui.alerts.responder import RuleResponder

_LONGEST_PATH = 4096
_RULE_SECONDS = 2.0  # between two looks at what rules ask, where nothing changes
_REMEMBER_SECONDS = 3.0
_RESIZED_SECONDS = 0.1  # after which a terminal that is dragged is taken to rest
_PROGRESS_SECONDS = 0.5
"""How long an export runs before its progress is shown."""

_WITHOUT_COLORS, _TO_ASCII = ColorlessFilter(), AsciiFilter()


class _Overlays:
    """Opens over the main screen what needs more of it than the session."""

    def __init__(
        self,
        session: Session,
        main: MainScreen,
        console_of: Callable[[str], ConsoleReader],
        annotations: AnnotationController,
    ) -> None:
        self._session = session
        self._main = main
        self._console_of = console_of
        self._annotations = annotations

    def action_open_run(self) -> None:
        from traintop.tui.main.run_screen import RunScreen  # not for the first frame

        session = self._session
        session.change(replace(session.view, opened=session.view.selected))
        screen = RunScreen(session, self._main.plotted, self._console_of)
        screen.use_actions(self._annotations)
        self._main.app.push_screen(screen)

    def action_compare(self) -> None:
        self.compare(self._session.view.selected, self._session.rows)

    def compare(self, selected: str | None, rows: RunRows) -> None:
        """Open the comparison of the runs that are meant where ``selected`` has the cursor."""
        from traintop.tui.compare.screen import CompareScreen  # not for the first frame

        session = self._session
        view = replace(session.view, selected=selected)
        words = describe_comparison(view, rows)

        def close(_: object) -> None:
            session.change(replace(session.view, compared=()))

        session.change(replace(session.view, compared=runs_to_compare(view, rows)))
        source = self._main.chart_source
        self._main.app.push_screen(CompareScreen(session, source, words), close)

    def action_best(self) -> None:
        from traintop.tui.leaderboard.screen import BestScreen

        plotted = self._main.plotted
        self._main.app.push_screen(BestScreen(self._session, plotted, self.compare))


class TraintopApp(TypeAheadApp):
    """The terminal UI over one or several roots."""

    TITLE = "traintop"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(
        self,
        roots: Sequence[str | os.PathLike[str]],
        clock: Callable[[], datetime] = datetime.now,
        settings: Settings = DEFAULTS,
        problems: Sequence[str] = (),
        memory: DirectoryMemory | None = None,
        opened: str = "",
    ) -> None:
        """``problems`` say in words what is wrong with the settings file.

        The run ``opened`` is selected as soon as it is read.

        Without a ``memory``, every visit begins with the defaults.
        """
        super().__init__(driver_class=driver_class(os.environ))
        self._settings = settings
        self._memory = memory
        self._remembering: Timer | None = None
        recalled = {} if memory is None else memory.recall()
        table, unusable = remapped_keys(KEYS, settings.keys)
        StyledLines.ascii_only = draws_ascii_only(os.environ)
        use_table(table, ascii_only=StyledLines.ascii_only)
        self._rules, wrong = usable_rules(settings.rules)
        self._is_stopping = False
        self._problems = (*problems, *unusable, *wrong)
        # Over SSH each frame of an animation costs bytes, and none of them says anything.
        self.animation_level = "none"
        for theme in THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = theme_name(dark=recalled.get("theme", settings.theme) != "light")
        self._roots = tuple(os.fspath(root) for root in roots)
        self._watcher: CatalogWatcher | None = None
        self._responder: RuleResponder | None = None
        self._repainting: Timer | None = None
        self._is_painted = False
        self._written: Path | None = None
        self._toasts = NoticeToasts(self)
        self.annotations = AnnotationWriter(self.annotate, self.post_message)
        self.exports = ExportWriter(self.post_message, self.reader_of)
        view = ViewState(
            smoothing=smoothing_level(settings.smoothing),
            directions=tuple(settings.directions.items()),
        )
        session = Session(clock, recalled_view(recalled, view))
        session.awaited = opened or None
        self.main_screen = main = MainScreen(self._roots, session, self.reader_of)
        self.notice_log = NoticeLog(session, main)
        annotations = AnnotationController(session, main)
        main.use_actions(
            self.notice_log,
            annotations,
            ExportController(session, main),
            _Overlays(session, main, self.console_of, annotations),
        )

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = (_WITHOUT_COLORS,) if self.no_color else super().get_line_filters()
        return (*filters, _TO_ASCII) if StyledLines.ascii_only else filters

    def get_default_screen(self) -> MainScreen:
        return self.main_screen

    def on_mount(self) -> None:
        self.start_watching()
        if self._problems:
            self._report("\n".join(self._problems), failed=True)
        self.app_resume_signal.subscribe(self, self._draw_everything_again)
        if not self.is_headless:
            on_termination(lambda code: self.post_message(EndRequested(code)))

    async def action_quit(self, return_code: int = 0) -> None:
        """Quit after what the screen has still to hand over, such as a note that was just typed."""
        self.main_screen.call_later(self.call_later, self.exit, return_code=return_code)

    def action_suspend_process(self) -> None:
        """Back to the shell, where there is one; once, however often the key was pressed."""
        if self._is_stopping:
            return
        if can_be_continued():
            self._is_stopping = True
            super().action_suspend_process()
        else:
            self._report("No shell to go back to: this terminal was opened for traintop")

    def _take_stops_again(self) -> None:
        """Behind the keys that were pressed before the stop."""
        self._is_stopping = False

    async def on_end_requested(self, message: EndRequested) -> None:
        await self.action_quit(message.return_code)

    def _draw_everything_again(self, app: App[object]) -> None:
        """Back from the shell: Textual 8.2 enters the alternate screen and leaves it empty."""
        self.call_later(self._take_stops_again)
        self.screen.refresh(repaint=True, layout=True)

    def start_watching(self) -> None:
        """Start the watcher; from here on the screen follows the roots."""
        from traintop.store.catalog import RunCatalog
        from traintop.store.watch import CatalogWatcher
        from traintop.tui.alerts.responder import RuleResponder

        self._catalog = RunCatalog(self._roots)
        sample = recent_records(self._catalog.reader)
        urls = self._settings.notify_urls
        responder = self._responder = RuleResponder(self._rules, urls, sample, self.post_message)
        shown: tuple[int, str] | None = None

        def publish(snapshot: Snapshot) -> None:
            nonlocal shown
            current = (snapshot.revision, watcher.mode)  # the same again is for the rules
            if current != shown:
                shown = current
                self.post_message(SnapshotChanged(snapshot))
            responder.take(snapshot)

        # What a rule asks may come to be so with time alone.
        every = _RULE_SECONDS if self._rules else math.inf
        watcher = self._watcher = CatalogWatcher(self._catalog, publish, every=every)
        responder.start()
        watcher.start()

    def reader_of(self, run_id: str) -> RunReader:
        """A reader of a run that is listed, for any thread."""
        return self._catalog.reader(run_id)

    def annotate(self, run_id: str, change: AnnotationChange) -> Saved:
        """Change what people say of a run that is listed, from one other thread."""
        return self._catalog.annotate(run_id, change)

    def console_of(self, run_id: str) -> ConsoleReader:
        """A reader of what the command of a run printed, for any thread."""
        return self._catalog.console(run_id)

    def start_loading(self) -> None:
        """Start to read the records of the plotted runs."""
        self.main_screen.start_loading()

    def finish_actions(self) -> None:
        """Wait a little for what rules began."""
        if self._responder is not None:
            self._responder.finish()

    def on_unmount(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
        if self._responder is not None:
            self._responder.stop()

    async def on_event(self, event: events.Event) -> None:
        """Answer a person first: pause reading files."""
        if isinstance(event, events.InputEvent):
            self.main_screen.loader.pause()
        await super().on_event(event)

    def on_resize(self) -> None:
        """Redraw everything: a terminal that was smaller for a moment has lost what was outside.

        Textual draws what differs between the sizes it met, and may not have met that one. At the
        start nothing was drawn that could be lost.
        """
        if self._repainting is not None:
            self._repainting.stop()
        if self._is_painted:
            self._repainting = self.set_timer(_RESIZED_SECONDS, self.action_repaint)

    def action_repaint(self) -> None:
        if not self.screen_stack:  # none is left once the program quits
            return
        if self.screen.outer_size == self.size:
            forget_terminal(self)
            self.screen.refresh(repaint=True, layout=True)
        else:
            self.on_resize()  # a busy screen does not know its size yet

    def on_snapshot_changed(self, message: SnapshotChanged) -> None:
        mode = self._watcher.mode if self._watcher is not None else ""
        self.main_screen.show_snapshot(message.snapshot, mode)
        is_waiting = message.snapshot.unread and not message.snapshot.places
        if not is_waiting:
            collect_what_is_new()

    def on_line_slowed(self, message: LineSlowed) -> None:
        self.main_screen.show_line_speed(slow=message.slow)

    def on_first_runs_painted(self) -> None:
        self._is_painted = True
        give_back_large_blocks()
        # Its threads import numpy: after the first frame, not before.
        self.start_loading()

    def on_alerts_changed(self, message: AlertsChanged) -> None:
        self.main_screen.show_alerts(message.alerts)

    def on_notices_raised(self, message: NoticesRaised) -> None:
        notices = self.notice_log.add(message.notices)
        for toast in toasts_of(notices):
            if self._settings.bell:
                self.bell()
            if self._settings.desktop_notices:
                write_to_terminal(self, desktop_sequence(toast.title, toast.text, os.environ))
        self._toasts.show(notices)

    def on_action_failed(self, message: ActionFailed) -> None:
        self._report(message.text, failed=True)

    def on_copy_requested(self, message: CopyRequested) -> None:
        self._copy(message.id)

    def action_copy_written(self) -> None:
        """Copy the path of what was exported last."""
        if self._written is None:
            self._report("Nothing exported yet: e exports runs, E a chart")
        else:
            self._copy(str(self._written))

    def _copy(self, path: str) -> None:
        if not is_remote(path):
            path = os.path.abspath(path)
        # A file name may hold bytes that are no text; the clipboard takes text only.
        self.copy_to_clipboard(os.fsencode(path).decode("utf-8", "replace"))
        # The path is on the screen in any case, for terminals that take nothing.
        shown = safe_text(path, limit=_LONGEST_PATH)
        copied = takes_clipboard(os.environ)
        self._report(f"{'Copied' if copied else 'Your terminal may not support copying'}: {shown}")

    def on_view_changed(self) -> None:
        if self._memory is not None and self._remembering is None:
            self._remembering = self.set_timer(_REMEMBER_SECONDS, self._remember_off_thread)

    def _remember_off_thread(self) -> None:
        self._remembering = None
        self.run_worker(self.remember, thread=True, group="remember", exit_on_error=False)

    def remember(self) -> None:
        """Remember the view for the next visit."""
        if self._memory is not None:
            theme = "dark" if self.current_theme.dark else "light"
            self._memory.remember({**plain_view(self.main_screen.view), "theme": theme})

    def on_annotation_requested(self, message: AnnotationRequested) -> None:
        self.annotations.write(message)

    async def on_annotations_written(self, message: AnnotationsWritten) -> None:
        request, failures = message.request, message.failures
        if not failures:
            words = written_text(request.change, len(request.run_ids), message.places)
            self._report(safe_text(words, limit=_LONGEST_PATH))
        elif request.ask_again is not None:
            await request.ask_again(failures[0])
        else:
            self._report(
                safe_text("Not saved, " + "\n".join(failures), limit=_LONGEST_PATH), failed=True
            )
        if self._watcher is not None:
            self._watcher.look_again()

    def on_export_requested(self, message: ExportRequested) -> None:
        stem = root_name(self._roots[0])
        export = self.exports.write_runs(message.runs, stem, together=message.together)
        self.set_timer(_PROGRESS_SECONDS, partial(self._show_progress, export, self.screen))

    def _show_progress(self, export: Export, asked_on: Screen[Any]) -> None:
        """Once the person is where the export was asked for: no other dialog loses its keys."""
        if export.done.is_set():
            return
        if self.screen is asked_on:
            self.push_screen(ProgressScreen(export))
        else:
            self.set_timer(_PROGRESS_SECONDS, partial(self._show_progress, export, asked_on))

    def on_text_export_requested(self, message: TextExportRequested) -> None:
        self.exports.write_text(message)

    def on_export_progress(self, message: ExportProgress) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, ProgressScreen):
                screen.show(message)

    def on_export_ended(self, message: ExportEnded) -> None:
        self.exports.mark_reported(message)
        if isinstance(self.screen, ProgressScreen) and self.screen.export.done.is_set():
            self.screen.dismiss()
        self._written = message.target or self._written
        self._report(ended_text(message), failed=message.failed)

    def notify(self, message: str, **options: Any) -> None:
        """Show a message for some seconds; markup in it is text unless the options ask for it."""
        toast = LastingNotification(message, **{"timeout": TOAST_SECONDS, **options})
        self.post_message(Notify(toast))

    def _report(self, text: str, *, failed: bool = False) -> None:
        self.notify(text, severity="error" if failed else "information")


def run(roots: Sequence[str], opened: str = "") -> None:
    """Show the runs of ``roots`` until the person quits; select the run ``opened`` first.

    Raises ``SystemExit`` with the code of the App when that is not 0.
    """
    memory = DirectoryMemory(memory_path(), roots)
    settings = load_settings(settings_path())
    if is_gnu_screen(os.environ):
        os.environ.pop("COLORTERM", None)
    app = TraintopApp(roots, datetime.now, *settings, memory, opened)
    app.run(mouse=not is_gnu_screen(os.environ))
    app.remember()
    app.finish_actions()
    if app.exports.unfinished:
        _print(f"writing {', '.join(app.exports.unfinished)}; ctrl+c stops that")
    for problem in (*app.annotations.finish(), *app.exports.finish()):
        _print(problem)
    if app.return_code:
        raise SystemExit(app.return_code)


def _print(words: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(f"traintop: {words}", file=sys.stderr)
