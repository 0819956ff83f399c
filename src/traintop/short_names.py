"""Names that are shown together, each shortened so that what differs between them stays.

A sweep names its runs by their settings: ``gpt2_openwebtext_bs64_lr3e-4_warmup2000_seed1``. What
all the names share says nothing and goes first, then what most of them share: ``…lr3e-4…seed1``.
"""

from __future__ import annotations

import os.path
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

from traintop.text import ELLIPSIS, LONGEST_NAME, cell_width, fit_middle, safe_text

# Letters and digits, with the signs within a number: "lr3e-4", "wd0.1".
_WORD = re.compile(r"(?:[^\W_]|(?<=\d)\.(?=\d)|(?<=\d[eE])[+-](?=\d))+")
_LETTERS_AND_NUMBER = re.compile(r"([^\W\d_]+)(\d.*)")
_WITH_STAMP = re.compile(r"(.*)@(\d{8})_(\d{6}(?:_\d+)*)")
_WITH_COUNT = re.compile(r"(.*)( ×\d+)")  # of the runs of a group

_MOST_NAMES = 300
"""Of more names only a sample is searched for common words, which bounds the cost."""


class _Part(NamedTuple):
    """A piece of a name that is kept or dropped whole; the most ``common`` are dropped first."""

    start: int
    end: int
    common: int


class ShortNames:
    """Shortens each of some names, to any width; see :func:`short_names`."""

    def __init__(self, names: Collection[str], beside: Collection[str] = ()) -> None:
        self._names = names
        self._beside = beside
        self._at_width: dict[int, dict[str, str]] = {}

    def fit(self, name: str, width: int) -> str:
        """The name, which is printable, in at most ``width`` cells."""
        if cell_width(name) <= width:
            return name
        known = self._at_width.get(width)
        if known is None:
            several = self._names if len(self._names) <= _MOST_NAMES else ()
            known = self._at_width[width] = self._distinct(several, width)
        if name not in known:
            known[name] = self._short(name, width)
        return known[name]

    @cached_property
    def distinct_width(self) -> int:
        """The cells in which each name has all words in which it differs from the others."""
        most = 2 * len(self._sample)
        widths = [0]
        for name in _sample(self._names):
            parts = [part for part in self._parts(name) if part.common < most]
            rest = _joined(name, self._parts(name), parts) if parts else name
            widths.append(min(cell_width(rest), cell_width(name)))
        return max(widths)

    @cached_property
    def _sample(self) -> list[str]:
        return _sample({*self._names, *self._beside})

    @cached_property
    def _counts(self) -> Counter[str]:
        """In how many of the names each word occurs, and what precedes a number in words."""
        counts: Counter[str] = Counter()
        for name in self._sample:
            words = {match[0] for match in _WORD.finditer(_before_stamp(name))}
            counts.update(words)
            counts.update(
                {match[1] for match in map(_LETTERS_AND_NUMBER.fullmatch, words) if match}
            )
        return counts

    def _parts(self, name: str) -> list[_Part]:
        """The words of a name; of one that shares its letters with others both parts."""
        parts = []
        for match in _WORD.finditer(name):
            start, end, count = match.start(), match.end(), self._counts[match[0]]
            setting = _LETTERS_AND_NUMBER.fullmatch(match[0])
            if setting and self._counts[setting[1]] > count:
                parts.append(_Part(start, start + setting.end(1), count + self._counts[setting[1]]))
                start += setting.end(1)
            parts.append(_Part(start, end, 2 * count))
        return parts

    def _short(self, name: str, width: int) -> str:
        stamp = self._short_stamps.get(name)
        if stamp is not None and width > len(stamp):
            return self._short(_before_stamp(name), width - len(stamp)) + stamp
        if stamp is not None:
            return fit_middle(ELLIPSIS + stamp[-max(width - 1, 1) :], width)
        if cell_width(name) <= width:
            return name
        group = _WITH_COUNT.fullmatch(name)
        if group and width > len(group[2]):
            return self._short(group[1], width - len(group[2])) + group[2]
        parts = self._parts(name)
        rarest = min((part.common for part in parts), default=0)
        kept, rest = list(parts), name
        for part in sorted(parts, key=lambda part: -part.common):
            if part.common == rarest:
                break
            kept.remove(part)
            rest = _joined(name, parts, kept)
            if cell_width(rest) <= width:
                return rest
        return fit_middle(rest.strip(ELLIPSIS), width)

    @cached_property
    def _short_stamps(self) -> dict[str, str]:
        """For names that differ only in a time at their end, the part of it that differs."""
        stamped: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for name in self._names:
            if match := _WITH_STAMP.fullmatch(name):
                stamped[match[1]].append((name, match[2], match[3]))
        stamps = {}
        for group in stamped.values():
            times = Counter(time for _, _, time in group)
            dates = Counter(date for _, date, _ in group)
            for name, date, time in group:
                if max(times.values()) == 1:
                    stamps[name] = f"@{time}"
                else:
                    alone = max(dates.values()) == 1
                    stamps[name] = f"@{date}" if alone else f"@{date}_{time}"
        return stamps

    def _distinct(self, names: Collection[str], width: int) -> dict[str, str]:
        """All names at once. Those that became the same are cut to where they differ instead."""
        short = {name: self._short(name, width) for name in names}
        same: dict[str, list[str]] = defaultdict(list)
        for name, text in short.items():
            same[text].append(name)
        taken = set(same)
        for group in same.values():
            cut = _cut_to_differences(group, width) if len(group) > 1 else {}
            if taken.isdisjoint(cut.values()):
                taken.update(cut.values())
                short.update(cut)
        return short


