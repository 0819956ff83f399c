"""Names of runs where there is little room: what tells them apart is kept."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from traintop.text import ELLIPSIS, cell_width, fit_middle, safe_text

_WORD_ENDS = "_-/. "
"""Between the words of a name."""


def alike_words(names: Sequence[str]) -> str:
    """The words that all names begin with, as in a sweep; empty without any."""
    ends = [safe_text(min(names)), safe_text(max(names))] if names else []
    if len(set(ends)) < 2:
        return ""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(*ends, strict=False))
    common = "".join(letter for letter, _ in pairs)
    return common[: max(map(common.rfind, _WORD_ENDS)) + 1]


def fit_name(name: str, width: int, alike: str = "") -> str:
    """The name in ``width`` cells, without as many words of its beginning as all names share.

    Where it does not begin so, or what is left has no room, it is cut in its middle.
    """
    if not alike or not name.startswith(alike) or not 0 < width < cell_width(name):
        return fit_middle(name, width)
    ends = [place for place, sign in enumerate(alike, start=1) if sign in _WORD_ENDS]
    rests = (name[end:] for end in ends if cell_width(name[end:]) < width)
    return f"{ELLIPSIS}{fit_middle(next(rests, name[len(alike) :]), width - 1)}"
