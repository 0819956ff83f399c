"""The table of keys with the keys that a person wants in place of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from traintop.text import safe_text, suggestions
from traintop.tui._textual import key_name
from traintop.tui.kit.keys import INTERRUPT, Key, Place


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
        pressed = [key.strip() for key in keys.split(",")]
        if name not in names:
            problems.append(f"keys.{name}: no such action; {suggestions(name, names)}")
        elif None in map(key_name, pressed):
            problems.append(f"keys.{name} = {keys!r}: not a key, as are m, ctrl+k, f5, ?, space")
        else:
            good[name] = ",".join(pressed).replace("|", "vertical_line")
    while (clash := _clash(table, good)) is not None:
        name, other = clash
        problems.append(
            f"keys.{name} = {wanted[name]!r}: means {other.name} ({other.help}) already"
        )
        del good[name]
    return _with_keys(table, good), tuple(map(safe_text, problems))


def _with_keys(table: Sequence[Key], wanted: Mapping[str, str]) -> tuple[Key, ...]:
    return tuple(
        replace(key, keys=_with_interrupt(wanted[key.name], key)) if key.name in wanted else key
        for key in table
    )


def _with_interrupt(keys: str, before: Key) -> str:
    """The keys, and ctrl+c where it belongs to the entry of the table."""
    kept = INTERRUPT in before.names and INTERRUPT not in keys.split(",")
    return f"{keys}|{INTERRUPT}" if kept else keys


def _clash(table: Sequence[Key], wanted: Mapping[str, str]) -> tuple[str, Key] | None:
    """A wanted key that another entry has in the same place, and that entry."""
    taken: dict[tuple[Place, str], Key] = {}
    for key in sorted(_with_keys(table, wanted), key=lambda key: key.name in wanted):
        for place in key.places:
            for name in key.names:
                other = taken.setdefault((place, name), key)
                if other is not key:
                    return key.name, other
    return None
