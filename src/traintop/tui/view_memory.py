"""A view as plain data that can be remembered, and back, believing nothing of what is read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_type_hints

import msgspec
from msgspec.structs import replace

from traintop.analysis.query_tokens import LONGEST_QUERY
from traintop.tui.chart_view import without_window
from traintop.tui.columns import can_group, column_key
from traintop.tui.view import SMOOTHING_LEVELS, ViewState

_NOT_REMEMBERED = frozenset({"selected", "marks", "baseline", "compared", "opened"})
"""What belongs to certain runs or to this visit."""

_LONGEST_TEXT = LONGEST_QUERY
_MOST_COLUMNS = 100
_MOST_CHARTS = 100
_MOST_DIRECTIONS = 100
_WIDEST = 200


@lru_cache(maxsize=1)
def _types() -> Mapping[str, Any]:
    hints = get_type_hints(ViewState)
    return {name: hint for name, hint in hints.items() if name not in _NOT_REMEMBERED}


def plain_view(state: ViewState) -> dict[str, Any]:
    """What is worth remembering of a view."""
    state = _at_rest(state)
    plain: dict[str, Any] = msgspec.to_builtins({name: getattr(state, name) for name in _types()})
    return plain


def recalled_view(plain: Mapping[str, Any], state: ViewState) -> ViewState:
    """``state`` with what is remembered; what is not as it should be leaves a thing as it is."""
    set_directions = dict(state.directions)
    for name, kind in _types().items():
        if name in plain:
            try:
                changed = _at_rest(replace(state, **{name: msgspec.convert(plain[name], kind)}))
            except (msgspec.ValidationError, RecursionError):
                continue
            if _is_sound(changed):
                state = changed
    columns = (replace(column, key=column_key(column.key)) for column in state.columns)
    sort = replace(state.sort, column=column_key(state.sort.column))
    group = column_key(state.group) if state.group and can_group(state.group) else ""
    directions = tuple({**set_directions, **dict(state.directions)}.items())
    return replace(state, columns=tuple(columns), sort=sort, group=group, directions=directions)


def _at_rest(state: ViewState) -> ViewState:
    """The view without the chart that is full screen, and without a window or cursor on x."""
    return replace(state, charts=replace(without_window(state.charts), zoomed=False))


def _is_sound(state: ViewState) -> bool:
    texts = [state.filter, state.x_axis.name, state.sort.column, state.group, state.charts.focus]
    texts += state.charts.chosen
    texts += [column.key for column in state.columns]
    texts += [metric for metric, _ in state.directions]
    return (
        0 <= state.smoothing < len(SMOOTHING_LEVELS)
        and 0 < len(state.columns) <= _MOST_COLUMNS
        and len(state.charts.chosen) <= _MOST_CHARTS
        and len(state.directions) <= _MOST_DIRECTIONS
        and all(abs(column.wider) <= _WIDEST for column in state.columns)
        and all(len(text) <= _LONGEST_TEXT for text in texts)
    )
