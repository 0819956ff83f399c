"""What MLflow says of a run, in whichever of its stores it keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from traintop.logfile import Head, Tail, WrittenStatus
from traintop.progress import COUNTED_BY
from traintop.store.formats.followed import TOOL, About, Records, ReplacedError
from traintop.store.formats.series import Series, SeriesRecords
from traintop.times import iso_time
from traintop.values import NAME_SETTING, as_number

_STATUSES: Mapping[int | str, WrittenStatus] = {
    1: "running",
    "RUNNING": "running",
    2: "running",  # it is scheduled
    "SCHEDULED": "running",
    3: "finished",
    "FINISHED": "finished",
    4: "failed",
    "FAILED": "failed",
    5: "interrupted",
    "KILLED": "interrupted",
}

# What MLflow notes of a run by itself, and what our own files call it.
_FACTS = {
    "mlflow.user": "user",
    "mlflow.source.name": "command",
    "mlflow.source.git.commit": "git_commit",
    "mlflow.source.git.branch": "git_branch",
    "mlflow.parentRunId": "parent_run",
}
_OWN_TAG = "mlflow."
_SAMPLED = "system/"
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_FLOAT = re.compile(r"[+-]?\d{1,40}(?:\.\d{0,40})?(?:[eE][+-]?\d{1,3})?")
_WORDS: Mapping[str, object] = {"True": True, "False": False, "None": None}


class MlflowRecords(SeriesRecords):
    """Makes records of what MLflow has of a run.

    A step that was not given is stored as 0. So while all are, the values of a metric are counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}  # of the values of each metric

    @property
    def are_counted(self) -> bool:
        """Whether the places of records are no steps."""
        return any(count > 1 for count in self._counts.values())

    def add_logged(self, series: Sequence[Series], records: Records, *, has_steps: bool) -> None:
        """Give what was read to the records. ``has_steps``: some step of the run is not 0.

        Raises ``ReplacedError`` for the first such step: then no value was to be counted.
        """
        if has_steps and self.are_counted:
            raise ReplacedError
        self.add(series if has_steps else [*map(self._counted, series)], records)

    def _counted(self, one: Series) -> Series:
        if one.is_sampled:
            return one
        start = self._counts.get(one.metric, 0)
        self._counts[one.metric] = end = start + len(one.steps)
        return one._replace(steps=np.arange(start, end, dtype=np.float64))


def has_steps(series: Sequence[Series]) -> bool:
    """Whether some step is not 0, for nobody gives 0 to all."""
    return any(one.steps.any() for one in series if not one.is_sampled)


def about_run(
    info: Mapping[str, object],
    experiment: object,
    params: Mapping[str, str],
    tags: Mapping[str, str],
    records: MlflowRecords,
) -> About:
    """What is known of a run beside its records, given what MLflow has under its own names."""
    settings = {name: setting_of_text(text) for name, text in params.items()}
    added = {name: text for name, text in tags.items() if not name.startswith(_OWN_TAG)}
    if added:
        settings["tags"] = added
    name = tags.get("mlflow.runName") or info.get("run_name") or info.get("name")
    if isinstance(name, str) and name.strip():
        settings[NAME_SETTING] = name
    facts: dict[str, object] = {TOOL: "MLflow"}
    if isinstance(experiment, str):
        facts["experiment"] = experiment
    if isinstance(user := info.get("user_id"), str):
        facts["user"] = user
    facts |= {ours: tags[theirs] for theirs, ours in _FACTS.items() if theirs in tags}
    if records.are_counted:
        facts[COUNTED_BY] = "value"
    written = info.get("status")
    status = _STATUSES.get(written, "running") if isinstance(written, (int, str)) else "running"
    start, end = seconds(info.get("start_time")), seconds(info.get("end_time"))
    if status == "running":
        end = None
    return About(
        Head(config=settings, start_time=iso_time(start or 0.0), run=facts),
        Tail(
            status=status,
            end_time=iso_time(end or 0.0),
            duration_seconds=None if end is None or start is None else end - start,
            updated_at=iso_time(max(records.last_time, end or 0.0)),
            notes=tags.get("mlflow.note.content", ""),
        ),
    )


def is_sampled(metric: str) -> bool:
    """Whether a metric is one of the machine, whose steps count samples and not iterations."""
    return metric.startswith(_SAMPLED)


def seconds(milliseconds: object) -> float | None:
    """A moment as MLflow stores it, in seconds since 1970."""
    number = as_number(milliseconds)
    return None if isinstance(milliseconds, str) or number is None else number / 1000


def setting_of_text(text: str) -> object:
    """What was given as the value of a parameter, which MLflow keeps as text."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else _WORDS.get(text, text)
