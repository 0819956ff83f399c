"""Runs as a Parquet dataset that DuckDB, Polars, Spark, Ray and pandas read as it is.

``runs.parquet`` has a row for each run, ``records/run_id=…/records.parquet`` the records of one. A
value is null where nothing was measured, and NaN where NaN was. Which state of a run a file holds
stands in its metadata, so that only what changed is written again.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from traintop.analysis.export import column_names
from traintop.analysis.run_tables import run_rows
from traintop.atomic_file import hidden_path
from traintop.model import RunSummary
from traintop.run_ids import address_of
from traintop.store.formats import OutOfOrderError, UnreadableRunError
from traintop.store.history import measured_rows
from traintop.tables import json_text
from traintop.values import flat_settings

if TYPE_CHECKING:
    from traintop.analysis.run import Run
    from traintop.analysis.runs import Runs
    from traintop.store.history import History

RUNS_FILE, RECORDS_FOLDER, RECORDS_FILE = "runs.parquet", "records", "records.parquet"

_ROWS = 128 * 1024  # of a row group: what is in memory at once
_STATE = b"traintop.state"
_WITH_STATISTICS = ["iteration", "gradient_step", "wallclock_time"]
"""Columns. The statistics of a metric would leave out NaN, and DuckDB would then find none."""
_LARGEST = 2**63
_UNSAFE = frozenset('/\\=%:*?"<>|#') | {chr(code) for code in range(32)}


class Written(NamedTuple):
    """How many runs were written, how many had not changed, and in words which were left out."""

    written: int
    unchanged: int
    left_out: tuple[str, ...] = ()


def write_dataset(
    runs: Runs, directory: Path, advance: Callable[[int], object] = lambda records: None
) -> Written:
    """Writes runs below a directory, whole files only; those of other runs stay as they are.

    ``advance`` is called with the number of records just done. Raises ``ImportError`` that says
    what to install, and ``OSError`` when the directory cannot be written to.
    """
    arrow = _arrow()
    unchanged, left_out = 0, []
    before = _written_rows(arrow, directory / RUNS_FILE)
    ids = partition_names(
        runs.summaries, {str(row.get("run_id")): str(row.get("path")) for row in before}
    )
    for run in runs:
        path = directory / RECORDS_FOLDER / f"run_id={ids[run.id]}" / RECORDS_FILE
        state = _state_of(run.summary)
        if _written_state(arrow, path) == state:
            unchanged += 1
            advance(run.summary.count or 0)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            advance(_write_records(arrow, run, path, state))
        except UnreadableRunError as error:
            left_out.append(f"left out: {error}")
    _write_runs(arrow, runs, ids, before, directory / RUNS_FILE)
    return Written(len(runs) - unchanged - len(left_out), unchanged, tuple(left_out))


def partition_names(
    runs: Sequence[RunSummary], written: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The ``run_id`` of each run by its id: safe as a directory, and the same at every export.

    It is the run id of our own files, unless another run has it; of others, whose names repeat,
    with a checksum of the address. ``written`` has the addresses of the runs in the dataset.
    """
    names: dict[str, str] = {}
    runs_called = Counter(run.stem for run in runs)
    for run in runs:
        stem, address = run.stem, address_of(run.id)
        safe = "".join("_" if character in _UNSAFE else character for character in stem)
        checksum = hashlib.sha1(address.encode("utf-8", "surrogateescape")).hexdigest()
        marked = f"{safe[:120]}-{checksum[:8]}"
        is_own = stem.startswith("experiment_") and safe == stem and marked not in written
        is_free = written[stem] == address if stem in written else runs_called[stem] == 1
        names[run.id] = stem if is_own and is_free else marked
    return names


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet needs pyarrow: pip install 'traintop[parquet]'") from None
    return pyarrow


def _state_of(run: RunSummary) -> bytes:
    """What changes when the records of a run do."""
    state = (run.count, run.file_size, run.updated_at, run.end_time, run.stats, run.last)
    return hashlib.sha1(repr(state).encode("utf-8", "surrogateescape")).hexdigest().encode()


