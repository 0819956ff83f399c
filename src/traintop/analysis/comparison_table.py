"""Runs side by side as a table: text that fits a terminal, or Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from traintop.analysis.differences import differing_settings
from traintop.analysis.naming import unique_names
from traintop.analysis.ranking import Mode, best_value
from traintop.model import RunStatus, RunSummary
from traintop.text import (
    MISSING,
    cell_width,
    duration,
    fit,
    fit_middle,
    number,
    safe_text,
    setting_text,
    si,
)
from traintop.values import flat_settings

BEST_MARK = "*"
"""Stands behind the best value of a column."""

_GAP = 2
"""Cells between two columns, the first of which is for the mark."""

_LEGEND = f"{BEST_MARK} best of its column"
_SETTING_WIDTH = 20
_LEAST_NAME_WIDTH = 8
_USUAL_NAME_WIDTH = 28

# Underscores within a word are no emphasis.
_MARKDOWN_SYNTAX = re.compile(r"([\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_]))")


@dataclass(frozen=True, slots=True)
class _Column:
    """One column. ``value`` decides which run is the best of it, if ``better`` says how."""

    heading: str
    text: Callable[[RunSummary], str]
    align: Literal["left", "right"] = "right"
    value: Callable[[RunSummary], float | None] = lambda _: None
    better: Mode | None = None


class _Cells:
    """A column filled in: a text for each run under its heading, and which are the best."""

    def __init__(self, column: _Column, runs: Sequence[RunSummary]) -> None:
        self.heading = column.heading
        self.align = column.align
        self.texts = list(map(column.text, runs))
        self.best = _best_rows(list(map(column.value, runs)), column.better)
        self._widths = list(map(cell_width, (self.heading, *self.texts)))
        self.width = max(self._widths)  # in cells, without the mark

    def lines(self, width: int) -> list[str]:
        """The heading and the texts in ``width`` cells, each with its mark or a blank."""
        lines = []
        for text, cells in zip((self.heading, *self.texts), self._widths, strict=True):
            if cells > width:
                lines.append(fit(fit_middle(text, width), width) + " ")
                continue
            padding = " " * (width - cells)
            lines.append(f"{text}{padding} " if self.align == "left" else f"{padding}{text} ")
        for row in self.best:
            lines[row + 1] = lines[row + 1][:-1] + BEST_MARK
        return lines


def comparison_table(
    runs: Sequence[RunSummary],
    names: Mapping[str, str] | None = None,
    *,
    width: int = 80,
    markdown: bool = False,
) -> str:
    """The runs in the given order, one line each, with the settings in which they differ.

    Losses are the lowest that a run reached, throughput and step time are means; the best of each
    column is marked with ``*`` (bold in Markdown), of durations the shortest of the runs that
    finished and did not diverge. As text, columns that ``width`` cells have no room for are left
    out. Files that cannot be read are no runs to compare and are left out as well.
    """
    readable = [run for run in runs if run.status is not RunStatus.UNREADABLE]
    if not readable:
        return "No runs."
    labels = unique_names(runs) if names is None else names
    name = _Column("RUN", lambda run: safe_text(labels[run.id]), "left")
    if markdown:
        columns = [name, *_IN_PLACE, *_setting_columns(readable)]
        return _as_markdown([_Cells(column, readable) for column in columns])
    return _as_text(_Cells(name, readable), readable, max(width, 1))


def _loss_text(value: float | None) -> str:
    """Five significant digits with trailing zeros, so that the decimals stand in line."""
    if value is not None and 1e-3 <= abs(value) < 1e4:
        return f"{value:#.5g}"
    return number(value, 5)


def _step_text(run: RunSummary) -> str:
    if run.iteration is None:
        return MISSING
    done = run.iteration + 1 if isinstance(run.iteration, int) else run.iteration
    return si(done) if run.max_iters is None else f"{si(done)}/{si(run.max_iters)}"


def _milliseconds_text(value: float | None) -> str:
    return number(value, 3)


def _started_text(run: RunSummary) -> str:
    return safe_text(run.start_time)[:16].replace("T", " ") if run.start_time else MISSING


def _loss_column(heading: str, metric: str) -> _Column:
    def value(run: RunSummary) -> float | None:
        return best_value(run, metric, "min")

    return _Column(heading, lambda run: _loss_text(value(run)), value=value, better="min")


def _mean_column(
    heading: str, metric: str, better: Mode, text: Callable[[float | None], str]
) -> _Column:
    def value(run: RunSummary) -> float | None:
        return run.mean_value(metric)

    return _Column(heading, lambda run: text(value(run)), value=value, better=better)


_STATUS = _Column("STATUS", lambda run: run.status.value, "left")
_STEP = _Column("STEP", _step_text)
_VAL_LOSS = _loss_column("VAL LOSS", "val_loss")
_TRAIN_LOSS = _loss_column("TRAIN LOSS", "train_loss")
_THROUGHPUT = _mean_column("TOK/S", "tokens_per_sec", "max", si)
_STEP_TIME = _mean_column("STEP MS", "iter_time_ms", "min", _milliseconds_text)
_DURATION = _Column(
    "TIME",
    lambda run: duration(run.duration_seconds),
    value=lambda run: best_value(run, "duration"),
    better="min",
)
_STARTED = _Column("STARTED", _started_text, "left")

_IN_PLACE = (_STATUS, _STEP, _VAL_LOSS, _TRAIN_LOSS, _THROUGHPUT, _STEP_TIME, _DURATION, _STARTED)
_MOST_IMPORTANT = (_VAL_LOSS, _STATUS, _TRAIN_LOSS, _STEP, _THROUGHPUT, _DURATION)
_LEAST_IMPORTANT = (_STEP_TIME, _STARTED)  # after the settings


def _setting_columns(runs: Sequence[RunSummary]) -> list[_Column]:
    settings = {run.id: flat_settings(run.config) for run in runs}
    return [_setting_column(name, settings) for name in differing_settings(runs)]


def _setting_column(name: str, settings: Mapping[str, Mapping[str, Any]]) -> _Column:
    def text(run: RunSummary) -> str:
        value = settings[run.id].get(name)
        if value is None:
            return MISSING
        if isinstance(value, float):
            return number(value)
        return setting_text(value, _SETTING_WIDTH)

    return _Column(safe_text(name, _SETTING_WIDTH), text)


def _best_rows(values: Sequence[float | None], better: Mode | None) -> frozenset[int]:
    """The rows with the best finite value; none where all are equally good."""
    finite = {
        row: value for row, value in enumerate(values) if value is not None and math.isfinite(value)
    }
    if not finite or better is None:
        return frozenset()
    lowest, highest = min(finite.values()), max(finite.values())
    if lowest == highest and len(finite) > 1:
        return frozenset()
    best = lowest if better == "min" else highest
    return frozenset(row for row, value in finite.items() if value == best)


def _as_text(name: _Cells, runs: Sequence[RunSummary], width: int) -> str:
    settings = _setting_columns(runs)
    room = width - 1 - min(name.width, _USUAL_NAME_WIDTH)
    chosen: dict[_Column, _Cells] = {}
    for column in (*_MOST_IMPORTANT, *settings, *_LEAST_IMPORTANT):
        cells = _Cells(column, runs)
        # The first column is worth a shortened name.
        available = room if chosen else width - 1 - _LEAST_NAME_WIDTH
        if _GAP + cells.width <= available:
            chosen[column] = cells
            room -= _GAP + cells.width
    shown = [chosen[column] for column in (*_IN_PLACE, *settings) if column in chosen]
    taken = sum(_GAP + cells.width for cells in shown)
    name_width = min(name.width, max(width - 1 - taken, 1))
    columns = [name.lines(name_width), *(cells.lines(cells.width) for cells in shown)]
    lines = [" ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    lines.insert(1, "─" * (name_width + taken))
    if any(cells.best for cells in shown):
        lines.append(fit(_LEGEND, width).rstrip())
    return "\n".join(lines)


def _as_markdown(columns: Sequence[_Cells]) -> str:
    rules = [":--" if column.align == "left" else "--:" for column in columns]
    table = [
        [_markdown_cell(column.heading) for column in columns],
        rules,
        *(
            [
                f"**{_markdown_cell(text)}**" if row in column.best else _markdown_cell(text)
                for column, text in zip(columns, texts, strict=True)
            ]
            for row, texts in enumerate(zip(*(column.texts for column in columns), strict=True))
        ),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def _markdown_cell(text: str) -> str:
    """Text that Markdown shows as it is, and that cannot end its cell."""
    return _MARKDOWN_SYNTAX.sub(r"\\\1", text)
