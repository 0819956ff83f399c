"""What travels from the threads at the edge to the App. All of it is immutable.

Only ``post_message`` crosses threads: it never blocks, and it is safe after the App has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from traintop.analysis.alerts import Alert
    from traintop.analysis.percentiles import Pace
    from traintop.model import RunSummary
    from traintop.store.annotations import AnnotationChange
    from traintop.store.catalog import Snapshot
    from traintop.store.history import History


AskAgain = Callable[[str], Awaitable[None]]
"""Asks a person once more for what was typed, and says why."""


class EndRequested(Message):
    """The system wants the program to end with this code, as when the terminal is gone."""

    def __init__(self, return_code: int) -> None:
        self.return_code = return_code
        super().__init__()


class SnapshotChanged(Message):
    """The watcher saw something new; a later snapshot makes an earlier one worthless."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotChanged)


class HistoryLoaded(Message):
    """Records of one run, and its pace. ``complete`` is false while they are only a sample of it.

    ``revision`` grows with each load, so that equal revisions mean equal content.
    """

    def __init__(
        self, run_id: str, history: History, pace: Pace, revision: int, *, complete: bool
    ) -> None:
        self.id = run_id
        self.history = history
        self.pace = pace
        self.revision = revision
        self.complete = complete
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, HistoryLoaded) and message.id == self.id


class ReadingProgress(Message):
    """So large a share of a run's file is read, from 0 to 1."""

    def __init__(self, run_id: str, share: float) -> None:
        self.id = run_id
        self.share = share
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ReadingProgress) and message.id == self.id


class LoadFailed(Message):
    """A run's records could not be read; the reason is in words."""

    def __init__(self, run_id: str, reason: str) -> None:
        self.id = run_id
        self.reason = reason
        super().__init__()


class TrendsLoaded(Message):
    """The courses of the losses of some runs, as sparklines."""

    def __init__(self, trends: Mapping[str, str]) -> None:
        self.trends = trends
        super().__init__()


class ExportProgress(Message):
    """An export is at one of its runs, and has written so many records."""

    def __init__(self, run: int, runs: int, records: int) -> None:
        self.run = run
        self.runs = runs
        self.records = records
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ExportProgress)


class ExportEnded(Message):
    """A file or directory was written, or none when ``target`` is ``None``.

    ``note`` says why, or what else there is to know.
    """

    def __init__(self, target: Path | None, note: str = "", *, failed: bool = False) -> None:
        self.target = target
        self.note = note
        self.failed = failed
        super().__init__()


class AnnotationRequested(Message):
    """The person annotates these runs.

    Where that fails, ``ask_again`` is called with the reason: what was typed is not lost.
    """

    def __init__(
        self,
        run_ids: tuple[str, ...],
        change: AnnotationChange,
        ask_again: AskAgain | None = None,
    ) -> None:
        self.run_ids = run_ids
        self.change = change
        self.ask_again = ask_again
        super().__init__()


class AnnotationsWritten(Message):
    """The runs are annotated on disk; ``failures`` say in words what could not be written."""

    def __init__(self, request: AnnotationRequested, failures: tuple[str, ...]) -> None:
        self.request = request
        self.failures = failures
        super().__init__()


class NoticesRaised(Message):
    """Something happened to runs that the person should hear of."""

    def __init__(self, notices: Sequence[Alert]) -> None:
        self.notices = notices
        super().__init__()


class CopyRequested(Message):
    """The person wants the path of a run in the clipboard."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id
        super().__init__()


class ViewChanged(Message):
    """The person changed something of the view that may be worth remembering."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ViewChanged)


class CurvesPrepared(Message):
    """Curves that took long to make are there."""


class FirstRunsPainted(Message):
    """The runs are on the screen for the first time: now there is time for slow imports."""


class ExportRequested(Message):
    """The person asked for the CSV of runs: in one file when ``together``, else one each."""

    def __init__(self, runs: tuple[RunSummary, ...], *, together: bool) -> None:
        self.runs = runs
        self.together = together
        super().__init__()


class TextExportRequested(Message):
    """The person asked for a file of this text, under a free name that begins with ``stem``."""

    def __init__(self, stem: str, suffix: str, text: str) -> None:
        self.stem = stem
        self.suffix = suffix
        self.text = text
        super().__init__()
