"""Runs as CSV files that spreadsheets and pandas read right, written whole or not at all.

Numbers keep full precision. A cell is empty where nothing was measured; a measured NaN or ±inf
is written ``nan``, ``inf``, ``-inf``. Text from log files is made neutral, because spreadsheets
execute cells that look like formulas (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from traintop.analysis.naming import unique_names
from traintop.analysis.records import measured_values, portions
from traintop.atomic_file import hidden_path
from traintop.model import RECORD_FIELDS, RunSummary
from traintop.store.catalog import holds_a_run
from traintop.system_metrics import system_order
from traintop.tables import csv_writer, plain_cell

if TYPE_CHECKING:
    from traintop.store.formats import RunReader
    from traintop.store.history import History

Advance = Callable[[int], object]
"""Called with the number of rows just written; may raise to stop the writing."""


def write_csv(history: History, path: Path) -> Path:
    """Writes the records of one run, a row for each iteration; returns the file's path.

    The columns are the fields of a record, the run's further metrics, and its system metrics. An
    older file is replaced only by a complete one. Raises ``OSError`` when it cannot be written.
    """
    with replacing_file(path) as file:
        write_records(file, history)
    return path


def write_records(file: TextIO, history: History, advance: Advance = lambda rows: None) -> None:
    """The records of one run as CSV, as :func:`write_csv` has them.

    ``advance`` is called with the number of rows of each portion that was written.
    """
    names = column_names(history.metrics)
    writer = csv_writer(file)
    writer.writerow(map(plain_cell, names))
    for part in portions(history):
        writer.writerows(_rows(part, names))
        advance(len(part))


def write_runs(
    file: TextIO,
    runs: Callable[[], Iterable[tuple[str, History]]],
    metrics: Iterable[str],
    advance: Advance = lambda rows: None,
) -> None:
    """The records of several runs below one another as CSV, with their names in column ``run``.

    ``metrics`` are those of all runs as far as they are known: when a run turns out to have more,
    ``runs`` is called again, and the file is begun again with columns for them. Each run is taken
    when the one before has been written, so that no more than one need be in memory.
    """
    names = column_names(metrics)
    while not _wrote_all(file, runs(), names, advance):
        file.seek(0)
        file.truncate()


def _wrote_all(
    file: TextIO, runs: Iterable[tuple[str, History]], names: list[str], advance: Advance
) -> bool:
    """Whether all runs were written; if not, the names of more columns have been added."""
    writer = csv_writer(file)
    writer.writerow(["run", *map(plain_cell, names)])
    for run_name, history in runs:
        more = [metric for metric in history.metrics if metric not in names]
        if more:
            names[:] = column_names((*names, *more))
            return False
        run = plain_cell(run_name)
        for part in portions(history):
            writer.writerows((run, *row) for row in _rows(part, names))
            advance(len(part))
    return True


class Exported(NamedTuple):
    """What was written, and in words which runs were not."""

    path: Path
    left_out: tuple[str, ...] = ()


def exported_name(runs: Sequence[RunSummary], stem: str, *, together: bool) -> str:
    """What :func:`export_runs` calls its file or directory, as long as no other has that name."""
    if together:
        return f"{stem}.csv"
    return f"{runs[0].stem}.csv" if len(runs) == 1 else f"{stem}_csv"


def export_runs(
    runs: Sequence[RunSummary],
    reader_of: Callable[[str], RunReader],
    stem: str,
    directory: Path,
    *,
    together: bool,
    progress: Callable[[int, int], object] = lambda run, rows: None,
) -> Exported:
    """The records of runs as CSV: one file together, or a file each in a new directory.

    A single run is a file of its own name. ``progress`` is called with the number of the run that
    is read or written, from 1 on, and the rows so far; it may raise to stop the export, which then
    leaves nothing behind. Raises ``OSError``, and for a single run ``UnreadableRunError``.
    """
    from traintop.store.formats import UnreadableRunError

    left_out: list[str] = []
    number = rows = 0

    def advance(count: int) -> None:
        nonlocal rows
        rows += count
        progress(number, rows)

    def histories() -> Iterator[tuple[RunSummary, History]]:
        nonlocal number, rows
        number = rows = 0
        left_out.clear()
        for run in runs:
            number += 1
            advance(0)
            try:
                history = reader_of(run.id).history(lambda share: advance(0))
            except UnreadableRunError as error:
                if len(runs) == 1:
                    raise
                left_out.append(f"left out: {error}")
            else:
                yield run, history

    def write_each(directory: Path) -> Path:
        path = directory
        for run, history in histories():
            write = partial(write_records, history=history, advance=advance)
            path = write_new(directory, run.stem, ".csv", write)
        return path

    name = exported_name(runs, stem, together=together)
    if together:
        names = unique_names(runs)
        metrics = [metric for run in runs for metric in run.stats]

        def named() -> Iterator[tuple[str, History]]:
            return ((names[run.id], history) for run, history in histories())

        path = write_new(
            directory, stem, ".csv", lambda file: write_runs(file, named, metrics, advance)
        )
    elif len(runs) == 1:
        path = write_each(directory)
    else:
        with hidden_path(directory) as hidden:
            hidden.mkdir()
            write_each(hidden)
            free = (path for path in _numbered_paths(directory, name) if not os.path.lexists(path))
            path = hidden.rename(next(free))  # which would replace nothing but an empty directory
    return Exported(path, tuple(left_out))


# Files


@contextmanager
def replacing_file(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of ``path`` when the block ends without an exception.

    Until then its content is beside it in a hidden file, which is gone afterwards in any
    case. A symbolic link keeps pointing to the file; a device or pipe is written to at the end.
    The log file of a run is never replaced: ``FileExistsError``.
    """
    if path.exists() and not path.is_file():
        with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
            yield file
            file.seek(0)
            with path.open("w", encoding="utf-8", newline="") as device:
                shutil.copyfileobj(file, device)
        return
    target = Path(os.path.realpath(path))  # of a pipe, /dev/stdout would lead to no path
    if holds_a_run(target):
        refusal = "Refusing to overwrite the log file of a run"
        raise FileExistsError(errno.EEXIST, refusal, str(path))
    with hidden_path(target.parent) as hidden:
        try:
            # Opened, not made by tempfile, so that the permissions follow the umask.
            file = hidden.open("x", encoding="utf-8", newline="")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        with file:
            yield file
        os.replace(hidden, target)


