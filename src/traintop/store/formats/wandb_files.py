"""The files of a run of W&B as they grow."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import msgspec
import numpy as np

from traintop.logfile import Head, Tail
from traintop.model import Pauses
from traintop.progress import POSITIONS
from traintop.store.files import AwayError, Entry, FileError, Files
from traintop.store.formats.followed import (
    TOOL,
    About,
    GrowingFile,
    Records,
    ReplacedError,
    share_reached,
)
from traintop.store.formats.protobuf import fields, text
from traintop.store.formats.wandb import in_order, logs_of, start_in_name
from traintop.store.formats.wandb_records import BLOCK, HistoryDecoder, RecordLog
from traintop.store.formats.wandb_run import LONGEST_METADATA, Machine, RunFacts
from traintop.store.history import FloatColumn, GrowingHistory, History
from traintop.text import counted
from traintop.times import iso_time

_METADATA = "files/wandb-metadata.json"
_METRIC = 12  # of a Record
_STEPS = frozenset(POSITIONS) - {"batch_idx", "epoch"}
"""What metrics are called that say where rows are, if the program has all others over them."""

_SAMPLED_BYTES = 4 * 1024
_FIRST_BLOCK = 600.0
"""Seconds that the first block may take. W&B adds a record of the machine every 15 seconds."""


class _Part:
    """The file of one process as it is read."""

    def __init__(self) -> None:
        self.file = GrowingFile()
        self.log = RecordLog()
        self.facts = RunFacts()
        self.decoder = HistoryDecoder(self._take_other)
        self.size = 0
        self.first_time: float | None = None  # of its rows, in seconds since 1970
        self.last_time = -np.inf
        self.is_void = False  # from some step on

    @property
    def start(self) -> float | None:
        """When it began, in seconds since 1970."""
        return self.first_time if self.facts.start is None else self.facts.start

    def take(self, data: bytes) -> int:
        """Take what is new in the file; how many bytes are done with."""
        records, taken = self.log.take(data)
        self.decoder.take(records)
        return taken

    def _take_other(self, number: int, data: bytes) -> None:
        if number == _METRIC:
            known = dict(fields(data))
            metric = text(known.get(4, b""))
            if known.get(2) == b"*" and metric.rpartition("/")[2] in _STEPS:
                self.decoder.count_by(metric)
        else:
            self.facts.take(number, data)

    def take_metadata(self, files: Files, directory: PurePath) -> None:
        """Take what older versions write to a file of its own, unless the records have it."""
        if self.facts.machine is None:
            try:
                data = files.read(str(directory / _METADATA), 0, LONGEST_METADATA)
                self.facts.machine = msgspec.json.decode(data, type=Machine)
            except AwayError:
                raise
            except (FileError, ValueError, RecursionError):
                pass  # a newer version writes none

    def silence(self) -> float:
        """For how many seconds the file may stay as it is while the run goes on.

        Unless it is online, W&B writes whole blocks.
        """
        if self.file.offset < BLOCK or self.first_time is None:
            return _FIRST_BLOCK
        took = self.last_time - (self.start or 0.0)
        return max(float(took) * BLOCK / self.file.offset, 0.0)


class WandbFollower:
    """Reads the files of a run in the order of their directories, which have a time in their names.

    One that begins when the others have ended resumes the run: from its first step on, its values
    count alone.
    """

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        logs = logs_of(entries)
        if self._parts.keys() - {entry.id for entry in logs}:
            raise ReplacedError
        total, done = sum(entry.size for entry in logs) or 1, 0
        for entry in logs:
            part = self._parts.get(entry.id)
            if part is None:
                if self._parts and in_order(entry.id) < in_order([*self._parts][-1]):
                    raise ReplacedError
                part = self._parts[entry.id] = _Part()
            elif part.is_void and entry.size != part.size:
                raise ReplacedError
            part.size = entry.size
            take = functools.partial(self._take, part, records)
            part.file.read(files, entry, take, share_reached(reached, done, total))
            part.take_metadata(files, PurePath(entry.id).parent)
            done += entry.size

    def _take(self, part: _Part, records: Records, data: bytes) -> int:
        taken = part.take(data)
        columns = part.decoder.columns()
        if columns:
            times = columns["wallclock_time"][np.isfinite(columns["wallclock_time"])]
            if part.first_time is None:
                part.first_time = float(times[0]) if len(times) else 0.0
                self._go_on(part, float(columns["iteration"][0]), records)
            part.last_time = max(part.last_time, times.max(initial=-np.inf))
            records.extend(_since(self._start(), columns))
        return taken

    def _go_on(self, part: _Part, first: float, records: Records) -> None:
        """Make void what earlier files have from the step on at which the run was resumed."""
        parts = [*self._parts.values()]
        earlier = parts[: parts.index(part)]
        if earlier and (part.first_time or 0.0) >= max(one.last_time for one in earlier):
            records.rewind(float(np.nextafter(first, -np.inf)))
            for one in earlier:
                one.is_void = True

    def _start(self) -> float:
        """When the run began, in seconds since 1970."""
        starts = (part.start for part in self._parts.values())
        return next((start for start in starts if start is not None), 0.0)

    def about(self) -> About:
        """What the files say, of several that of the last one."""
        parts = [*self._parts.values()]
        settings: dict[str, Any] = {}
        run: dict[str, Any] = {TOOL: "W&B"}
        name = notes = ""
        for part in parts:
            settings |= part.facts.settings
            run |= part.facts.facts()
            name, notes = part.facts.name or name, part.facts.notes or notes
        if name:
            settings["experiment_name"] = name
        last = parts[-1]
        status, error = last.facts.outcome()
        start = iso_time(self._start()) or start_in_name(next(iter(self._parts)))
        end = iso_time(max(last.facts.end or 0.0, *(part.last_time for part in parts)))
        damaged = sum(part.log.damaged + part.decoder.damaged for part in parts)
        return About(
            Head(config=settings, start_time=start, run=run),
            Tail(
                status=status,
                error=error,
                end_time=None if status == "running" else end,
                updated_at=end,
                notes=notes,
                pauses=Pauses(longest=last.silence()),
            ),
            f"has {counted(damaged, 'damaged part')}, left out" if damaged else "",
        )


def sample_of_blocks(files: Files, log: Entry, points: int) -> History | None:
    """What the starts of some blocks hold, and the whole of the first and the last one.

    ``None`` for a file that is read in no time.
    """
    if log.size < points * _SAMPLED_BYTES * 2:
        return None
    last = (log.size - 1) // BLOCK
    blocks = dict.fromkeys(number * last // (points - 1) for number in range(points))
    spans = [
        (log.id, block * BLOCK, BLOCK if block in (0, last) else _SAMPLED_BYTES) for block in blocks
    ]
    part, growing = _Part(), GrowingHistory()
    for (_, offset, _), data in zip(spans, files.read_many(spans), strict=True):
        part.decoder.take(RecordLog(offset).take(data)[0])
    columns = part.decoder.columns()
    if columns:
        start = part.start or float(columns["wallclock_time"][0])
        growing.extend(_since(start, columns))
    return growing.history()


def _since(start: float, columns: dict[str, FloatColumn]) -> dict[str, FloatColumn]:
    """Rows whose times are in seconds since a start."""
    times = columns["wallclock_time"]
    return {**columns, "wallclock_time": np.where(np.isfinite(times), times - start, times)}
