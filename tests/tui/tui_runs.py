"""Runs to show, an App that shows only what a test posts to it, and what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from tests.drawing import is_drawn
from tests.runs import DIRECTORY, NOW, write_run
from tests.waiting import settle
from textual.notifications import Notification
from textual.pilot import Pilot

from traintop.analysis.alerts import Alert, AlertKind
from traintop.analysis.percentiles import pace_of
from traintop.directory_memory import DirectoryMemory
from traintop.lines import Line
from traintop.model import RunSummary
from traintop.settings import DEFAULTS, Settings
from traintop.store.catalog import RunCatalog
from traintop.store.console import ConsoleReader
from traintop.store.files.local import LocalFiles
from traintop.store.history import History, Values
from traintop.store.snapshot import PlaceState, Snapshot
from traintop.tui.app import TraintopApp
from traintop.tui.kit.help import HelpScreen
from traintop.tui.messages import HistoryLoaded, SnapshotChanged


class PostedApp(TraintopApp):
    """Watches no directory and reads no file: it shows what is posted to it."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: NOW,
        settings: Settings = DEFAULTS,
        problems: Sequence[str] = (),
        memory: DirectoryMemory | None = None,
    ) -> None:
        super().__init__([DIRECTORY], clock, settings, problems, memory)
        self._revision = 0

    def start_watching(self) -> None:
        """Only name the runs' place: they come from the test."""
        self._catalog = RunCatalog([DIRECTORY])

    def console_of(self, run_id: str) -> ConsoleReader:
        return ConsoleReader(LocalFiles(), run_id)

    def start_loading(self) -> None:
        """Nothing: the records come from the test."""

    def post_runs(
        self,
        runs: Sequence[RunSummary],
        notices: tuple[str, ...] = (),
        places: tuple[PlaceState, ...] = (),
    ) -> None:
        self._revision += 1
        self.post_message(
            SnapshotChanged(
                Snapshot(
                    runs=tuple(runs),
                    roots=(str(DIRECTORY),),
                    notices=notices,
                    revision=self._revision,
                    places=places,
                )
            )
        )

    def post_history(
        self,
        run: RunSummary,
        points: int,
        *,
        scale: float = 1.0,
        complete: bool = True,
        **metrics: Values,
    ) -> None:
        self._revision += 1
        loss = [4.0 * scale / (1 + i / 10) for i in range(points)]
        history = History.from_columns(
            {
                "iteration": range(points),
                "gradient_step": range(1, points + 1),
                "wallclock_time": [i / 2 for i in range(points)],
                "train_loss": loss,
                "val_loss": [value + 0.1 if i % 10 == 0 else None for i, value in enumerate(loss)],
                "tokens_per_sec": [120_000.0] * points,
                "grad_norm": loss,
                **metrics,
            }
        )
        loaded = HistoryLoaded(run.id, history, pace_of(history), self._revision, complete=complete)
        self.main_screen.post_message(loaded)


def line_text(line: Line) -> str:
    """The characters of a line."""
    return "".join(piece.text for piece in line)


def screen_text(app: TraintopApp) -> str:
    """All characters on the screen, as a person sees them."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips)


def toasts(app: TraintopApp) -> list[Notification]:
    """What pops up over the screen now."""
    return [*app._notifications]


def notice(
    run: RunSummary,
    kind: AlertKind = AlertKind.CRASHED,
    text: str = "process exited",
) -> Alert:
    """What happened to a run just now."""
    return Alert(kind, run.id, run.name, text, NOW)


def selected(app: TraintopApp) -> str:
    """The name of the run that the cursor of the list is on."""
    run = app.main_screen.rows.run(app.main_screen.view.selected)
    assert run is not None
    return run.name


def listed_names(app: TraintopApp) -> list[str]:
    """The names of the listed runs, in their order."""
    return [run.name for run in app.main_screen.rows.runs]


@asynccontextmanager
async def listing(
    runs: Sequence[RunSummary],
    size: tuple[int, int] = (120, 40),
    notices: tuple[str, ...] = (),
    app: PostedApp | None = None,
) -> AsyncIterator[tuple[PostedApp, Pilot[None]]]:
    """The App with these runs listed, and no records of any."""
    app = app or PostedApp()
    async with app.run_test(size=size, notifications=True) as pilot:
        app.post_runs(runs, notices)
        await settle(pilot, lambda: app.main_screen.session.runs is not None and is_drawn(app))
        yield app, pilot


@asynccontextmanager
async def showing(
    runs: Sequence[RunSummary],
    size: tuple[int, int] = (160, 48),
    notices: tuple[str, ...] = (),
    clock: Callable[[], datetime] = lambda: NOW,
) -> AsyncIterator[tuple[PostedApp, Pilot[None]]]:
    """The App with these runs listed, and the records of the first one there."""
    async with listing(runs, size, notices, PostedApp(clock)) as (app, pilot):
        for run in runs[:1]:
            app.post_history(run, points=50)
            await settle(pilot, lambda: app.main_screen.plotted.loaded and is_drawn(app))
        await pilot.pause()
        yield app, pilot


@asynccontextmanager
async def watching(
    directory: Path, size: tuple[int, int] = (120, 40), runs: int = 3
) -> AsyncIterator[tuple[TraintopApp, Pilot[None], list[Path]]]:
    """The App over a real directory with so many runs, and their files."""
    paths = [
        write_run(
            directory / f"experiment_run-{number}_20250222_14{50 - number}00.json",
            config={"experiment_name": f"run-{number}"},
            start_time=f"2025-02-22T14:{50 - number}:00",
            status="finished",
        )
        for number in range(runs)
    ]
    app = TraintopApp([directory], lambda: NOW)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == runs and is_drawn(app))
        yield app, pilot, paths


async def help_palette_and_back(app: TraintopApp, pilot: Pilot[None], *words: str) -> None:
    """From a screen over the list: its help, which has these words, the palette, and the list."""
    screen = app.screen
    await pilot.press("?")
    await settle(pilot, lambda: isinstance(app.screen, HelpScreen))
    await settle(pilot, lambda: all(word in screen_text(app) for word in words))
    await pilot.press("escape", "ctrl+l", "ctrl+p")
    await settle(pilot, lambda: app.screen is not screen)
    await pilot.press("escape")
    await settle(pilot, lambda: app.screen is screen)
    await pilot.press("q")
    await settle(pilot, lambda: app.screen is app.main_screen)
