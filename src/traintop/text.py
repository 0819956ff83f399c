"""Every string and figure a person sees: made safe, made short, made to fit its cells.

Names, notes and errors come from files that anyone may have written, and nothing below draws
control characters harmlessly: a terminal obeys them. So :func:`safe_text` stands between a file
and a screen. All functions here are pure, total and cheap.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

MISSING = "–"
"""Shown where nothing was measured."""

ELLIPSIS = "…"
REPLACEMENT = "\ufffd"

LONGEST_NAME = 1000
"""Characters of the name of a run: names may differ at their ends only."""

_MOST_SUGGESTIONS = 5

_BLANKS = frozenset("\t\n\r\v\f\x85\u2028\u2029\xa0\u3000")
# One cell each in every version of Unicode: Latin, Greek, Cyrillic, dashes, arrows, charts.
_NARROW = frozenset(
    map(chr, (*range(0x20, 0x7F), *range(0xA0, 0xAD), *range(0xAE, 0x300), *range(0x370, 0x483)))
) | frozenset(map(chr, (*range(0x2010, 0x2028), *range(0x2190, 0x231A), *range(0x2500, 0x25FD))))
_JOINER = "\u200d"  # joins what follows it to the cells of what precedes it
_SI_UNITS = ("", "k", "M", "G", "T", "P", "E")
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_SECONDS_PER_HOUR = 3600
_SECONDS_PER_DAY = 86_400
_SECONDS_PER_YEAR = 365 * _SECONDS_PER_DAY
_LARGEST_COUNT = 1e15
_LONGEST_STOPWATCH = 1e11  # seconds; some thousand years


def safe_text(value: object, limit: int = 200) -> str:
    """``value`` as one line of printable text of at most ``limit`` characters; never raises.

    Tabs and line breaks become spaces. All else that is not printable (escape sequences, C1
    controls, bidirectional overrides, zero-width characters, lone surrogates) becomes U+FFFD.
    What is longer than ``limit`` is cut and ends in "…".
    """
    try:
        text = str(value)
        # A subclass of str may come back; the plain slice keeps its overrides out.
        text = str.__getitem__(text, slice(0, max(limit, 0) + 1))
    except Exception:  # a foreign __str__ may raise anything
        text = "<unprintable>"
    if not text.isprintable():
        text = "".join(_printable(character) for character in text)
    if len(text) <= limit:
        return text
    return text[: limit - 1] + ELLIPSIS if limit > 0 else ""


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in _BLANKS else REPLACEMENT


def safe_json(document: str) -> str:
    """JSON that says the same, with what a terminal would obey, such as C1 controls, escaped.

    Line breaks between its values stay.
    """
    if document.isprintable():
        return document
    import json  # here, for no training loop asks for it

    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)


def error_text(error: Exception) -> str:
    """An error in words, for a person who knows already which file it is about."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def number(value: float | None, digits: int = 4) -> str:
    """A measured value with ``digits`` significant digits: "2.702", "1.2e-05", "NaN", "-inf".

    Never longer than ``digits + 5`` characters: an exponent takes the place of digits. Whole
    parts of up to six places are written out. "–" is ``None``.
    """
    if value is None:
        return MISSING
    real = _as_float(value)
    if not math.isfinite(real):
        return _not_finite(real)
    if 10**digits - 0.5 <= abs(real) < 999_999.5:
        return f"{real:.0f}"
    longest = digits + 5
    for kept in range(digits, 0, -1):
        text = f"{real:.{kept}g}"
        if len(text) <= longest:
            return "0" if text == "-0" else text
    return f"{real:.0e}"


def count(value: float) -> str:
    """A count written out: "100,000"; beyond all sense as :func:`number` does: "1e+300"."""
    return f"{value:,}" if abs(value) < _LARGEST_COUNT else number(value)


def at_iteration(value: str, iteration: float | None) -> str:
    """A written value with where it was, to the exact iteration: "1.656 @1,499"."""
    return value if iteration is None else f"{value} @{count(iteration)}"


def aligned(value: float | None, digits: int = 5) -> str:
    """As :func:`number`, but with trailing zeros, so that the decimals of a column are aligned.

    Values of less than 0.1 or of 10,000 and more are written as :func:`number` does.
    """
    if value is None or not 0.1 <= abs(value) < 1e4:
        return number(value, digits)
    return f"{value:#.{digits}g}"


