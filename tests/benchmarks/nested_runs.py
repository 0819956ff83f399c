"""A year of a lab: very many runs in nested directories, most of them ours, some of other tools."""

from __future__ import annotations

import functools
import os
import random
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from tests.benchmarks.generated_runs import record, record_lines, tail_of

from traintop.logfile import Head, encode_flush, encode_head
from traintop.model import ExperimentConfig
from traintop.tracking.environment import describe_environment

_RECORDS = 20
_OF_A_SWEEP = 100
_FOREIGN = Path(__file__).parents[1] / "foreign"
_FOREIGN_FILES = (
    "lightning/lightning_logs/version_0/metrics.csv",
    "json_lines/metrics.jsonl",
    "keras/training.csv",
)


def write_nested_runs(directory: Path, count: int, *, days: int = 365) -> Path:
    """So many runs that ended within the last year.

    Of each hundred, 60 share a directory with others of their sweep, 37 have one of their own, and
    three are logs of other tools.
    """
    first = datetime.now().replace(microsecond=0) - timedelta(days=days + 1)
    for number in range(count):
        start = first + timedelta(seconds=days * 86400 * number / count)
        place, kind = divmod(number, 100)
        project = directory / f"project-{place % 40:02d}"
        if kind < 60:
            folder = project / f"sweep-{number // _OF_A_SWEEP // 2:04d}"
        else:
            folder = project / "jobs" / f"{place:04d}" / f"job-{kind}"
        folder.mkdir(parents=True, exist_ok=True)
        if kind < 97:
            _write_ours(folder, number, start)
        else:
            _copy_of_another(folder, _FOREIGN_FILES[kind - 97], start)
    return directory


def _write_ours(folder: Path, number: int, start: datetime) -> None:
    name = f"run-{number:06d}"
    path = folder / f"experiment_{name}_{start:%Y%m%d_%H%M%S}.json"
    rates = (1e-4, 3e-4, 6e-4, 1e-3)
    config = ExperimentConfig(
        experiment_name=name,
        max_iters=_RECORDS,
        max_learning_rate=rates[number % 4],
        d_model=256 << number % 3,
        seed=number % 16,
    )
    head = encode_head(
        Head(
            config=config.to_dict(),
            start_time=start.isoformat(),
            run={**_environment(), "given": list(config._given), "pid": 1000 + number},
        )
    )
    lines = head + _records()
    tail = tail_of(_RECORDS, start)
    values = random.Random(number)
    for metric, stats in tail.stats.items():
        least, mean, std = sorted(values.random() for _ in range(3))
        tail.stats[metric] = msgspec.structs.replace(
            stats, min=least, last=mean * 1.01, mean=mean, std=std, max=8 + mean
        )
    loss = 2 + values.random()
    tail = msgspec.structs.replace(tail, best_train_loss=loss, best_val_loss=loss * 1.04)
    path.write_bytes(lines + encode_flush(b"", tail, len(lines)))
    _set_time(path, start)


@functools.cache
def _records() -> bytes:
    return b"".join(record_lines(_RECORDS))


@functools.cache
def _environment() -> Mapping[str, Any]:
    return describe_environment()


def _copy_of_another(folder: Path, file: str, start: datetime) -> None:
    source = _FOREIGN / file
    path = folder / source.name
    shutil.copyfile(source, path)
    _set_time(path, start)


def _set_time(path: Path, start: datetime) -> None:
    ended = start.timestamp() + record(_RECORDS - 1).wallclock_time
    os.utime(path, (ended, ended))
