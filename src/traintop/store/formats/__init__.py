"""What bytes mean: how the tools that train write a run, one module each, found by one table.

Another package may add a format of its own through the entry point group ``traintop.formats``,
which names a class (or function) without arguments that makes a :class:`RunFormat`::

    [project.entry-points."traintop.formats"]
    steps = "my_package.steps:StepsFormat"
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast, runtime_checkable

from traintop.model import RunSummary
from traintop.run_ids import DATABASES
from traintop.store.files import Entry, Files

if TYPE_CHECKING:
    from traintop.store.formats.followed import FollowedFormat
    from traintop.store.formats.sqlite_runs import SqliteFormat
    from traintop.store.history import History

ENTRY_POINTS = "traintop.formats"


class UnreadableRunError(ValueError):
    """There is no run, or it cannot be read; the message names it and says why."""


class NotThisFormatError(ValueError):
    """A file is not of the format that claimed it; the reason, as words that follow its name."""


class RunReader(Protocol):
    """Reads the records of one run. Every method reads files, so call it in a worker thread.

    One that the catalog hands out may be used by several threads, and raises
    :class:`UnreadableRunError` for whatever cannot be read. One that a format makes is used by one
    thread at a time; it raises ``FileError`` or ``ValueError`` with the reason as words that
    follow the name of the file.
    """

    def sample(self, points: int) -> History:
        """Records at about that many evenly spaced places, with the first and the last one.

        Costs as much for any length of run, where the format allows it.
        """

    def history(self, reached: Callable[[float], None] = ...) -> History:
        """All records. Read once; :meth:`follow` adds what is new.

        ``reached`` is called now and then with the share that is read; what it raises ends the
        reading, and leaves the run unread.
        """

    def follow(self) -> bool:
        """Reads what is new into the history; whether any record was added or changed."""


class OutOfOrderError(Exception):
    """A record belongs before what was handed out already: read the whole history instead."""


@runtime_checkable
class StreamingReader(RunReader, Protocol):
    """A reader that has a run of any length in little memory."""

    def portions(self, rows: int) -> Iterator[History]:
        """All records in portions of about so many, in order, each iteration once.

        Raises ``OutOfOrderError`` at a record that belongs into an earlier portion.
        """


class Start(Protocol):
    """Reads the first 64 KiB of a file, when it is called."""

    @property
    def files(self) -> Files:
        """Where the file lies, for a format that has to see more of it."""

    def __call__(self) -> bytes:
        """Raises ``FileError`` for what cannot be read."""


class RunFormat(Protocol):
    """How a tool writes runs. Any thread may ask.

    While one run of a place elsewhere waits for its bytes, others are looked at, so that many wait
    for the same round trip: hold no lock while files are asked.
    """

    @property
    def name(self) -> str:
        """What a person calls it, in one word: ``tensorboard``."""

    @property
    def marks(self) -> str:
        """What marks its files, in words: "events.out.tfevents.*"."""

    @property
    def patterns(self) -> Sequence[str]:
        """Names of the files that may be of this format, as :mod:`fnmatch` has them: ``*.json``.

        One with a slash names folders, all of whose files may be: ``run-*/metrics/*``.
        """

    @property
    def heartbeat(self) -> bool:
        """Whether the file of a live run changes every 10 s, even without a record."""

    @property
    def records_end(self) -> bool:
        """Whether the files say that a run has ended; else one that is quiet may have."""

    @property
    def owns_directories(self) -> bool:
        """Whether what is below the directory of a run is a part of it, as copies of files are."""

    def claims(self, entry: Entry, start: Start) -> str | None:
        """The id of the run that a file belongs to, should it turn out to be of this format.

        That is the entry's own id, or of a run in several files what they share, such as their
        directory. ``None``: it is no file of this format. ``start`` reads its first 64 KiB. Only
        files whose names match one of the ``patterns`` are asked about.
        """

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """The run that a run of this format is a part of; the run itself if it is of none.

        ``others`` has the format of each run that is known. All files of a part are given to the
        format of the whole.
        """

    def summary(
        self, files: Files, entries: Sequence[Entry], known: RunSummary | None
    ) -> RunSummary:
        """The state of the run in these files.

        ``known`` is what was read last, if they changed within the last two seconds: return it
        rather than make up for a file that is just being written. Raises
        :class:`NotThisFormatError` when another format should try, and ``FileError`` or
        ``ValueError`` with the reason when they hold no run.
        """

    def reader(self, files: Files, entries: Sequence[Entry]) -> RunReader:
        """A reader of the run in these files."""


@runtime_checkable
class ManyRunsFormat(RunFormat, Protocol):
    """How a tool writes runs of which many are in one file, such as a database.

    ``summary`` and ``reader`` get one of the entries that ``runs`` made of it.
    """

    def runs(self, files: Files, entries: Sequence[Entry]) -> Iterator[Entry]:
        """The runs in the files of one claim, the newest first, each as if it were a file.

        Its id is that of the claim with # and what is the run's own behind it; its version is
        another when the run may be. To ask for the summaries of runs costs least before the next
        one is asked for. Raises ``FileError`` or ``ValueError`` when they cannot be found.
        """


class Other(NamedTuple):
    """A format of another tool, in the order of :class:`RunFormat`, and where it is read."""

    name: str
    marks: str
    patterns: tuple[str, ...]
    reads: str
    """The class that reads it: ``module:Class`` below this package."""
    records_end: bool = False
    owns_directories: bool = False
    has_many_runs: bool = False
    """Whether the class is a :class:`ManyRunsFormat`."""
    beside: tuple[str, ...] = ()
    """Patterns of what is read beside the files of a run, such as its settings."""


_DATABASES = tuple(f"*{suffix}{log}" for suffix in DATABASES for log in ("", "-wal"))

_OTHERS = (
    Other(
        "wandb",
        "run-*.wandb of W&B, in wandb/run-* and wandb/offline-run-*",
        ("run-*.wandb", "output.log"),
        "wandb:WandbFormat",
        records_end=True,
        owns_directories=True,
        beside=("wandb-metadata.json",),
    ),
    Other(
        "transformers",
        "trainer_state.json and event files of Transformers, trainer_log.jsonl of LLaMA-Factory",
        ("trainer_state.json", "trainer_log.jsonl", "*tfevents*"),
        "transformers:TransformersFormat",
    ),
    Other(
        "csv",
        "results.csv of Ultralytics and YOLOv5, with args.yaml or opt.yaml",
        ("results.csv",),
        "csv_log:UltralyticsFormat",
        beside=("args.yaml", "opt.yaml", "hyp.yaml"),
    ),
    Other(
        "tensorboard",
        "events.out.tfevents.* of TensorBoard, PyTorch, tensorboardX, Keras",
        ("*tfevents*",),
        "tensorboard:TensorBoardFormat",
    ),
    Other(
        "trackio",
        "the SQLite database of a project of Trackio, in ~/.cache/huggingface/trackio or elsewhere",
        _DATABASES,
        "trackio:TrackioFormat",
        has_many_runs=True,
    ),
    Other(
        "mlflow",
        "meta.yaml and metrics/ of runs in mlruns/ of MLflow",
        ("meta.yaml", f"{'[0-9a-f]' * 32}/metrics/*"),
        "mlflow_files:MlflowFilesFormat",
        records_end=True,
        owns_directories=True,
        beside=("params/*", "tags/*", "meta.yaml"),  # the last: of an experiment
    ),
    Other(
        "mlflow",
        "mlflow.db, or any SQLite database of MLflow",
        _DATABASES,
        "mlflow_db:MlflowDbFormat",
        records_end=True,
        has_many_runs=True,
    ),
    Other(
        "optuna",
        "the SQLite database of studies of Optuna",
        _DATABASES,
        "optuna:OptunaFormat",
        has_many_runs=True,
    ),
    Other(
        "csv",
        "metrics.csv of Lightning, what Keras' CSVLogger writes, and other files of rows for each "
        "epoch, step or iteration",
        ("*.csv", "*.tsv", "*.log", "*.txt"),
        "csv_log:CsvFormat",
        beside=("hparams.yaml",),
    ),
    Other(
        "jsonl",
        "*.jsonl, *.ndjson and other files of JSON lines with a step, iteration or epoch",
        ("*.jsonl", "*.ndjson", "*.json", "*.log", "*.txt"),
        "json_lines:JsonLinesFormat",
    ),
    Other(
        "log",
        "*.log, *.txt, *.out with the lines of nanoGPT, llm.c, torchtitan, Megatron-LM, fairseq, "
        "Transformers, Keras and other training loops",
        ("*.log", "*.txt", "*.out"),
        "text_log:TextLogFormat",
    ),
)
"""The richest first: where several formats have the same run, the first one is shown."""


FILES_BESIDE = tuple(pattern for each in _OTHERS for pattern in each.beside)
"""Patterns of what formats read beside the files of runs."""


class OtherFormat:
    """A format of another tool; its module is imported when the first of its files is met."""

    heartbeat = False

    def __init__(self, other: Other) -> None:
        self.name, self.marks, self.patterns, self._reads = other[:4]
        self.records_end, self.owns_directories = other[4:6]

    @functools.cached_property
    def _format(self) -> FollowedFormat:
        module, _, name = self._reads.partition(":")
        made: FollowedFormat = getattr(importlib.import_module(f"{__name__}.{module}"), name)()
        return made

    def claims(self, entry: Entry, start: Start) -> str | None:
        from traintop.store.formats.traintop import is_run_name

        if is_run_name(entry.id):  # our own files are no other's
            return None
        return self._format.claims(entry, start)

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        return self._format.joined(run_id, others)

    def summary(
        self, files: Files, entries: Sequence[Entry], known: RunSummary | None
    ) -> RunSummary:
        return self._format.summary(files, entries)

    def reader(self, files: Files, entries: Sequence[Entry]) -> RunReader:
        return self._format.reader(files, entries)


class OtherManyRunsFormat(OtherFormat):
    """The same where many runs are in one file."""

    def runs(self, files: Files, entries: Sequence[Entry]) -> Iterator[Entry]:
        return cast("SqliteFormat", self._format).runs(files, entries)


class Formats(NamedTuple):
    """The formats that are read, those that come first tried first."""

    known: tuple[RunFormat, ...]
    problems: tuple[str, ...]  # in words: which could not be loaded, and why
    by_name: Mapping[str, tuple[RunFormat, ...]]  # one each, or several that say they are the same


_forced: str | None = None


def force_format(name: str) -> None:
    """Read files in this format only, in this process, whatever they look like.

    Raises ``ValueError`` for a name that no format has.
    """
    global _forced
    known = dict.fromkeys(each.name for each in run_formats().known)
    if name not in known:
        raise ValueError(f"there is no format {name!r}; traintop reads {', '.join(known)}")
    _forced = name
    run_formats.cache_clear()


def is_format_forced() -> bool:
    """Whether a person said what the files are."""
    return _forced is not None


@functools.cache
def run_formats() -> Formats:
    """Our own formats, then those of other tools and of other packages; or the one of choice."""
    from traintop.store.formats.json_document import JsonDocumentFormat
    from traintop.store.formats.traintop import TraintopFormat

    known: list[RunFormat] = [TraintopFormat(), JsonDocumentFormat()]
    for other in _OTHERS:
        known.append(OtherManyRunsFormat(other) if other.has_many_runs else OtherFormat(other))
    problems: list[str] = []
    if _is_any_added():
        from importlib.metadata import entry_points

        for point in entry_points(group=ENTRY_POINTS):
            try:
                known.append(point.load()())
            except Exception as error:  # whatever another package does, our own runs are shown
                problems.append(f"the format {point.name} ({point.value}) cannot be used: {error}")
    wanted = tuple(each for each in known if _forced in (None, each.name))
    by_name: dict[str, tuple[RunFormat, ...]] = {}
    for each in wanted:
        by_name[each.name] = (*by_name.get(each.name, ()), each)
    return Formats(wanted, tuple(problems), by_name)


def _is_any_added() -> bool:
    """Whether an installed package has formats.

    Looked for by hand, for ``importlib.metadata`` takes longer to import than a list of runs.
    """
    for folder in sys.path:
        with suppress(OSError):  # some of them may not be readable
            for entry_points in Path(folder).glob("*-info/entry_points.txt"):
                text = entry_points.read_text(encoding="utf-8", errors="replace")
                if f"[{ENTRY_POINTS}]" in text:
                    return True
    return False
