"""What travels from the threads at the edge to the App and its screens. All of it is immutable.

Only ``post_message`` crosses threads: it never blocks, and it is safe after the App has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from traintop.analysis.alerts import Alert, AlertKind
    from traintop.analysis.percentiles import Pace
    from traintop.model import RunSummary
    from traintop.store.annotations import AnnotationChange
    from traintop.store.history import History
    from traintop.store.snapshot import Snapshot


AskAgain = Callable[[str], Awaitable[None]]
"""Asks a person again for what was typed, and says why."""


class _Newest(Message):
    """One that makes an earlier one of its kind, and of its run if it has one, worthless."""

    def can_replace(self, message: Message) -> bool:
        same_run = getattr(message, "id", None) == getattr(self, "id", None)
        return type(message) is type(self) and same_run


@dataclass(eq=False)
class EndRequested(Message):
    """The system wants the program to end with this code, as when the terminal is gone."""

    return_code: int


@dataclass(eq=False)
class LineSlowed(_Newest):
    """The line to the terminal takes less than there is to show, or takes all of it again."""

    slow: bool


@dataclass(eq=False)
class SnapshotChanged(_Newest):
    """The watcher saw something new."""

    snapshot: Snapshot


@dataclass(eq=False)
class HistoryLoaded(_Newest):
    """Records of one run, and its pace. ``complete`` is false while they are only a sample of it.

    ``revision`` grows with each load, so that equal revisions mean equal content.
    """

    id: str
    history: History
    pace: Pace
    revision: int
    complete: bool


@dataclass(eq=False)
class ReadingProgress(_Newest):
    """So large a share of a run's file is read, from 0 to 1."""

    id: str
    share: float


@dataclass(eq=False)
class LoadFailed(Message):
    """A run's records could not be read; the reason is in words."""

    id: str
    reason: str


@dataclass(eq=False)
class TrendsLoaded(Message):
    """The courses of the losses of some runs, as sparklines."""

    trends: Mapping[str, str]


@dataclass(eq=False)
class CurvesPrepared(Message):
    """Curves that took long to make are there."""


@dataclass(eq=False)
class FirstRunsPainted(Message):
    """The runs are on the screen for the first time: now there is time for slow imports."""


class ViewChanged(_Newest):
    """The person changed something of the view that may be worth remembering."""


@dataclass(eq=False)
class AlertsChanged(_Newest):
    """What is wrong now with runs that go on, by their id."""

    alerts: Mapping[str, AlertKind]


@dataclass(eq=False)
class ActionFailed(Message):
    """What a rule asked for could not be done; ``text`` says why."""

    text: str


@dataclass(eq=False)
class NoticesRaised(Message):
    """Something happened to runs that the person should know."""

    notices: Sequence[Alert]


@dataclass(eq=False)
class CopyRequested(Message):
    """The person wants the path of a run in the clipboard."""

    id: str


@dataclass(eq=False)
class AnnotationRequested(Message):
    """The person annotates these runs.

    Where that fails, ``ask_again`` is called with the reason: what was typed is not lost.
    """

    run_ids: tuple[str, ...]
    change: AnnotationChange
    ask_again: AskAgain | None = None


@dataclass(eq=False)
class AnnotationsWritten(Message):
    """The runs are annotated; ``failures`` say in words what could not be saved.

    ``places`` are in words those where it was, but for beside runs on this machine: "on gpu07".
    """

    request: AnnotationRequested
    failures: tuple[str, ...]
    places: tuple[str, ...] = ()


@dataclass(eq=False)
class ExportRequested(Message):
    """The person asked for the CSV of runs: in one file when ``together``, else one each."""

    runs: tuple[RunSummary, ...]
    together: bool


@dataclass(eq=False)
class TextExportRequested(Message):
    """The person asked for a file of this text, under a free name that begins with ``stem``."""

    stem: str
    suffix: str
    text: str


@dataclass(eq=False)
class ExportProgress(_Newest):
    """An export is at one of its runs, and has written so many records."""

    run: int
    runs: int
    records: int


@dataclass(eq=False)
class ExportEnded(Message):
    """A file or directory was written, or none when ``target`` is ``None``.

    ``note`` says why, or what else there is to know.
    """

    target: Path | None
    note: str = ""
    failed: bool = False
