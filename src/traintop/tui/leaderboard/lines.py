"""The leaderboard as lines: rank, name, value, where it was reached, and what sets runs apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat

from msgspec.structs import replace

from traintop.analysis.leaderboard import leader_columns
from traintop.analysis.ranking import Leader
from traintop.field import Field
from traintop.lines import Line, Piece, Role, clickable, fit_line
from traintop.model import RunSummary
from traintop.tables import Column
from traintop.text import cell_width
from traintop.tui.kit.runs import STATUS_MARKS

_GUTTER = 3
_MARGIN = 1
_GAP = 2
_LEAST_NAME = 12
_SHORT_NAME = 18
_USUAL_NAME = 32


def leader_lines(
    field: Field,
    leaders: Sequence[Leader],
    top: int,
    cursor: int,
    marks: Mapping[str, Piece],
    short_name: Callable[[RunSummary, int], str],
    width: int,
    height: int,
    distinguished: int | None = None,
) -> tuple[Line, ...]:
    """The headings, and as many leaders from place ``top`` on as ``height`` holds below them.

    They lead by ``field``. ``marks`` are the marked runs with what stands for their curves,
    ``short_name`` is the name of a run in so many cells. The settings are those in which the first
    ``distinguished`` leaders differ, or else as many as ``height`` holds; of these settings as many
    as fit.
    """
    rows = max(height - 1, 0)
    shown = leaders[top : top + rows]
    if not shown:
        return ()
    best = leaders[: distinguished or rows]
    columns = _columns_that_fit(field, best, shown, top, short_name, width)
    headings, *rows_of_cells = zip(*columns, strict=True)
    lines: list[Line] = [(Piece(" " * _GUTTER), *headings)]
    for place, cells in enumerate(rows_of_cells, start=top):
        gutter = (
            Piece("▌" if place == cursor else " ", "accent"),
            marks.get(leaders[place].run.id, Piece(" ")),
            Piece(" "),
        )
        marking = clickable(gutter, f"screen.pick_and_mark({place})", _GUTTER)
        picking = clickable(cells, f"screen.pick({place})", max(width - _GUTTER, 0))
        lines.append(fit_line((*marking, *picking), width))
    return tuple(lines)


def _columns_that_fit(
    field: Field,
    best: Sequence[Leader],
    shown: Sequence[Leader],
    top: int,
    short_name: Callable[[RunSummary, int], str],
    width: int,
) -> list[Line]:
    runs, best_runs = [leader.run for leader in shown], [leader.run for leader in best]
    names = [short_name(run, _USUAL_NAME) for run in runs]
    values, *further = leader_columns(field, shown, best_runs)
    places = range(top + 1, top + 1 + len(shown))
    fixed = [
        _pieces(Column.of_texts("#", map(str, places)), repeat("muted")),
        _pieces(
            Column.of_texts("", (STATUS_MARKS[run.status].glyph for run in runs)),
            [STATUS_MARKS[run.status].role for run in runs],
        ),
        _pieces(values, repeat("strong")),
    ]
    candidates = [_pieces(column) for column in further]
    room = width - _GUTTER - _MARGIN - sum(map(_cells_of, fixed))
    longest = max(map(cell_width, names))
    # A long name gives way to the setting that says the most.
    beside = room - sum(map(_cells_of, candidates[:3]))
    if min(longest, _SHORT_NAME) <= beside:
        longest = min(longest, beside)
    name_width = max(min(longest, room), _LEAST_NAME)
    short = (short_name(run, name_width) for run in runs)
    name = _pieces(Column.of_texts("NAME", short, "left"))
    room -= _cells_of(name) - _GAP
    chosen = [*fixed[:2], name, fixed[2]]
    for column in candidates:
        if _cells_of(column) <= room:
            chosen.append(column)
            room -= _cells_of(column)
    first, *others = chosen
    return [first, *(tuple(replace(p, text=f" {p.text}") for p in column) for column in others)]


def _pieces(column: Column, roles: Iterable[Role] | None = None) -> Line:
    """A heading and cells of one width, with a blank behind them."""
    first, *lines = column.lines()
    roles = roles or ["muted" if cell.quiet else "text" for cell in column.cells]
    cells = (Piece(line, role) for line, role in zip(lines, roles, strict=False))
    return (Piece(first, "muted"), *cells)


def _cells_of(column: Line) -> int:
    """The cells that a column takes beside another one."""
    return cell_width(column[0].text) - 1 + _GAP
