"""Runs for tests: files of the real tracker, files of the format with any content, and summaries.

And what is read of them, as plain rows.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from traintop import ExperimentConfig, ExperimentTracker
from traintop.logfile import (
    FORMAT_VERSION,
    SEPARATOR,
    Head,
    Tail,
    encode_flush,
    encode_head,
    encode_record,
    padded,
    record_row,
)
from traintop.model import (
    RECORD_FIELDS,
    MetricsSnapshot,
    MetricStats,
    RunStatus,
    RunSummary,
)
from traintop.store.catalog import RunCatalog
from traintop.store.formats import RunReader
from traintop.store.history import History

NOW = datetime.fromisoformat("2025-02-22T15:00:00")
"""When tests look at the runs of ``make_run``."""

DIRECTORY = Path("/nowhere/experiment_logs")
"""Where the runs of ``make_run`` are said to be."""


def new_tracker(directory: Path, name: str = "baseline", **settings: Any) -> ExperimentTracker:
    """A quiet tracker that has not started."""
    return ExperimentTracker(
        ExperimentConfig(experiment_name=name, **settings), log_dir=directory, quiet=True
    )


def track_run(
    directory: Path,
    name: str,
    losses: Iterable[float] = (4.0, 3.0, 2.0),
    *,
    val_loss: float | None = None,
    optimizer_steps: bool = True,
    **settings: Any,
) -> Path:
    """The file of a finished run with these train losses, the validation loss at the last one."""
    with new_tracker(directory, name, **settings) as tracker:
        for iteration, loss in enumerate(losses):
            if optimizer_steps:
                tracker.increment_gradient_step()
            tracker.log_metrics(
                iteration, train_loss=loss, learning_rate=1e-3, tokens_per_sec=1000.0 + iteration
            )
        if val_loss is not None:
            tracker.log_eval(iteration, val_loss=val_loss)
    return tracker.path


def saved_document(tracker: ExperimentTracker) -> dict[str, Any]:
    """What ``json.load`` has of a run once all that was logged is in its file."""
    document: dict[str, Any] = json.loads(tracker.save().read_text())
    return document


def record(iteration: float, **values: Any) -> MetricsSnapshot:
    """A record with these standard fields and further metrics."""
    fields = {key: values.pop(key) for key in list(values) if key in _FIELDS}
    return MetricsSnapshot(iteration=iteration, **fields, metrics=values)


def records(count: int) -> list[MetricsSnapshot]:
    """A usual course of training: a loss at each step, an evaluation at each tenth."""
    return [
        record(
            step,
            gradient_step=step + 1,
            wallclock_time=step * 0.25,
            train_loss=4.0 - step * 1e-3,
            val_loss=4.1 - step * 1e-3 if step % 10 == 9 else None,
            learning_rate=1e-3,
            tokens_per_sec=1024.5,
            iter_time_ms=2.25,
            grad_norm=0.5,
        )
        for step in range(count)
    ]


def layout(
    rows: Sequence[MetricsSnapshot],
    *,
    config: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    start_time: str | None = "2025-02-22T14:05:30.123456",
    **tail: Any,
) -> bytes:
    """A whole file of the format, whose records are all settled."""
    head = head_of(config, run, start_time)
    start = head + lines(rows)
    return start + encode_flush(b"", tail_of(rows, **tail), len(start))


def head_of(
    config: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    start_time: str | None = "2025-02-22T14:05:30.123456",
) -> bytes:
    """What a file begins with."""
    config = config or {"experiment_name": "baseline"}
    run = {"format": FORMAT_VERSION, **(run or {})}
    return encode_head(Head(config=config, start_time=start_time, run=run))


def lines(rows: Sequence[MetricsSnapshot]) -> bytes:
    """Records as they follow the head."""
    return SEPARATOR.join(encode_record(row) for row in rows)


def tail_of(rows: Sequence[MetricsSnapshot], **fields: Any) -> Tail:
    """The tail after these records."""
    known = {"count": len(rows), "highest_record": record_row(rows[-1]) if rows else {}}
    return Tail(**{"lines_crc32": _crc32(rows), **known, **fields})


def _crc32(rows: Sequence[MetricsSnapshot], before: int = 0) -> int:
    return zlib.crc32(b"".join(encode_record(row) + SEPARATOR for row in rows), before)


def write_run(path: Path, rows: Sequence[MetricsSnapshot] = (), **fields: Any) -> Path:
    """Writes a whole file; see ``layout``."""
    path.write_bytes(layout(rows, **fields))
    return path


def cuts(data: bytes, start: int = 0) -> list[int]:
    """Where to cut a file: on both sides of each brace and line end, and at each fifth byte."""
    marks = [place for place in range(start, len(data)) if data[place] in b"{}[]\n"]
    beside = {place + side for place in marks for side in (0, 1)}
    return sorted({*range(start, len(data), 5), *beside, len(data)})


class Writer:
    """Writes a file as the tracker does: one positioned write at the end of the lines each time."""

    def __init__(self, path: Path, **head: Any) -> None:
        self.path = path
        self.rows: list[MetricsSnapshot] = []
        self._settled = self._crc32 = 0
        start = head_of(**head)
        self._position = self._records_at = len(start)
        path.write_bytes(start + encode_flush(b"", tail_of(()), len(start)))

    def flush(self, *added: MetricsSnapshot, cut: int | None = None, **tail: Any) -> int:
        """Appends records; one of the last one's iteration completes that. Returns bytes due.

        The last one stays open. With ``cut``, the write is torn after that many bytes, as by a
        crash.
        """
        for row in added:
            if self.rows and self.rows[-1].iteration == row.iteration:
                self.rows[-1] = row
            else:
                self.rows.append(row)
        end = max(len(self.rows) - 1, 0)
        settled = lines(self.rows[self._settled : end])
        self._crc32 = _crc32(self.rows[self._settled : end], self._crc32)
        if settled and self._position > self._records_at:
            settled = SEPARATOR + settled
        last = {"last_record": record_row(self.rows[-1]) if self.rows else {}}
        highest = max(self.rows, key=lambda row: row.iteration, default=None)
        is_open = not self.rows or highest is self.rows[-1]
        newest = {} if highest is None or is_open else record_row(highest)
        known = {"highest_record": newest, "lines_crc32": self._crc32, **last, **tail}
        block = encode_flush(settled, tail_of(self.rows, **known), self._position)
        block = padded(block, self.path.stat().st_size - self._position)
        descriptor = os.open(self.path, os.O_WRONLY)
        os.pwrite(descriptor, block[:cut], self._position)
        os.close(descriptor)
        self._position += len(settled)
        self._settled = end
        return len(block)


def foreign_document(rows: Sequence[MetricsSnapshot], **keys: Any) -> dict[str, Any]:
    """A document of the same schema as other programs write it."""
    return {
        "config": {"experiment_name": "theirs", "max_iters": 100},
        "start_time": "2025-01-01T00:00:00",
        "metrics_history": [json.loads(encode_record(row)) for row in rows],
        **keys,
    }


def make_run(name: str, **changes: Any) -> RunSummary:
    """A running run at iteration 41 of 100 that began an hour ago; ``changes`` are its fields."""
    loss = changes.pop("loss", 2.5)
    tokens = changes.pop("tokens", 121_000.0)
    iteration = changes.pop("iteration", 41)
    age = changes.pop("age", 3600.0)
    fields: dict[str, Any] = {
        "id": str(DIRECTORY / f"{name}.json"),
        "status": RunStatus.RUNNING,
        "name": name,
        "config": {"experiment_name": name, "max_iters": 100, "d_model": 512},
        "start_time": (NOW - timedelta(seconds=age)).isoformat(),
        "count": iteration + 1,
        "iterations_per_second": 2.0,
        "best_val_loss": 2.75,
        "stats": {
            "train_loss": MetricStats(count=1, last=loss, min=2.4, mean=3.0, min_iteration=7),
            "tokens_per_sec": MetricStats(count=1, last=tokens, mean=tokens),
        },
        "last": MetricsSnapshot(iteration=iteration, train_loss=loss, tokens_per_sec=tokens),
    }
    return RunSummary(**{**fields, **changes})


def make_runs(count: int) -> list[RunSummary]:
    """Runs ``run-0`` (the newest) to ``run-<count - 1>``, each a minute older than the last."""
    return [make_run(f"run-{i}", age=3600.0 + 60 * i, loss=2.0 + i / 1000) for i in range(count)]


def history(**columns: Any) -> History:
    """The records of a run: these columns, nothing measured in the other standard ones."""
    length = len(columns["iteration"])
    empty: list[object] = [None] * length
    standard = dict.fromkeys(RECORD_FIELDS, empty)
    return History.from_columns({**standard, **columns})


class OpenedRun:
    """One run's file as a catalog of nothing else has it."""

    def __init__(self, path: Path) -> None:
        self._catalog = RunCatalog([path])
        self._reader: RunReader | None = None

    def summary(self) -> RunSummary:
        snapshot = self._catalog.refresh()
        if not snapshot.runs:
            raise FileNotFoundError(snapshot.notices)
        return snapshot.runs[0]

    @property
    def reader(self) -> RunReader:
        if self._reader is None:
            self._reader = self._catalog.reader(self.summary().id)
        return self._reader

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        return self.reader.history(reached)

    def follow(self) -> bool:
        return self.reader.follow()

    def sample(self, points: int) -> History:
        return self.reader.sample(points)