def short_names(names: frozenset[str], beside: frozenset[str] = frozenset()) -> ShortNames:
    """Shortens each of the names so that they stay different, as far as the width allows.

    What they share with those that stand ``beside`` them goes first, too. Those of one set are
    taken apart once.
    """
    return (_of_few if len(names) + len(beside) <= _MOST_NAMES else _of_many)(names, beside)


def _short_names(names: frozenset[str], beside: frozenset[str]) -> ShortNames:
    return ShortNames(_safe(names), _safe(beside))


def _safe(names: frozenset[str]) -> frozenset[str]:
    """The names as they are drawn: mostly the very same, which may be very many."""
    if all(name == safe_text(name, LONGEST_NAME) != "" for name in names):
        return names
    return frozenset(safe_text(name, LONGEST_NAME) for name in names if name)


_of_few = lru_cache(maxsize=16)(_short_names)
_of_many = lru_cache(maxsize=2)(_short_names)  # which take much memory


def _sample(names: Collection[str]) -> list[str]:
    return sorted(names)[:: len(names) // _MOST_NAMES + 1]


def _before_stamp(name: str) -> str:
    match = _WITH_STAMP.fullmatch(name)
    return match[1] if match else name


def _joined(name: str, parts: list[_Part], kept: list[_Part]) -> str:
    """The kept parts of a name with what is between neighbours, and else an ellipsis."""

    def pieces() -> Iterator[str]:
        last: int | None = -1
        for place, part in enumerate(parts):
            if part not in kept:
                continue
            if last == place - 1:
                begin = parts[last].end if last >= 0 else 0
                yield name[begin : part.start]
            else:
                yield ELLIPSIS
            yield name[part.start : part.end]
            last = place
        yield name[parts[-1].end :] if last == len(parts) - 1 else ELLIPSIS

    return "".join(pieces())


def _cut_to_differences(names: list[str], width: int) -> dict[str, str]:
    """The names without what they begin and end with alike, as far as that has no room."""
    head = len(os.path.commonprefix(names))  # noqa: RUF071 - of characters
    rests = [name[head:] for name in names]
    backwards = [rest[::-1] for rest in rests]
    tail = min(len(os.path.commonprefix(backwards)), *map(len, rests))  # noqa: RUF071
    cut = {}
    for name in names:
        middle = name[head : len(name) - tail]
        room = max(width - cell_width(middle) - 2, 0)
        shown = f"{ELLIPSIS}{name[max(head - room, 0) : head]}{middle}{ELLIPSIS if tail else ''}"
        cut[name] = shown if cell_width(shown) <= width else fit_middle(middle, width)
    return cut
