"""``trainer_log.jsonl``: what LLaMA-Factory writes of each log entry of its Trainer, at once."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from traintop.logfile import Head, Row
from traintop.store.formats.followed import About
from traintop.store.formats.json_document import number_in
from traintop.store.formats.json_lines import objects_in, whole_lines
from traintop.store.formats.logged_rows import LoggedRows
from traintop.text import counted

TRAINER_LOG = "trainer_log.jsonl"

PLACE = "current_steps"
"""What it calls the steps that were done."""

_NAMES = {PLACE: "iteration", "lr": "learning_rate", "accuracy": "rewards/accuracies"}
"""Its names of what the state of the Trainer calls differently."""

_NO_METRICS = frozenset({"total_steps", "percentage", "elapsed_time", "remaining_time"})
_OF_TOKENS = frozenset({"throughput", "total_tokens"})  # 0 where no tokens are counted
_ELAPSED = re.compile(r"(?:(\d{1,6}) days?, )?(\d{1,2}):(\d\d):(\d\d)")


class TrainerLogParser:
    """Takes the lines apart; see :class:`traintop.store.formats.line_files.LineParser`."""

    kind: Hashable = TRAINER_LOG

    def __init__(self, start: bytes) -> None:
        self._settings: dict[str, Any] = {}
        self._damaged = 0  # lines
        self._elapsed = 0  # seconds, in the line before
        self._before = 0  # seconds, in programs before this one

    def whole(self, data: bytes) -> int:
        """With the last line, if it is a whole object."""
        return whole_lines(data)

    def rows(self, lines: bytes) -> list[Row]:
        """The records, with the names of the state."""
        objects, damaged, others = objects_in(lines)
        self._damaged += damaged + others
        rows = []
        for found in objects:
            total = number_in(found.get("total_steps"))
            if total is not None:
                self._settings["max_steps"] = total
            counts_tokens = number_in(found.get("total_tokens"))
            aside = _NO_METRICS if counts_tokens else _NO_METRICS | _OF_TOKENS
            row: Row = {
                _NAMES.get(name, name): number
                for name, value in found.items()
                if name not in aside and (number := number_in(value)) is not None
            }
            if "iteration" in row:
                row["wallclock_time"] = self._seconds(found.get("elapsed_time"))
                rows.append(row)
        return rows

    def _seconds(self, elapsed: object) -> int | None:
        """For how long the training has gone on, over all programs."""
        found = _ELAPSED.fullmatch(elapsed) if isinstance(elapsed, str) else None
        if found is None:
            return None
        days, hours, minutes, seconds = (int(group or 0) for group in found.groups())
        since = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        if since < self._elapsed:
            self._before += self._elapsed
        self._elapsed = since
        return self._before + since

    def about(self, rows: LoggedRows) -> About:
        """How far the training is to go."""
        lines = counted(self._damaged, "damaged line")
        problem = f"has {lines} in {TRAINER_LOG}, left out" if self._damaged else ""
        return About(Head(config=dict(self._settings)), problem=problem)