def reader_of(run_id: str) -> RunReader:
    """A reader as a catalog of that file alone hands it out."""
    catalog = RunCatalog([Path(run_id)])
    catalog.refresh()
    return catalog.reader(run_id)


def rows_of(found: History) -> list[dict[str, float]]:
    """The measured values of each record."""
    rows: list[dict[str, float]] = [{} for _ in range(len(found))]
    for name, column in found.columns.items():
        for row, value, measured in zip(rows, column.tolist(), found.measured(name), strict=True):
            if measured:
                row[name] = value
    return rows


def expected_rows(rows: list[MetricsSnapshot]) -> list[dict[str, float]]:
    """The same of records, merged by iteration."""
    merged: dict[float, dict[str, float]] = {}
    for row in rows:
        fields = {name: getattr(row, name) for name in row.__struct_fields__ if name != "metrics"}
        measured = {
            key: value for key, value in (fields | row.metrics).items() if value is not None
        }
        merged.setdefault(row.iteration, {}).update(measured)
    return [row for _, row in sorted(merged.items())]


def normal(rows: list[dict[str, float]]) -> list[list[tuple[str, str]]]:
    """Rows that can be compared: NaN equals NaN, and the order of keys does not matter."""
    return [sorted((name, repr(float(value))) for name, value in row.items()) for row in rows]


_FIELDS = set(MetricsSnapshot.__struct_fields__)
