"""What goes with a good place in the leaderboard, as lines: a table, and parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from traintop.analysis.leaderboard import importance_columns
from traintop.analysis.ranking import Leader
from traintop.field import Field
from traintop.lines import EMPTY_LINE, Line, Piece
from traintop.tables import Table
from traintop.text import wrap
from traintop.tui.kit.themes import Look

if TYPE_CHECKING:
    from traintop.analysis.importance import Importance

_MARGIN = 1
_AXIS_WIDTH = 13
_MOST_LINES = 120
_NOTE = "EXPLAINS is the share of the order of all runs, beyond that of chance; ? may be chance."
_NO_SETTING: tuple[Line, ...] = (
    EMPTY_LINE,
    (Piece(" no setting that differs was given in three runs or more", "muted"),),
)


def importance_lines(importance: Importance, width: int, height: int) -> tuple[Line, ...]:
    """The settings by how much of the order they explain, and what to beware of below them."""
    inner = width - 2 * _MARGIN
    if not importance.settings:
        return _NO_SETTING
    said: list[Line] = [(Piece(f" {line}", "muted"),) for line in wrap(_NOTE, inner)]
    for warning in importance.warnings:
        said += [(Piece(f" {line}", "warn"),) for line in wrap(warning, inner)]
    rows = max(height - len(said) - 2, min(height - 1, len(importance.settings)), 1)
    shown = importance.settings[:rows]
    heading, _, *texts = Table(importance_columns(shown)).text(inner).splitlines()
    lines: list[Line] = [(Piece(f" {heading}", "muted"),)]
    for one, text in zip(shown, texts, strict=True):
        lines.append((Piece(f" {text}", "muted" if one.may_be_chance else "strong"),))
    return (*lines, EMPTY_LINE, *said)[:height]


def coordinate_lines(
    importance: Importance,
    field: Field,
    leaders: Sequence[Leader],
    cursor: int,
    name: str,
    look: Look,
    width: int,
    height: int,
) -> tuple[Line, ...]:
    """The runs across the settings that explain most, as many of these as fit, and the result.

    Below is the ``name`` of the run at the cursor, whose line stands out. Of very many runs the
    best ones are shown, and others evenly.
    """
    from traintop.analysis.coordinates import coordinates_of
    from traintop.charts import DARK, LIGHT
    from traintop.charts.coordinates import draw_coordinates

    if not importance.settings:
        return _NO_SETTING
    names = _names_of_axes(importance)[: max(width // _AXIS_WIDTH - 1, 1)]
    shown = _some_of(len(leaders), cursor)
    runs = [leaders[place] for place in shown]
    lines = draw_coordinates(
        coordinates_of(runs, field, names),
        shown.index(cursor),
        width - 2 * _MARGIN,
        height - 1,
        palette=DARK if look.dark else LIGHT,
        ascii_only=look.ascii_only,
    )
    if not lines:
        return (EMPTY_LINE, (Piece(" not enough room for an axis", "muted"),))
    leader = leaders[cursor]
    left_out = len(leaders) - len(runs)
    chosen: Line = (
        Piece("▌", "accent"),
        Piece(f"{cursor + 1} ", "muted"),
        Piece(name, "strong", bold=True),
        Piece(f"  {field.words} {field.text(leader.value)}"),
        Piece(f"  ({left_out:,} runs are not drawn)" if left_out else "", "muted"),
    )
    return (*((Piece(" "), *line) for line in lines), chosen)


def _names_of_axes(importance: Importance) -> list[str]:
    """The settings, strongest first, but those that vary together with a stronger one last."""
    alone: list[str] = []
    for one in importance.settings:
        if not set(one.varies_with).intersection(alone):
            alone.append(one.name)
    return [*alone, *(one.name for one in importance.settings if one.name not in alone)]


def _some_of(count: int, cursor: int) -> list[int]:
    """The places of all runs, or of the best half of as many as are drawn and some others."""
    if count <= _MOST_LINES:
        return [*range(count)]
    best, half = range(_MOST_LINES // 2), _MOST_LINES // 2
    step = (count - half) / half
    others = (half + int(place * step) for place in range(half))
    return sorted({*best, *others, count - 1, cursor})
