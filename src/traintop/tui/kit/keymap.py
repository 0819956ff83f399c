"""The table of keys with the keys that a person wants in place of ours."""

from __future__ import annotations

import difflib
import string
from collections.abc import Mapping, Sequence

from msgspec.structs import replace
from textual.keys import Keys, _character_to_key

from traintop.text import safe_text
from traintop.tui.kit.places import INTERRUPT, Key, Place

_ARROWS = str.maketrans({"↑": "up", "↓": "down", "←": "left", "→": "right"})
_NAMES = {key.value for key in Keys} | {_character_to_key(sign) for sign in string.printable}


def remapped_keys(
    table: Sequence[Key], wanted: Mapping[str, str]
) -> tuple[tuple[Key, ...], tuple[str, ...]]:
    """The table with the wanted keys, by the names of its entries; and what is wrong, in words.

    A key that means something else in the same place already is not taken from it, and ctrl+c
    stays where it is: it is what people press who know no other key.
    """
    names = [key.name for key in table]
    good: dict[str, str] = {}
    problems = []
    for name, keys in wanted.items():
        textual_names = [_key_name(key.strip()) for key in keys.split(",")]
        if name not in names:
            close = difflib.get_close_matches(name, names, 1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else "the help lists them"
            problems.append(f"keys.{name}: no such action; {hint}")
        elif None in textual_names:
            problems.append(f"keys.{name} = {keys!r}: not a key, as are m, ctrl+k, f5, ?, space")
        else:
            good[name] = ",".join(filter(None, textual_names))
    while (clash := _clash(table, good)) is not None:
        name, other = clash
        problems.append(
            f"keys.{name} = {wanted[name]!r}: means {other.name} ({other.help}) already"
        )
        del good[name]
    return _with_keys(table, good, wanted), tuple(map(safe_text, problems))


def in_words(table: Sequence[Key]) -> tuple[Key, ...]:
    """The table with words for the arrows, for where only ASCII is drawn: ``v`` is another key."""
    return tuple(replace(key, shown=key.shown.translate(_ARROWS)) for key in table)


def _key_name(key: str) -> str | None:
    """Textual's name of a key, ``None`` when it has none."""
    name = _character_to_key(key) if len(key) == 1 else key
    return name if name in _NAMES or (len(key) == 1 and key.isprintable()) else None


def _with_keys(
    table: Sequence[Key], keys: Mapping[str, str], shown: Mapping[str, str]
) -> tuple[Key, ...]:
    return tuple(
        replace(
            key,
            keys=_with_interrupt(keys[key.name], key),
            shown=" ".join(map(str.strip, shown[key.name].split(","))),
        )
        if key.name in keys
        else key
        for key in table
    )


def _with_interrupt(keys: str, before: Key) -> str:
    """The keys, and ctrl+c where it belongs to the entry of the table."""
    kept = [INTERRUPT] if INTERRUPT in before.keys.split(",") else []
    return ",".join(dict.fromkeys([*keys.split(","), *kept]))


def _clash(table: Sequence[Key], wanted: Mapping[str, str]) -> tuple[str, Key] | None:
    """A wanted key that another entry has in the same place, and that entry."""
    taken: dict[tuple[Place, str], Key] = {}
    for key in sorted(_with_keys(table, wanted, wanted), key=lambda key: key.name in wanted):
        for place in key.places:
            for name in key.keys.split(","):
                other = taken.setdefault((place, name), key)
                if other is not key:
                    return key.name, other
    return None