def measured(value: float | None, width: int) -> str:
    """A value with as many of 4 significant digits as ``width`` cells hold.

    Trailing zeros are kept, so that the decimals of a column are aligned.
    """
    if value is not None and 1e-3 <= abs(value) < 1e3:
        return f"{value:#.4g}"
    for digits in (4, 3, 2):
        text = number(value, digits)
        if len(text) <= width:
            return text
    return number(value, 1)


def si(value: float | None) -> str:
    """A count or rate with three significant digits and a unit prefix: "42", "121k", "1.02M"."""
    if value is None:
        return MISSING
    real = _as_float(value)
    if not math.isfinite(real):
        return _not_finite(real)
    size, unit = _scaled(real, _SI_UNITS)
    return f"{size}{unit}"


class Default(NamedTuple):
    """The value of a setting that nobody gave."""

    value: object


def setting_text(value: object, limit: int = 200) -> str:
    """A setting as one line: text bare, numbers as short as they are exact, else as JSON."""
    if isinstance(value, Default):
        return f"{setting_text(value.value, limit)} (default)"
    if isinstance(value, float):
        return number(value, 6)
    if isinstance(value, str):
        return safe_text(value, limit)
    import json  # here, for `traintop list` does without

    try:
        return safe_text(json.dumps(value, ensure_ascii=False), limit)
    except (TypeError, ValueError, RecursionError):
        return safe_text(value, limit)


def counted(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def file_size(byte_count: int) -> str:
    """A file's size in decimal units: "0 B", "4.2 kB", "1.02 GB"."""
    size, unit = _scaled(_as_float(byte_count), _BYTE_UNITS)
    return f"{size} {unit}"


def duration(seconds: float | None) -> str:
    """A time span in at most 6 characters: "0.4s", "42s", "3m20s", "1h13m", "2d04h", "120d".

    Negative spans, which clocks of two hosts can yield, read as none: "0.0s". "–" stands for
    ``None``, NaN and infinite spans.
    """
    if seconds is None:
        return MISSING
    span = max(_as_float(seconds), 0.0)
    if not math.isfinite(span):
        return MISSING
    if span < 9.95:
        return f"{span:z.1f}s"
    whole = int(span + 0.5)
    days, rest = divmod(whole, _SECONDS_PER_DAY)
    hours, rest = divmod(rest, 3600)
    minutes, whole_seconds = divmod(rest, 60)
    if days >= 100_000:
        return ">99kd"
    if days >= 100:
        return f"{days}d"
    if days:
        return f"{days}d{hours:02d}h"
    if hours:
        return f"{hours}h{minutes:02d}m"
    if minutes:
        return f"{minutes}m{whole_seconds:02d}s"
    return f"{whole_seconds}s"


def stopwatch(seconds: float) -> str:
    """A time since a start to the second: "42.5s", "5m18s", "1h13m05s", "2d04h13m05s"."""
    if not -_LONGEST_STOPWATCH < seconds < _LONGEST_STOPWATCH:
        return f"{number(seconds)}s"
    if abs(seconds) < 59.95:
        return f"{seconds:z.1f}s"
    minutes, whole = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (whole, "s"))
    first = next(place for place, (count, _) in enumerate(parts) if count)
    words = [f"{count:02d}{unit}" for count, unit in parts[first + 1 :]]
    sign = "-" if seconds < 0 else ""
    return "".join([sign, f"{parts[first][0]}{parts[first][1]}", *words])


