"""A chart as an SVG document: curves as vector lines, text as text, no script and no font file."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from traintop.analysis.series import FloatArray
from traintop.charts.spec import DARK, ChartSpec, Palette, Series
from traintop.charts.view import (
    Curve,
    View,
    departure_text,
    departures,
    points_for,
    share_of,
    view_of,
)
from traintop.text import LONGEST_NAME, cell_width, safe_text

_WIDTH, _HEIGHT = 960, 540
_LEFT, _TOP = 72, 24  # the edges of legend and plot
_BESIDE, _BELOW = 24, 52  # the plot
_LINE = 20  # from one line of text to the next
_CHARACTER = 7.4  # about what one takes in the legend
_SAMPLE = 26  # the piece of a curve in the legend
_BETWEEN = 16  # two entries of the legend
_LONGEST_LABEL = 36
_PIXELS_PER_COLUMN = 2  # pixels for which a curve gets a lowest and a highest point
_X_TICK, _Y_TICK = 110, 56  # pixels for each tick
_LEGEND_SHARE = 0.4  # of the height, at most, for title and legend
_FONT = 'font-family="system-ui, sans-serif" font-size="13"'


@dataclass(frozen=True)
class _Plot:
    """The rectangle of the curves, in pixels, and what it shows."""

    view: View
    top: float
    right: int
    bottom: int

    def x(self, values: FloatArray) -> FloatArray:
        return _LEFT + share_of(values, self.view.x) * (self.right - _LEFT)

    def y(self, values: FloatArray) -> FloatArray:
        share = share_of(values, self.view.y or (0.0, 1.0))
        return self.bottom - np.clip(share, -9.0, 9.0) * (self.bottom - self.top)

    def points(self, x: FloatArray, y: FloatArray) -> str:
        places = zip(self.x(x).tolist(), self.y(y).tolist(), strict=True)
        return " ".join(f"{across:.1f},{down:.1f}" for across, down in places)


def chart_svg(
    spec: ChartSpec, *, palette: Palette = DARK, width: int = _WIDTH, height: int = _HEIGHT
) -> str:
    """The chart as an SVG document of so many pixels in the colours of ``palette``.

    Several of them may be in one document.
    """
    right, bottom = width - _BESIDE, height - _BELOW
    columns = (right - _LEFT) // _PIXELS_PER_COLUMN
    view = view_of(spec, columns)
    heading, top = _heading(spec, view, palette, right, height * _LEGEND_SHARE)
    plot = _Plot(view, top, right, bottom)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    inside = f'x="{_LEFT}" y="{top}" width="{right - _LEFT}" height="{bottom - top}"'
    clip = f"traintop-plot-{width}-{height}-{top:.0f}"  # where it is met again, it is the same
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {_FONT}>',
        f"<title>{_safe(spec.title) or 'chart'}</title>",
        f'<rect width="100%" height="100%" fill="{palette.paper}"/>',
        f'<clipPath id="{clip}"><rect {inside}/></clipPath>',
        *heading,
        *_axes(spec, plot, palette),
        f'<g clip-path="url(#{clip})" fill="none" stroke-width="1.6" stroke-linejoin="round">',
        *_curves(points_for(spec, columns), plot, palette),
        "</g>",
        *_departures(spec, plot, columns, palette),
        *_events(spec, plot, palette),
        *_cursor(spec, plot, palette),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _heading(
    spec: ChartSpec, view: View, palette: Palette, right: int, lowest: float
) -> tuple[list[str], float]:
    """Title and legend, and where the plot begins below them."""
    parts, y = [], float(_TOP)
    place = spec.cursor_text
    if spec.title or place:
        y += 4
        bold = 'font-weight="600" font-size="15" xml:space="preserve"'
        parts.append(_text(_LEFT, y, spec.title, palette.ink, bold))
        parts.append(_text(right, y, place, palette.frame, 'text-anchor="end"'))
        y += _LINE
    legend, y = _drawn(_legend(spec, view), y, palette, right, lowest)
    if spec.note:
        y += _LINE if legend else 0
        parts.append(_text(_LEFT, y, spec.note, palette.frame))
    return [*parts, *legend], y + (12 if parts or legend else 0)


def _drawn(
    legend: Sequence[Sequence[tuple[Series, str]]],
    y: float,
    palette: Palette,
    right: int,
    lowest: float,
) -> tuple[list[str], float]:
    """The legend, and its last line; the curves of a run are never on two lines.

    What has no room above ``lowest`` is counted in its last line.
    """
    parts: list[str] = []
    x, room = float(_LEFT), right - _LEFT + _BETWEEN
    widths = [[_entry_width(words) for _, words in entries] for entries in legend]
    if sum(map(sum, widths)) > room:  # several lines are in columns, so that each run is found
        columns = [max(width) for width in itertools.zip_longest(*widths, fillvalue=0.0)]
        widths = [columns] * len(legend)
    for drawn, (entries, needed) in enumerate(zip(legend, widths, strict=True)):
        if x > _LEFT and x + sum(needed) > _LEFT + room:
            x, y = float(_LEFT), y + _LINE
            if y > lowest:
                more = f"and {len(legend) - drawn:,} more"
                return [*parts, _text(_LEFT, y, more, palette.frame)], y
        for place, (series, words) in enumerate(entries):
            left = x + sum(needed[:place])
            style = f'stroke="{palette.color(series.color)}" {_dash(series)}'
            sample = f"M{left:.1f} {y - 4:.1f}h{_SAMPLE}"
            parts.append(f'<path d="{sample}" stroke-width="2.5" {style}/>')
            parts.append(_text(left + _SAMPLE + 8, y, words, palette.ink))
        x += sum(needed)
    return parts, y


def _legend(spec: ChartSpec, view: View) -> list[list[tuple[Series, str]]]:
    """The curves of each run with their words in the legend.

    A curve without a label belongs to the one before it, and is called like that.
    """
    legend: list[list[tuple[Series, str]]] = []
    label, names = "", spec.short_labels
    for series in spec.in_legend:
        if series.label or not legend:
            label = names.fit(safe_text(series.label, LONGEST_NAME), _LONGEST_LABEL)
            legend.append([])
        words = (label, spec.legend_value(series), view.arrow(series))
        legend[-1].append((series, " ".join(filter(None, words))))
    return legend


def _entry_width(words: str) -> float:
    return _SAMPLE + 8 + _CHARACTER * cell_width(words) + _BETWEEN


def _axes(spec: ChartSpec, plot: _Plot, palette: Palette) -> Iterator[str]:
    view = plot.view
    line = f'stroke="{palette.frame}"'
    count = max(2, int(plot.bottom - plot.top) // _Y_TICK)
    for value, label in view.labelled_y(count):
        y = float(plot.y(np.array([value]))[0])
        yield f'<path d="M{_LEFT} {y:.1f}h{plot.right - _LEFT}" {line} stroke-opacity="0.25"/>'
        yield _text(_LEFT - 8, y + 4, label, palette.frame, 'text-anchor="end"')
    for value, label in view.labelled_x((plot.right - _LEFT) // _X_TICK, spec.x_unit):
        x = float(plot.x(np.array([value]))[0])
        yield f'<path d="M{x:.1f} {plot.bottom}v5" {line}/>'
        yield _text(x, plot.bottom + 19, label, palette.frame, 'text-anchor="middle"')
    yield f'<path d="M{_LEFT} {plot.top}V{plot.bottom}H{plot.right}" fill="none" {line}/>'
    if view.y is None:
        middle = (_LEFT + plot.right) / 2, (plot.top + plot.bottom) / 2
        yield _text(*middle, spec.nothing_drawn, palette.frame, 'text-anchor="middle"')
    yield _text(
        plot.right, plot.bottom + _BELOW - 14, spec.x_label, palette.frame, 'text-anchor="end"'
    )


def _curves(curves: Sequence[Curve], plot: _Plot, palette: Palette) -> Iterator[str]:
    for curve in curves:
        if curve.edges:
            (x, low), (end, high) = curve.edges
            outline = f"{plot.points(x, low)} {plot.points(end[::-1], high[::-1])}"
            color = palette.color(curve.series.color)
            yield f'<polygon points="{outline}" fill="{color}" fill-opacity="0.18"/>'
    for curve in sorted(curves, key=lambda curve: not curve.series.dim):
        color = palette.color(curve.series.color)
        if len(curve.x) == 1:
            across, down = float(plot.x(curve.x)[0]), float(plot.y(curve.y)[0])
            yield f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3" fill="{color}"/>'
        elif len(curve.x):
            faint = ' stroke-opacity="0.3"' if curve.series.dim else ""
            style = f'stroke="{color}"{faint} {_dash(curve.series)}'
            yield f'<polyline points="{plot.points(curve.x, curve.y)}" {style}/>'


def _departures(spec: ChartSpec, plot: _Plot, columns: int, palette: Palette) -> Iterator[str]:
    """An arrow with the value where a curve left the view."""
    for line, one in enumerate(departures(spec, plot.view, columns)):
        x = min(float(plot.x(np.array([one.x]))[0]), plot.right - 60)
        y = plot.top + 14 + line * _LINE if one.above else plot.bottom - 6 - line * _LINE
        yield _text(x, y, departure_text(spec, one), palette.color(one.series.color))


def _events(spec: ChartSpec, plot: _Plot, palette: Palette) -> Iterator[str]:
    """A cross at the edge of the plot where a value was NaN or infinite."""
    low, high = plot.view.x
    for series in spec.series:
        for marks, y in zip(series.marks, (plot.top + 8, plot.bottom - 8), strict=True):
            shown = marks[(marks >= low) & (marks <= high)]
            for x in np.unique(np.rint(plot.x(shown))).tolist():
                cross = f"M{x - 4:.0f} {y - 4:.1f}l8 8m0 -8l-8 8"
                yield f'<path d="{cross}" stroke="{palette.alert}" stroke-width="2"/>'


def _cursor(spec: ChartSpec, plot: _Plot, palette: Palette) -> Iterator[str]:
    low, high = plot.view.x
    if spec.cursor is not None and low <= spec.cursor <= high:
        x = float(plot.x(np.array([spec.cursor]))[0])
        yield f'<path d="M{x:.1f} {plot.top}V{plot.bottom}" stroke="{palette.frame}"/>'


def _dash(series: Series) -> str:
    return 'stroke-dasharray="6 4"' if series.style == "dotted" else ""


def _text(x: float, y: float, words: str, color: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" {more}>{_safe(words)}</text>'


def _safe(words: str) -> str:
    """Any text as text of an XML document."""
    return html.escape(safe_text(words))
