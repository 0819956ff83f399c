"""TensorBoard: what ``torch.utils.tensorboard``, ``tensorboardX`` and ``tf.summary`` write.

A run is a directory of event files; a program that is started again adds one. Directories that
``add_hparams`` and ``add_scalars`` make below it are a part of it.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from traintop.logfile import Head, Tail
from traintop.progress import COUNTED_BY
from traintop.store.files import Entry, Files
from traintop.store.formats.followed import (
    TOOL,
    About,
    FollowedFormat,
    GrowingFile,
    Records,
    ReplacedError,
    share_reached,
)
from traintop.store.formats.tensorboard_events import MOST_TAGS, EventDecoder, length_at
from traintop.store.history import GrowingHistory, History
from traintop.text import counted
from traintop.times import iso_time

_SAMPLED_BYTES = 2048
_START_BYTES = 16 * 1024
_MOST_ABOVE = 3
_COUNTERS = {"iteration", "wallclock_time"}
_PARTS_BELOW = "transformers"
"""The format of runs of which event files in ``runs/`` are a part."""

_TRAINING = "train"
_SPLITS = {
    _TRAINING: "",
    **dict.fromkeys(("validation", "val", "valid", "eval"), "val"),
    "test": "test",
}
"""Directories for the parts of the data, and what is put before the tags in them."""
_OF_EPOCH = re.compile(r"(?:^|/)epoch_")  # tags of Keras, whose steps are epochs
_HOST = re.compile(r"tfevents\.\d+\.(.+?)(?:\.\d+){0,2}(?:\.v2)?$")


class _Start(NamedTuple):
    """What the first events of a run's directory have."""

    tags: frozenset[str] = frozenset()
    steps: frozenset[float] = frozenset()  # the lowest and the highest
    has_settings: bool = False

    def with_events(self, data: bytes) -> _Start:
        """With those of a file."""
        decoder = EventDecoder()
        decoder.take(data[:_START_BYTES])
        tags, steps = self.tags, self.steps
        for columns in decoder.columns():
            tags |= columns.keys() - _COUNTERS
            steps |= {columns["iteration"][0], columns["iteration"][-1]}
        ends = frozenset({min(steps), max(steps)}) if steps else steps
        return _Start(tags, ends, self.has_settings or bool(decoder.settings))


class TensorBoardFormat(FollowedFormat):
    """A directory of event files a run."""

    name = "tensorboard"

    def __init__(self) -> None:
        super().__init__()
        self._starts: dict[str, _Start] = {}  # by the ids of runs

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files that begin with a whole record, and those that are empty yet."""
        data = start()
        if data and length_at(data, 0) is None:
            return None
        run_id = str(PurePath(entry.id).parent)
        self._starts[run_id] = self._starts.get(run_id, _Start()).with_events(data)
        return run_id

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """The run in a directory above, for those that writers make below that of a run.

        ``add_scalars`` makes one for each curve, ``add_hparams`` one for the settings, and Keras
        one for training and one for validation.
        """
        path, start = PurePath(run_id), self._starts.get(run_id, _Start())
        if path.name in _SPLITS:
            known = {name for name in _SPLITS if others.get(str(path.with_name(name))) == self.name}
            if _TRAINING in known and len(known) > 1:
                return str(path.parent)
        for above in path.parents[:_MOST_ABOVE]:
            below, other = path.relative_to(above), others.get(str(above))
            if other == _PARTS_BELOW and below.parts[:1] == ("runs",):
                return str(above)
            if other in (self.name, _PARTS_BELOW):
                of_one_tag = len(start.tags) == 1 and _suffix(below, *start.tags)
                of_settings = start.has_settings and len(start.steps) <= 1
                has_curves = bool(self._starts.get(str(above), _Start()).tags)
                return str(above) if of_one_tag or (of_settings and has_curves) else run_id
        return run_id

    def follower(self) -> EventFollower:
        """A follower of the event files of a run."""
        return EventFollower()

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The events at some places, each behind a header with a right checksum."""
        size = sum(entry.size for entry in entries)
        if len(entries) > 1 or size < points * _SAMPLED_BYTES * 2:
            return None
        step = (size - _SAMPLED_BYTES) / (points - 1)
        places = [int(number * step) for number in range(points)]
        decoder, growing = EventDecoder(), GrowingHistory()
        parts = files.read_many([(entries[0].id, at, _SAMPLED_BYTES) for at in places])
        decoder.take(b"".join(parts))  # between two of them, as behind damage, it finds the next
        for columns in decoder.columns():
            columns["wallclock_time"] -= decoder.first_time or 0.0
            growing.extend(columns)
        return growing.history()


class _Part:
    """One event file as it is read."""

    def __init__(self, directory: PurePath, top: PurePath) -> None:
        self.directory = directory
        self.file = GrowingFile()
        below = directory.relative_to(top)
        self.decoder = EventDecoder(functools.partial(_name_below, below))
        self.size = 0
        self.tags: set[str] = set()
        self.highest = -np.inf  # of its steps
        self.last_time = -np.inf
        self.went_on = False  # from what an earlier file has
        self.is_void = False  # from some step on


