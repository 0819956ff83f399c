"""Text from log files as Markdown that shows it and obeys none of it.

Names, settings and notes may hold anything. Within a code span Markdown knows no emphasis, no
HTML, no entities, no links and no mentions; what could end the span or the cell of a table around
it is replaced by look-alikes.
"""

from __future__ import annotations

from collections.abc import Sequence

from traintop.text import MISSING, safe_text

_LOOK_ALIKES = str.maketrans({"`": "ˋ", "|": "¦", "<": "‹", ">": "›"})


def code_span(value: object, limit: int = 200) -> str:
    """``value`` as literal text of one line; "–" when there is nothing to show."""
    text = safe_text(value, limit).translate(_LOOK_ALIKES).strip()
    return f"`{text}`" if text else MISSING


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table of cells that are Markdown already: text first, then numbers."""
    rules = [":--", *["--:"] * (len(headings) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (headings, rules, *rows)]