def _written_state(arrow: Any, path: Path) -> bytes | None:
    """The state of the run that a file holds; ``None`` where none does."""
    try:
        metadata = arrow.parquet.read_schema(path).metadata or {}
    except (OSError, arrow.ArrowInvalid):
        return None
    state: bytes | None = metadata.get(_STATE)
    return state


class _NewMetricError(Exception):
    """A metric turned up for which the file that was begun has no column."""


def _write_records(arrow: Any, run: Run, path: Path, state: bytes) -> int:
    """Writes the records of one run, and returns how many, with one portion in memory if possible.

    It begins again where more metrics turn up than were known, and where a record belongs before
    those that were written.
    """
    names, streams = dict.fromkeys(column_names(run.summary.stats)), True
    while True:
        with hidden_path(path.parent) as hidden:
            portions = run.portions(_ROWS) if streams else iter([run.history()])
            try:
                done = _write_portions(arrow, hidden, portions, names, state)
            except OutOfOrderError:
                streams = False
            except _NewMetricError as error:
                names |= error.args[0]
            else:
                os.replace(hidden, path)
                return done


def _write_portions(
    arrow: Any, path: Path, portions: Iterable[History], names: dict[str, None], state: bytes
) -> int:
    schema = arrow.schema([(name, arrow.float64()) for name in names], metadata={_STATE: state})
    done = 0
    with arrow.parquet.ParquetWriter(
        path, schema, compression="zstd", write_statistics=_WITH_STATISTICS
    ) as writer:
        for portion in portions:
            if more := dict.fromkeys(name for name in portion.metrics if name not in names):
                raise _NewMetricError(more)
            columns = [_column(arrow, portion, name) for name in names]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema), _ROWS)
            done += len(portion)
    return done


def _column(arrow: Any, portion: History, name: str) -> Any:
    column = portion.columns.get(name)
    if column is None:
        return arrow.nulls(len(portion), arrow.float64())
    return arrow.array(column, mask=~measured_rows(column), from_pandas=False)


def _written_rows(arrow: Any, path: Path) -> list[dict[str, Any]]:
    """The rows of the runs that are in the dataset; raises ``OSError`` for a file of others."""
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = arrow.parquet.read_table(path, partitioning=None).to_pylist()
    except arrow.ArrowInvalid:
        raise OSError(
            errno.EINVAL, "not a Parquet file; remove it, or choose another directory", str(path)
        ) from None
    return rows


def _write_runs(
    arrow: Any, runs: Runs, ids: dict[str, str], before: Sequence[dict[str, Any]], path: Path
) -> None:
    """Writes a row for each run: what ``traintop list --csv`` has, and each metric of it.

    The rows of other runs stay. A setting whose values share no type is JSON text.
    """
    rows = []
    for run, row in zip(runs, run_rows(runs.summaries, runs.names), strict=True):
        metrics, config = row.pop("metrics"), row.pop("config")
        assert isinstance(metrics, dict)
        assert isinstance(config, dict)
        row |= {"run_id": ids[run.id], "path": address_of(run.id)}
        for name, one in metrics.items():
            row |= {f"{name}.{key}": value for key, value in one.items()}
        row |= {f"config.{name}": value for name, value in flat_settings(config).items()}
        rows.append(row)
    replaced = {*ids.values()}
    rows += [row for row in before if row.get("run_id") not in replaced]
    headings = dict.fromkeys(key for row in rows for key in row)
    table = arrow.table({name: _typed(arrow, [row.get(name) for row in rows]) for name in headings})
    path.parent.mkdir(parents=True, exist_ok=True)
    with hidden_path(path.parent) as hidden:
        arrow.parquet.write_table(table, hidden, compression="zstd", write_statistics=False)
        os.replace(hidden, path)


def _typed(arrow: Any, values: list[Any]) -> Any:
    """A column of one type: whole numbers, numbers, truth values, or text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return arrow.array(values, arrow.bool_())
    if kinds and kinds <= {int, float}:
        if kinds == {int} and all(value is None or abs(value) < _LARGEST for value in values):
            return arrow.array(values, arrow.int64())
        return arrow.array([None if value is None else float(value) for value in values])
    texts = [
        value if value is None or isinstance(value, str) else json_text(value) for value in values
    ]
    return arrow.array(texts, arrow.string())
