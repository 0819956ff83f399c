"""A run as a small page of a notebook, and runs as a table with the course of each.

Every text that comes from a file is escaped. Colours follow the notebook, whether dark or light;
where it takes style sheets away, they are those for light ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from traintop.analysis.chart_names import LOSS_CHART, chart_title, charts_of
from traintop.analysis.run import Run
from traintop.analysis.run_tables import runs_table, setting_columns
from traintop.analysis.runs import Runs
from traintop.analysis.summary_text import remark_rows, result_rows, setting_rows
from traintop.charts import DARK, LIGHT, Palette, chart_svg, sparkline_svg
from traintop.charts.curves import QUICK_RECORDS, ChartOptions
from traintop.charts.run_chart import chart_of
from traintop.html import Markup, escaped, html_table
from traintop.metrics import column_name
from traintop.model import RunStatus, RunSummary
from traintop.progress import steps_text
from traintop.store.history import History
from traintop.tables import Cell, Column, Table
from traintop.text import LONGEST_NAME, counted, duration
from traintop.times import time_text

_MOST_RUNS = 30
_MOST_SETTINGS = 12
_MOST_ROWS = 100
_LONGEST_SETTING = 48
_CHART_SIZE = (620, 300)
_SAMPLE_POINTS = 4000
_TREND_POINTS = 64

_NAMES = (*(f"--traintop-{place}" for place in range(len(LIGHT.curves))),)
_PALETTE = Palette(
    tuple(f"var({name},{color})" for name, color in zip(_NAMES, LIGHT.curves, strict=True)),
    frame=f"var(--traintop-frame,{LIGHT.frame})",
    alert=f"var(--traintop-alert,{LIGHT.alert})",
    ink="currentColor",
    paper="none",
)
_DARK_PAGES = (
    *('[data-jp-theme-light="false"]', '[data-theme="dark"]', '[theme="dark"]'),
    *(".vscode-dark", ".vscode-high-contrast"),
)
"""What JupyterLab, Notebook, nbconvert, Sphinx, Colab and VS Code say of a dark page."""

_QUIET = "opacity:.65"


def _style_sheet() -> Markup:
    named = [*zip(_NAMES, DARK.curves, strict=True)]
    named += [("--traintop-frame", DARK.frame), ("--traintop-alert", DARK.alert)]
    pages = ",".join(f"{page} .traintop" for page in _DARK_PAGES)
    colors = ";".join(f"{name}:{color}" for name, color in named)
    return Markup(
        f"<style>{pages}{{{colors}}}.traintop-chart svg{{max-width:100%;height:auto}}</style>"
    )


# A run


def run_page(run: Run, siblings: Sequence[RunSummary]) -> Markup:
    """Status, chart, and the settings in which a run differs from its siblings; more on demand."""
    settings = setting_columns([run.summary], _LONGEST_SETTING, among=siblings)
    settings.sort(key=lambda column: column.rank)
    different = [(column.heading, column.cells[0].text) for column in settings]
    others = [*result_rows(run.summary), *remark_rows(run.summary)]
    parts = [
        _style_sheet(),
        _heading(run),
        '<div style="display:flex;flex-wrap:wrap;gap:8px 24px;align-items:flex-start">',
        f'<div class="traintop-chart">{_chart(run)}</div>',
        _rows("settings that differ", different, _MOST_SETTINGS),
        "</div>",
        f'<details><summary style="{_QUIET};cursor:pointer">results and settings</summary>',
        '<div style="display:flex;flex-wrap:wrap;gap:8px 24px;align-items:flex-start">',
        _rows("results", others, _MOST_ROWS),
        _rows("settings", setting_rows(run.summary), _MOST_ROWS),
        "</div></details>",
    ]
    return Markup(f'<div class="traintop">{"".join(parts)}</div>')


def _heading(run: Run) -> str:
    summary = run.summary
    took = duration(summary.duration_seconds)
    facts = (steps_text(summary), took, time_text(summary.start_time or ""))
    quiet = " · ".join(escaped(fact) for fact in facts if fact)
    name = escaped(run.name, LONGEST_NAME)
    return (
        f'<div style="margin-bottom:4px"><b style="font-size:115%">{name}</b>&ensp;'
        f'{_status(summary)}&ensp;<span style="{_QUIET}">{quiet}</span></div>'
    )


def _status(run: RunSummary) -> str:
    why = f' <span style="{_QUIET}">{escaped(run.error)}</span>' if run.error else ""
    color = _STATUS_COLORS.get(run.status, _PALETTE.ink)
    return f'<span style="color:{color}">{escaped(run.status.value)}</span>{why}'


_STATUS_COLORS = {
    RunStatus.RUNNING: _PALETTE.curves[2],
    RunStatus.STALLED: _PALETTE.curves[1],
    RunStatus.INTERRUPTED: _PALETTE.curves[1],
    RunStatus.CRASHED: _PALETTE.alert,
    RunStatus.FAILED: _PALETTE.alert,
}


def _chart(run: Run) -> str:
    width, height = _CHART_SIZE
    chart = charts_of([run.metrics])[0]
    try:
        spec = chart_of([run], chart, ChartOptions(), _overview)
        spec = replace(spec, title="" if spec.in_legend else chart_title(chart))
        return chart_svg(spec, palette=_PALETTE, width=width, height=height)
    except ValueError as error:  # no record yet, or the file is gone
        return f'<span style="{_QUIET}">{escaped(error)}</span>'


def _overview(run: Run) -> History:
    """All records of a run, or of a long one some from all over it."""
    is_long = (run.summary.count or 0) > QUICK_RECORDS
    return run.sample(_SAMPLE_POINTS) if is_long else run.history()


def _rows(heading: str, rows: Iterable[tuple[str, str]], most: int) -> str:
    """Names and texts below a heading; nothing without any."""
    shown = [*rows]
    if not shown:
        return ""
    names = Column.of_texts(heading, (name for name, _ in shown), "left")
    texts = Column.of_texts("", (text for _, text in shown), "left")
    return f"<div>{html_table(Table([names, texts]), most_rows=most)}</div>"


# Runs


def runs_page(runs: Runs) -> Markup:
    """The first of the runs in a table, with the settings that differ and the course of each."""
    shown = runs[:_MOST_RUNS]
    if not shown:
        return Markup('<div class="traintop">no runs</div>')
    names, *others = runs_table(shown.summaries, shown.names, sort="name").columns
    trends = Column("", [Cell(text=_trend(run)) for run in shown], "left")
    table = html_table(Table([names, trends, *others]))
    more = len(runs) - len(shown)
    words = counted(len(runs), "run")
    if more:
        words += f": {more:,} are not shown; .filter(…), .sort(…) and [{_MOST_RUNS}:] choose others"
    note = f'<div style="{_QUIET}">{words}</div>'
    return Markup(f'<div class="traintop">{_style_sheet()}{table}{note}</div>')


def _trend(run: Run) -> Markup:
    """The course of the metric that the chart of a run would show first."""
    try:
        sample = run.sample(_TREND_POINTS)
    except ValueError:  # its file is gone
        return Markup("")
    chart = charts_of([sample.metrics])[0]
    name = column_name("train_loss" if chart == LOSS_CHART else chart, sample.metrics)
    values = sample.columns[name][sample.measured(name)] if name in sample.metrics else np.empty(0)
    return Markup(sparkline_svg(values, palette=_PALETTE))
