"""Run files of the real format, written at once instead of by millions of calls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from traintop.logfile import (
    SEPARATOR,
    Head,
    Tail,
    encode_flush,
    encode_head,
    encode_record,
    record_row,
)
from traintop.model import ExperimentConfig, MetricsSnapshot, MetricStats
from traintop.tracking.environment import describe_environment

RECORDS_OF_USUAL_RUN = 1000

_CHUNK = 10_000
_STATED = ("train_loss", "val_loss", "learning_rate", "tokens_per_sec", "iter_time_ms")


def record(iteration: int) -> MetricsSnapshot:
    """The record of one step of a usual training; an evaluation at each hundredth."""
    loss = 2.5 + 7.0 / (1.0 + iteration * 0.01)
    return MetricsSnapshot(
        iteration=iteration,
        gradient_step=iteration + 1,
        wallclock_time=round(iteration * 0.2503, 6),
        train_loss=loss,
        val_loss=loss * 1.04 if iteration % 100 == 99 else None,
        learning_rate=6e-4 / (1.0 + iteration * 1e-4),
        tokens_per_sec=121_000.0 + iteration % 977,
        iter_time_ms=135.25 + iteration % 13,
    )


def head_of(name: str, start: datetime) -> bytes:
    """A head with all that a tracker writes into it."""
    config = ExperimentConfig(experiment_name=name, max_iters=RECORDS_OF_USUAL_RUN)
    return encode_head(
        Head(config=config.to_dict(), start_time=start.isoformat(), run=describe_environment())
    )


def tail_of(count: int, start: datetime) -> Tail:
    """The tail of a finished run with as many records."""
    last = record(count - 1)
    end = start + timedelta(seconds=last.wallclock_time)
    stats = MetricStats(
        count=count,
        last=last.train_loss,
        min=last.train_loss,
        max=9.5,
        mean=3.0625,
        std=0.8125,
        min_iteration=count - 1,
        max_iteration=0,
    )
    return Tail(
        end_time=end.isoformat(),
        duration_seconds=last.wallclock_time,
        best_train_loss=last.train_loss,
        best_val_loss=2.75,
        status="finished",
        updated_at=end.isoformat(),
        gradient_step=count,
        iterations_per_second=4.0,
        count=count,
        stats=dict.fromkeys(_STATED, stats),
        highest_record=record_row(last),
    )


def record_lines(count: int) -> Iterator[bytes]:
    """The records as they follow a head, in chunks."""
    for start in range(0, count, _CHUNK):
        lines = map(encode_record, map(record, range(start, min(start + _CHUNK, count))))
        yield (SEPARATOR if start else b"") + SEPARATOR.join(lines)


def write_run(directory: Path, name: str, count: int, start: datetime) -> Path:
    """One finished run, which was written to for the last time when it ended."""
    path = directory / f"experiment_{name}_{start:%Y%m%d_%H%M%S}.json"
    with open(path, "wb") as file:
        file.write(head_of(name, start))
        file.writelines(record_lines(count))
        file.write(encode_flush(b"", tail_of(count, start), file.tell()))
    _set_age(path, start, count)
    return path


def write_runs(directory: Path, count: int) -> Path:
    """``run-00000`` to ``run-<count - 1>``, the newest, each of 1,000 records."""
    directory.mkdir()
    first = datetime.now().replace(microsecond=0) - timedelta(days=30)
    records = b"".join(record_lines(RECORDS_OF_USUAL_RUN))
    environment = describe_environment()
    for number in range(count):
        name, start = f"run-{number:05d}", first + timedelta(minutes=number)
        config = ExperimentConfig(experiment_name=name, max_iters=RECORDS_OF_USUAL_RUN)
        head = Head(config=config.to_dict(), start_time=start.isoformat(), run=environment)
        path = directory / f"experiment_{name}_{start:%Y%m%d_%H%M%S}.json"
        lines = encode_head(head) + records
        tail = tail_of(RECORDS_OF_USUAL_RUN, start)
        path.write_bytes(lines + encode_flush(b"", tail, len(lines)))
        _set_age(path, start, RECORDS_OF_USUAL_RUN)
    return directory


def _set_age(path: Path, start: datetime, count: int) -> None:
    """A file that changed just now is read twice, in case it changes again in the same tick."""
    ended = start.timestamp() + record(count - 1).wallclock_time
    ended = min(ended, datetime.now().timestamp() - 60)
    os.utime(path, (ended, ended))
