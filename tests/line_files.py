"""Files of one record a line for tests, and what is read of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from traintop.model import RunSummary
from traintop.store.catalog import RunCatalog
from traintop.store.files import Entry, Span
from traintop.store.files.local import LocalFiles
from traintop.store.formats import RunReader
from traintop.store.formats.followed import FollowedFormat
from traintop.store.history import History


def run_of(path: Path) -> RunSummary:
    """The run in a file."""
    [run] = RunCatalog([path]).refresh().runs
    return run


def reader_of(path: Path) -> RunReader:
    """A reader of the run in a file."""
    catalog = RunCatalog([path])
    [run] = catalog.refresh().runs
    return catalog.reader(run.id)


def history_of(path: Path) -> History:
    """All records of the run in a file."""
    return reader_of(path).history()


def values(history: History, metric: str) -> dict[float, float]:
    """The values of a metric by their places."""
    rows = history.measured(metric)
    return dict(zip(history.columns["iteration"][rows], history.columns[metric][rows], strict=True))


class _MemoryFiles(LocalFiles):
    """One file that is in memory."""

    data = b""

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        size = len(self.data)
        return [Entry(file_id, size, size, time.time(), is_dir=False) for file_id in ids]

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        return [self.data[start : start + length] for _, start, length in spans]


def read_in_parts(run_format: FollowedFormat, parts: Iterable[bytes]) -> tuple[object, ...]:
    """What a reader has of a file that was as long as each of the parts when it looked."""
    files = _MemoryFiles()
    reader = run_format.reader(files, [files.stat("a")])
    found: tuple[object, ...] = ()
    for files.data in parts:
        try:
            reader.follow()
        except ValueError:  # it is not known as a log yet
            continue
        history = reader.history()
        found = history.metrics, *(str(column.tolist()) for column in history.columns.values())
    return found