def age(seconds: float | None) -> str:
    """An age in at most 4 characters, which change once a minute at most: "now", "47h", "2y"."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return "now"
    unit, letter = _unit_of_age(seconds)
    return f"{min(int(seconds // unit), 999)}{letter}"


def span(seconds: float) -> str:
    """A time span in whole units: "4s", "3m", "2h"."""
    return f"{max(int(seconds), 0)}s" if seconds < 60 else age(seconds)


def seconds_until_older(seconds: float) -> float:
    """Seconds until :func:`age` says something else."""
    if seconds < 60:
        return 60 - seconds
    unit, _ = _unit_of_age(seconds)
    return unit - seconds % unit


def _unit_of_age(seconds: float) -> tuple[int, str]:
    if seconds < _SECONDS_PER_HOUR:
        return 60, "m"
    if seconds < 2 * _SECONDS_PER_DAY:
        return _SECONDS_PER_HOUR, "h"
    if seconds < 2 * _SECONDS_PER_YEAR:
        return _SECONDS_PER_DAY, "d"
    return _SECONDS_PER_YEAR, "y"


def percentage(fraction: float | None) -> str:
    """A share as whole per cent, rounded down so that only what is complete reads "100%"."""
    if fraction is None:
        return MISSING
    share = _as_float(fraction) * 100
    if not math.isfinite(share):
        return MISSING
    # 0.29 * 100 is 28.999999999999996 in binary.
    return f"{math.floor(share + 1e-9)}%"


def suggestions(name: str, known: Iterable[str]) -> str:
    """Words about the known names closest to an unknown one, to follow an error message."""
    import difflib  # not at the cost of every training loop

    candidates = list(known)
    closest = difflib.get_close_matches(name, candidates, _MOST_SUGGESTIONS, cutoff=0.5)
    if closest:
        return f"did you mean {' or '.join(map(repr, closest))}?"
    if not candidates:
        return "there are none"
    shown = ", ".join(map(repr, candidates[:_MOST_SUGGESTIONS]))
    more = len(candidates) - _MOST_SUGGESTIONS
    return f"there are {shown}" + (f" and {more} more" if more > 0 else "")


@lru_cache(maxsize=4096)
def cell_width(text: str) -> int:
    """The terminal cells ``text`` takes: exactly what Rich, which draws the UI, reckons with."""
    if (text.isascii() and text.isprintable()) or _NARROW.issuperset(text):
        return len(text)
    from rich.cells import cell_len  # here, for most text does without, and training always

    return cell_len(text)


def fit(text: str, width: int, align: Literal["left", "right"] = "left") -> str:
    """``text`` in exactly ``width`` cells: padded with spaces, or cut so that it ends in "…"."""
    text = text.rstrip(_JOINER)
    cells = cell_width(text)
    if cells > width:
        text = _cut(text, width - 1) + ELLIPSIS if width > 0 else ""
        cells = cell_width(text)
    padding = " " * (width - cells)
    return padding + text if align == "right" else text + padding


def fit_middle(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, cut in its middle: names differ at their ends."""
    if cell_width(text) <= width:
        return text
    if width < 1:
        return ""
    head, tail = _cut(text, (width - 1) // 2), text
    while cell_width(shown := f"{head}{ELLIPSIS}{tail}") > width:
        tail = tail[1:]
    return shown


def wrap(text: str, width: int) -> list[str]:
    """Words of ``text`` in lines of at most ``width`` cells; longer words are broken."""
    lines: list[str] = []
    current = ""
    for word in text.split():
        while cell_width(word) > width > 0:
            if current:
                lines.append(current)
                current = ""
            head = fit(word, width + 1)[:-1].rstrip(ELLIPSIS)
            head = head or word[0]
            lines.append(head)
            word = word[len(head) :]
        candidate = f"{current} {word}" if current else word
        if cell_width(candidate) > width and current:
            lines.append(current)
            current = word
        else:
            current = candidate
    if current:
        lines.append(current)
    return lines


def _cut(text: str, width: int) -> str:
    """As much of the start of ``text`` as ``width`` cells hold."""
    lengths = range(len(text) + 1)
    fitting = bisect_right(lengths, width, key=lambda length: cell_width(text[:length]))
    return text[: fitting - 1].rstrip(_JOINER)


def _as_float(value: float) -> float:
    """``value`` as a float; an integer beyond the range of floats is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "inf" if value > 0 else "-inf"


def _scaled(value: float, units: tuple[str, ...]) -> tuple[str, str]:
    """``value`` divided by the largest fitting power of 1000, as text of 3 significant digits."""
    if abs(value) >= 999.5 * 1000.0 ** (len(units) - 1):
        return f"{value:.3g}", units[0]
    rank = 0
    # 999.5 already rounds to the four digits of 1000.
    while abs(value) >= 999.5:
        value /= 1000
        rank += 1
    text = f"{value:.0f}" if 100 <= abs(value) < 999.5 else f"{value:.3g}"
    return ("0" if text == "-0" else text), units[rank]