def directory_of(file_id: str) -> PurePath:
    """The directory of a file."""
    return PurePath(file_id).parent


class EventFollower:
    """Reads the event files of a run in the order of their names, which begin with a time.

    A file that begins when all others of its directory have ended, and has one of their tags, is of
    a program that was started again: from its first step on, its values count alone. ``directory``
    says for a file's id in which directory it counts as lying.
    """

    def __init__(self, directory: Callable[[str], PurePath] = directory_of) -> None:
        self._directory = directory
        self._parts: dict[str, _Part] = {}
        self._last = (0, "", "")

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        top = PurePath(os.path.commonpath([self._directory(entry.id) for entry in entries]))
        total, done = sum(entry.size for entry in entries) or 1, 0
        for entry in sorted(entries, key=self._order):
            part = self._parts.get(entry.id)
            if part is None:
                order = self._order(entry)
                if order < self._last:
                    raise ReplacedError
                part = self._parts[entry.id] = _Part(self._directory(entry.id), top)
                self._last = order
            elif part.is_void and entry.size != part.size:
                raise ReplacedError
            part.size = entry.size
            take = functools.partial(self._take, part, records)
            part.file.read(files, entry, take, share_reached(reached, done, total))
            done += entry.size

    def _order(self, entry: Entry) -> tuple[int, str, str]:
        """The files of the run's own directory first, those of one directory by their time."""
        directory = self._directory(entry.id)
        return len(directory.parts), str(directory), PurePath(entry.id).name

    def _take(self, part: _Part, records: Records, data: bytes) -> int:
        taken = part.decoder.take(data)
        for columns in part.decoder.columns():
            times = columns["wallclock_time"]
            part.tags |= columns.keys() - _COUNTERS
            if not part.went_on:
                self._go_on(part, float(columns["iteration"][0]), records)
            part.highest = max(part.highest, columns["iteration"][-1])
            part.last_time = max(part.last_time, times.max())
            records.extend({**columns, "wallclock_time": times - self._start()})
        return taken

    def _go_on(self, part: _Part, first: float, records: Records) -> None:
        """Make void what earlier files have beyond the step at which a program went on."""
        beside = [one for one in self._parts.values() if one.directory == part.directory]
        earlier = beside[: beside.index(part)]
        purged = part.decoder.purged_from
        began = part.decoder.first_time or 0.0
        ended = max((one.last_time for one in earlier), default=np.inf)
        went_back = began >= ended and first < max(one.highest for one in earlier)
        was_started_again = went_back and any(one.tags & part.tags for one in earlier)
        if purged is not None or was_started_again:
            void_from = first if purged is None else purged
            records.rewind(max(float(np.nextafter(void_from, -np.inf)), part.highest))
            part.went_on = True
            for one in earlier:
                one.is_void = True

    def _start(self) -> float:
        """When the run began, in seconds since 1970."""
        times = (part.decoder.first_time for part in self._parts.values())
        return next((time for time in times if time is not None), 0.0)

    def about(self) -> About:
        """When it ran and on which machine, its settings, and its texts as notes."""
        decoders = [part.decoder for part in self._parts.values()]
        settings: dict[str, Any] = {}
        texts: dict[str, str] = {}
        for decoder in decoders:
            settings |= decoder.settings
            texts |= decoder.texts
        run: dict[str, Any] = {TOOL: "TensorBoard"}
        hosts = [host[1] for name in self._parts if (host := _HOST.search(name))]
        if hosts:
            run["host"] = hosts[-1]
        tags = [tag for part in self._parts.values() for tag in part.tags]
        if tags and all(_OF_EPOCH.search(tag) for tag in tags):
            run[COUNTED_BY] = "epoch"
        start, end = self._start(), max(part.last_time for part in self._parts.values())
        damaged = sum(decoder.damaged for decoder in decoders)
        problems = [f"has {counted(damaged, 'damaged event')}, left out"] if damaged else []
        if any(decoder.has_more_tags for decoder in decoders):
            problems.append(f"has over {MOST_TAGS:,} tags, of which some are left out")
        return About(
            Head(config=settings, start_time=iso_time(start), run=run),
            Tail(
                updated_at=iso_time(end),
                notes="\n\n".join(f"{tag}: {words}" for tag, words in texts.items()),
            ),
            "; ".join(problems),
        )


def _suffix(below: PurePath, tag: str) -> str:
    """What ``add_scalars`` put behind a tag in the path of a directory; empty if it did not.

    PyTorch makes the directory ``loss_train`` for the tag ``loss``, tensorboardX ``loss/train``.
    """
    path, before = str(below).replace("/", "_"), f"{tag.replace('/', '_')}_"
    return path[len(before) :] if path.startswith(before) else ""


def _name_below(below: PurePath, tag: str) -> str:
    """What a tag is called that was logged in a directory below that of the run."""
    if str(below) in _SPLITS:
        return "/".join(filter(None, (_SPLITS[str(below)], tag)))
    suffix = _suffix(below, tag)
    return f"{tag}/{suffix}" if suffix else tag