def write_new(directory: Path, stem: str, suffix: str, write: Callable[[TextIO], object]) -> Path:
    """Writes a file under a name that was free, whole or not at all; returns its path.

    That is ``stem`` with ``suffix``, else ``stem_2``, ``stem_3``, …: nothing is ever replaced.
    Raises ``OSError`` when the directory cannot be written to.
    """
    with hidden_path(directory) as hidden:
        with hidden.open("x", encoding="utf-8", newline="") as file:
            write(file)
        paths = _numbered_paths(directory, stem, suffix)
        return next(path for path in paths if _take_name(hidden, path))


def _numbered_paths(directory: Path, stem: str, suffix: str = "") -> Iterator[Path]:
    """The paths ``stem``, ``stem_2``, ``stem_3``, … with a suffix."""
    yield directory / f"{stem}{suffix}"
    yield from (directory / f"{stem}_{number}{suffix}" for number in itertools.count(2))


def _take_name(hidden: Path, path: Path) -> bool:
    """Gives a written file its name, unless another file has it."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        return False
    except OSError:  # a filesystem without hard links
        if os.path.lexists(path):
            return False
        os.replace(hidden, path)
    return True


def column_names(metrics: Iterable[str]) -> list[str]:
    """The fields of a record, what the loops logged, and last what was sampled of the system."""
    return sorted(dict.fromkeys((*RECORD_FIELDS, *metrics)), key=system_order)


def _rows(history: History, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(measured_values(history, name) for name in names), strict=True)
