"""Which run to resume, and with which settings."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from traintop.model import ExperimentConfig
from traintop.times import in_local_time, posix_time
from traintop.tracking.resumption import NOT_OURS, Checkpoint, InterruptedRun, opened
from traintop.values import jsonable


def read_config(path: Path) -> ExperimentConfig:
    """The settings of a run. Raises ``OSError``, and ``ValueError`` for a foreign file."""
    with opened(path) as run:
        if run.ends.head is None:
            raise ValueError(f"{path} {NOT_OURS}")
        return _config_of(run)


def _config_of(run: InterruptedRun) -> ExperimentConfig:
    """The settings of a run, with those that changed after its start."""
    given, changes = run.head.run.get("given"), run.tail.config_changes
    names = [*filter(_is_text, given), *changes] if isinstance(given, list) else None
    return ExperimentConfig.from_settings({**run.head.config, **changes}, names)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def changed_settings(run: InterruptedRun, config: ExperimentConfig) -> dict[str, Any]:
    """The settings that came or changed since the start of a run, with those given now."""
    known = {**run.head.config, **run.tail.config_changes}
    settings = config.to_dict()
    given = jsonable({name: settings[name] for name in config._given})
    changed = {name: value for name, value in given.items() if known.get(name, known) != value}
    return {**run.tail.config_changes, **changed}


def find_run(name: str, log_dir: Path, checkpoint: Checkpoint, *, again: bool) -> Path:
    """The newest run of that name in the log directory that did not finish; or of that run id.

    A name is also an ``id`` among the facts of a run. One that finished counts ``again`` as well. A
    run that begins at its start is a new one, and none counts. Raises ``FileNotFoundError``, which
    says what there is.
    """
    names: dict[Path, str] = {}
    starts: dict[Path, float] = {}  # of runs that can be resumed
    why = ""
    for path in filter(os.path.isfile, log_dir.glob("experiment_*.json")):  # a pipe would wait
        if path.stem == name:
            return path
        names[path] = ""
        with contextlib.suppress(OSError), opened(path) as run:
            names[path] = str(_config_of(run).experiment_name or "")
            if name not in (names[path], run.head.run.get("id")):
                continue
            if run.tail.status == "finished" and not again:
                why = f": {path.name} finished; resume it by its path, or with again=True"
            elif checkpoint.is_start and not again:
                why = ": from step 0 it is a new run"
            else:
                started = in_local_time(run.head.start_time, run.head.run.get("utc_offset"))
                starts[path] = posix_time(started) or 0.0
    if starts:
        return max(starts, key=lambda path: (starts[path], path.stem))
    known = ", ".join(sorted({name for name in names.values() if name})) or "no runs"
    unknown = ", ".join(path.name for path, name in names.items() if not name)
    raise FileNotFoundError(
        f"no run {name!r} to resume in {log_dir}{why or f'; it holds: {known}'}"
        + (f"; without settings that can be read: {unknown}" if unknown and not why else "")
    )
