"""The file store of MLflow: a directory a run, with a small file for each metric, setting and tag.

``mlruns/<experiment>/<run>/meta.yaml`` says how the run is doing; a line of ``metrics/<name>`` is
the time in milliseconds, the value and the step.
"""

from __future__ import annotations

import functools
import itertools
import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

import numpy as np

from traintop.run_ids import is_below
from traintop.store.files import Entry, Files, Span
from traintop.store.formats.followed import (
    About,
    FollowedFormat,
    GrowingFile,
    Records,
    ReplacedError,
    share_reached,
)
from traintop.store.formats.mlflow import (
    MlflowRecords,
    about_run,
    has_steps,
    is_sampled,
    seconds,
)
from traintop.store.formats.series import Series, SeriesRecords
from traintop.store.formats.small_files import SmallFiles
from traintop.store.formats.yaml_settings import yaml_settings
from traintop.store.history import GrowingHistory, History
from traintop.text import counted

META = "meta.yaml"

_METRIC = re.compile(r"((?:.*/)?[0-9a-f]{32})/metrics/(.+)", re.DOTALL)
_RUN = re.compile(r"[0-9a-f]{32}")
_DELETED = b"\nlifecycle_stage: deleted\n"
_LARGEST_META = 64 * 1024
_MOST_TEXTS = 2000  # settings, and tags, of a run
_LONGEST_TEXT = 8192
_SAMPLED_BYTES = 256
_OF_A_LINE = np.frombuffer(b"  \n", np.uint8)  # what is between the words


class MlflowFilesFormat(FollowedFormat):
    """A directory a run, called by 32 hexadecimal digits."""

    name = "mlflow"

    def __init__(self) -> None:
        super().__init__()
        self._deleted: set[str] = set()

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """The files of metrics, by their names alone, and that of the run itself.

        A run that was deleted stays on the disk until somebody collects the garbage.
        """
        if entry.is_dir:
            return None
        metric = _METRIC.fullmatch(entry.id)
        run_id = metric[1] if metric else entry.id.rpartition("/")[0]
        if metric is None:
            if not _RUN.fullmatch(PurePath(run_id).name):
                return None
            if _DELETED in start():
                self._deleted.add(run_id)
        return None if run_id in self._deleted else run_id

    def follower(self) -> _Follower:
        """A follower of the files of a run."""
        return _Follower()

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """Some lines of each metric."""
        if max(entry.size for entry in entries) < points * _SAMPLED_BYTES * 2:
            return None
        meta, metrics = _parts(entries)
        spans = {name: _sampled_spans(entry, points) for entry, name in metrics}
        files.prefetch([(meta.id, 0, meta.size), *itertools.chain.from_iterable(spans.values())])
        found = [
            _decoded(name, b"".join(map(_whole_lines, files.read_many(parts), parts)))[0]
            for name, parts in spans.items()
        ]
        if not has_steps(found):
            return None
        records, growing = SeriesRecords(), GrowingHistory()
        records.start = seconds(_fields(files.read(meta.id, 0, _LARGEST_META)).get("start_time"))
        records.add(found, growing)
        records.flush(growing)
        return growing.history()


class _Follower:
    """Reads the files of one run; the small ones anew whenever one of them all has changed."""

    def __init__(self) -> None:
        self._files: dict[str, GrowingFile] = {}  # of metrics
        self._series: list[Series] = []  # read, and not made records yet
        self._records = MlflowRecords()
        self._has_steps = False
        self._texts = SmallFiles(_LONGEST_TEXT)
        self._about = About()
        self._damaged = 0

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        meta, metrics = _parts(entries)
        if not self._files.keys() <= {entry.id for entry, _ in metrics}:
            raise ReplacedError
        growing = [self._files.setdefault(entry.id, GrowingFile()) for entry, _ in metrics]
        for file, (entry, _) in zip(growing, metrics, strict=True):
            files.prefetch(file.unread(entry))
        files.prefetch([(meta.id, 0, meta.size)])
        info = _fields(files.read(meta.id, 0, _LARGEST_META))
        self._records.start = seconds(info.get("start_time"))
        total, done = sum(entry.size for entry, _ in metrics) or 1, 0
        for file, (entry, name) in zip(growing, metrics, strict=True):
            take = functools.partial(self._take, name)
            file.read(files, entry, take, share_reached(reached, done, total))
            done += entry.size
        self._has_steps |= has_steps(self._series)
        self._records.add_logged(self._series, records, has_steps=self._has_steps)
        self._records.flush(records)
        self._series = []
        about = self._read_about(files, PurePath(meta.id).parent, info)
        problem = f"has {counted(self._damaged, 'damaged line')}, left out" if self._damaged else ""
        self._about = about._replace(problem=problem)

    def _read_about(self, files: Files, run: PurePath, info: Mapping[str, object]) -> About:
        """What small files say: those of the run, and that of its experiment."""
        params, tags, experiment = str(run / "params"), str(run / "tags"), str(run.parent / META)
        below = sorted(files.files_below([params, tags]))  # the same on each machine
        of_params = [entry for entry in below if is_below(entry.id, params)][:_MOST_TEXTS]
        of_tags = [entry for entry in below if is_below(entry.id, tags)][:_MOST_TEXTS]
        of_experiment = [one for one in files.stat_many([experiment]) if one.version is not None]
        texts = self._texts.read(files, [*of_params, *of_tags, *of_experiment])
        return about_run(
            info,
            _name_of_experiment(texts.get(experiment, b"")),
            _named(texts, of_params, params),
            _named(texts, of_tags, tags),
            self._records,
        )

    def _take(self, metric: str, data: bytes) -> int:
        end = data.rfind(b"\n") + 1
        series, damaged = _decoded(metric, data[:end])
        self._series.append(series)
        self._damaged += damaged
        return end

    def about(self) -> About:
        return self._about


