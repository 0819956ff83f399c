"""From raw calls of the training loop to the bytes of the next flush. No input or output."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from traintop import logfile
from traintop.logfile import LONGEST_NAME
from traintop.logfile.columns import kept_names, name_family
from traintop.model import RECORD_FIELDS, STANDARD_METRICS, MetricsSnapshot
from traintop.tracking.capture import resolve
from traintop.tracking.pace import LoggingPace
from traintop.tracking.statistics import RunStatistics, merge
from traintop.tracking.warn_once import WarnOnce
from traintop.values import Number, jsonable

MAX_WAITING_BYTES = 64 << 20
"""Encoded records that wait for a disk; beyond this the oldest are kept and new ones dropped."""

MAX_METRICS = 1000
"""Different metrics a run may have, so that a name made of a number cannot fill the memory."""

MAX_NAMES_BYTES = 500_000
"""Bytes that the names of all metrics of a run take: readers look for a tail no further."""

_MOST_LEFT_OUT = 20
_SHOWN_NAME = 100
_WRITTEN_BYTES = 1 << 20  # readers of a tail read the lines that were written with it


class LoggedCall(NamedTuple):
    """One call of ``log_metrics`` or ``log_eval``: captured values, not yet resolved."""

    iteration: Any
    gradient_step: int
    wallclock_time: float
    train_loss: Any
    val_loss: Any
    learning_rate: Any
    tokens_per_sec: Any
    iter_time_ms: Any
    further: dict[str, Any]


class Recording:
    """What a run has recorded: the open record, the encoded ones that wait, the statistics.

    The record of the last iteration stays open until another iteration begins or the run is
    saved, so that ``log_eval`` can complete it.
    """

    def __init__(self, pace: LoggingPace, left_out: Iterable[str] = ()) -> None:
        self._statistics = RunStatistics()
        self._open: MetricsSnapshot | None = None
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._keys: dict[object, str] = {}
        self._names_bytes = 0
        self._full_families: set[str] = set()  # of names, of which no further ones are kept
        self.pace = pace
        self.warn_once = WarnOnce()
        self.dropped = 0
        self.left_out = dict.fromkeys(left_out)  # families of metrics, or their first ones

    def restore(
        self, statistics: RunStatistics, open_record: MetricsSnapshot | None, lines: list[bytes]
    ) -> None:
        """Go on with the records of a file, behind which some lines are to be written."""
        self._statistics, self._open = statistics, open_record
        self._waiting.extend(lines)
        self._waiting_bytes += sum(map(len, lines))

    def add(self, call: LoggedCall) -> None:
        """Record one call."""
        record = self._resolved(call)
        if record is None:
            return
        if self._open is not None and self._open.iteration != record.iteration:
            self.settle()
        self.pace.add(record)
        record = self._in_its_place(record)
        self._statistics.add(record)
        self._open = merge(self._open, record) if self._open else record

    def add_sample(self, values: Mapping[str, float]) -> None:
        """Record system metrics with the newest iteration; what a loop logs by their names counts.

        They are no call: a run that hangs is sampled, and nothing else is known of it.
        """
        newest = self._statistics.newest
        if newest is None:  # only the file knows it
            return
        record = MetricsSnapshot(
            iteration=newest.iteration,
            gradient_step=newest.gradient_step,
            wallclock_time=newest.wallclock_time,
            metrics={name: value for name, value in values.items() if name not in self._keys},
        )
        if self._open is not None and self._open.iteration != newest.iteration:
            self.settle()
        self._statistics.add(record)
        self._open = merge(self._open, record) if self._open else record

    def _in_its_place(self, record: MetricsSnapshot) -> MetricsSnapshot:
        """The record, with the step and the time of what it completes if it comes late.

        So a curve over these goes through the iterations in their order.
        """
        if record.train_loss is not None:  # a step, which may be replayed
            return record
        newest, known = self._statistics.newest, self._statistics.recorded(record.iteration)
        if newest is None or known is None or newest.iteration == record.iteration:
            return record
        return msgspec.structs.replace(
            record, gradient_step=known.gradient_step, wallclock_time=known.wallclock_time
        )

    def rewind(self, iteration: float) -> None:
        """Have what is beyond an iteration made void, from here on."""
        self.settle()
        line = logfile.encode_rewind(iteration)
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self._statistics.rewind(iteration)
        self.pace.rewind()

    def _resolved(self, call: LoggedCall) -> MetricsSnapshot | None:
        iteration = self._number("iteration", call.iteration)
        if iteration is None or not math.isfinite(iteration):
            self.warn_once(
                "iteration", f"a record without a usable iteration ({call.iteration!r}) is left out"
            )
            return None
        fields = {  # most are floats, and there are many
            name: value if type(value) is float else self._number(name, value)
            for name, value in zip(STANDARD_METRICS, call[3:8], strict=True)
        }
        metrics: dict[str, Number | None] = {}
        for name, value in call.further.items():
            if name in STANDARD_METRICS:
                fields[name] = self._number(name, value)
            elif str(name) in RECORD_FIELDS:
                self.warn_once(name, f"metric {name!r} is left out: the tracker sets it")
            elif (key := self._key(name)) is not None:
                metrics[key] = self._number(name, value)
        return MetricsSnapshot(
            iteration=iteration,
            gradient_step=call.gradient_step,
            wallclock_time=call.wallclock_time,
            metrics={name: value for name, value in metrics.items() if value is not None},
            **fields,
        )

    def _key(self, name: object) -> str | None:
        if name in self._keys:
            return self._keys[name]
        written = str(jsonable(str(name)))
        size = len(msgspec.json.encode(written))
        key = None
        if len(written) > LONGEST_NAME:
            self._leave_out(written)
            self.warn_once(
                "long name",
                f"the metric name {written[:100]!r}… is longer than {LONGEST_NAME} characters; "
                "such metrics are left out",
            )
        elif self._names_bytes + size <= MAX_NAMES_BYTES and self._is_kept(written):
            self._names_bytes += size  # those of a name that gives way stand in the file as well
            key = self._keys[name] = written
        else:
            self._leave_out(written)
            self.warn_once(
                "metric names",
                f"more than {MAX_METRICS} metric names, or {MAX_NAMES_BYTES} bytes of them: "
                f"{written[:100]!r} and further new ones are left out (is a changing number "
                "part of the name?)",
            )
        return key

    def _is_kept(self, name: str) -> bool:
        """Whether a further name is; a like one of a large family may give way to it."""
        if len(self._keys) < MAX_METRICS:
            return True
        family = name_family(name)
        if family in self._full_families or len(self._full_families) >= MAX_METRICS:
            return False
        kept = kept_names((*self._keys.values(), name), MAX_METRICS)
        for known, key in [*self._keys.items()]:
            if key not in kept:
                del self._keys[known]
                self._leave_out(key)
                self._full_families.add(name_family(key))
                self.warn_once(
                    "metric family",
                    f"more than {MAX_METRICS} metric names: of those that differ in numbers only, "
                    f"the last ones are left out from now on, {key[:100]!r} first",
                )
        if name not in kept:
            self._full_families.add(family)
        return name in kept

    def _leave_out(self, name: str) -> None:
        if len(self.left_out) < _MOST_LEFT_OUT:
            self.left_out[name_family(name[:_SHOWN_NAME])] = None

    def _number(self, name: str, value: Any) -> Number | None:
        if type(value) is float or value is None:
            return value
        try:
            return resolve(value)
        except ValueError as reason:
            self.warn_once(name, f"metric {name!r} {reason}; such values are left out")
            return None

    def warn_dropped(self) -> None:
        """Warn once that records are lost; the tail has their number."""
        self.warn_once(
            "dropped",
            "the disk has refused the run for so long that its newest records are dropped; the "
            'run\'s file will say how many ("dropped")',
        )

    def settle(self, *, saved: bool = False) -> None:
        """Have the open record written as a line; what comes of it later is a further line.

        Where too much waits for the disk, it is dropped; what is ``saved`` is worth more memory.
        """
        if self._open is None:
            return
        encoded = logfile.encode_record(self._written(self._open))
        self._open = None
        if self._waiting_bytes + len(encoded) > MAX_WAITING_BYTES * (2 if saved else 1):
            self.dropped += 1
            self._statistics.stale = True  # for it has counted this record
            self.warn_dropped()
            return
        self._waiting.append(encoded)
        self._waiting_bytes += len(encoded)

    # -- what the next flush writes

    def lines(self) -> list[bytes]:
        """The first records that are settled and not yet on disk, as many as one write takes."""
        lengths = itertools.accumulate(map(len, self._waiting))
        taken = sum(1 for _ in itertools.takewhile(lambda length: length < _WRITTEN_BYTES, lengths))
        return [*itertools.islice(self._waiting, max(taken, 1))]

    @property
    def waiting(self) -> int:
        """How many records are settled and not yet on disk."""
        return len(self._waiting)

    def forget(self, lines: int) -> None:
        """So many of the first ones of ``lines`` are on disk now."""
        for _ in range(lines):
            self._waiting_bytes -= len(self._waiting.popleft())

    @property
    def waiting_bytes(self) -> int:
        """How much the next flush has to write."""
        return self._waiting_bytes

    @property
    def open_record(self) -> MetricsSnapshot | None:
        """The record that may still be completed."""
        return None if self._open is None else self._written(self._open)

    def _written(self, record: MetricsSnapshot) -> MetricsSnapshot:
        """A record as the file has it; what an evaluation estimated never stands over a step's."""
        known = self._statistics.recorded(record.iteration)
        if known is None or known.train_loss is not None:
            return record
        return self._statistics.with_train_loss(record)

    @property
    def statistics(self) -> RunStatistics:
        """Those of all records."""
        return self._statistics