def _parts(entries: Sequence[Entry]) -> tuple[Entry, list[tuple[Entry, str]]]:
    """The file of the run itself, and those of its metrics with their names."""
    metrics = [(each, found[2]) for each in entries if (found := _METRIC.fullmatch(each.id))]
    own = (each for each in entries if _RUN.fullmatch(PurePath(each.id).parent.name))
    meta = next((each for each in own if PurePath(each.id).name == META), None)
    if meta is None:
        raise ValueError(f"has no {META}")
    return meta, metrics


def _fields(meta: bytes) -> dict[str, object]:
    """What a ``meta.yaml`` says."""
    try:
        return yaml_settings(meta)[0]
    except ValueError as error:
        raise ValueError(f"has a {META} that {error}") from None


def _name_of_experiment(meta: bytes) -> object:
    try:
        return _fields(meta).get("name")
    except ValueError:
        return None


def _named(texts: Mapping[str, bytes], entries: Sequence[Entry], directory: str) -> dict[str, str]:
    """The texts of some files, by the paths of these below a directory."""
    return {
        entry.id[len(directory) + 1 :]: texts[entry.id].decode("utf-8", "replace")
        for entry in entries
        if entry.id in texts
    }


def _sampled_spans(entry: Entry, points: int) -> list[Span]:
    """Evenly spaced parts of a file."""
    count = min(points, entry.size // _SAMPLED_BYTES + 1)
    places = np.linspace(0, max(entry.size - _SAMPLED_BYTES, 0), count).astype(int).tolist()
    return [(entry.id, place, _SAMPLED_BYTES) for place in places]


def _whole_lines(part: bytes, span: Span) -> bytes:
    """The whole lines in a part of a file."""
    begin = 0 if span[1] == 0 else part.find(b"\n") + 1
    return part[begin : part.rfind(b"\n") + 1]


def _decoded(metric: str, lines: bytes) -> tuple[Series, int]:
    """The values in whole lines, and how many lines hold none."""
    data = np.frombuffer(lines, np.uint8)
    signs = data[(data == ord(" ")) | (data == ord("\n"))]
    damaged = 0
    words = lines.split()
    if len(words) != len(signs) or len(signs) % 3 or (signs.reshape(-1, 3) != _OF_A_LINE).any():
        words, damaged = _usable_words(lines)
    try:
        numbers = np.frombuffer(array("d", map(float, words)))
    except ValueError:
        words, damaged = _usable_words(lines)
        numbers = np.frombuffer(array("d", map(float, words)))
    times, values, steps = numbers.reshape(-1, 3).T.copy()
    return Series(metric, steps, times / 1000, values, is_sampled(metric)), damaged


def _usable_words(lines: bytes) -> tuple[list[bytes], int]:
    """Time, value and step of all lines that have these, and how many have not.

    A line of an old version has no step; one of a new version may name a dataset.
    """
    words: list[bytes] = []
    damaged = 0
    for line in lines.splitlines():
        parts = [*line.split()[:3], b"0"][:3]
        if len(parts) == 3 and all(map(_is_number, parts)):
            words += parts
        else:
            damaged += 1
    return words, damaged


def _is_number(word: bytes) -> bool:
    try:
        return float(word) is not None
    except ValueError:
        return False
