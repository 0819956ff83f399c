"""What the table of keys drives: dispatch, the footer and the help.

A key applies in some *places* and under some *needs*; the footer shows the ones that apply now,
in the order of the table, and the help shows all of the place it was called from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from traintop.lines import Line, Piece, spread
from traintop.text import cell_width
from traintop.tui.kit.key_table import KEYS
from traintop.tui.kit.places import Key, Need, Place

if TYPE_CHECKING:
    from textual.binding import Binding, BindingsMap

_table: tuple[Key, ...] = KEYS


def use_table(table: tuple[Key, ...]) -> None:
    """Use a table with other keys; set once by the App before its screens exist."""
    global _table
    _table = table


class Situation(msgspec.Struct, frozen=True):
    """The place, and the needs that are met there now."""

    place: Place
    met: frozenset[Need] = frozenset()

    def allows(self, key: Key) -> bool:
        return self.place in key.places and self.met.issuperset(key.needs)


def keys_of(*places: Place) -> tuple[Key, ...]:
    """The keys that work in one of the places."""
    return tuple(key for key in _table if any(place in key.places for place in places))


def keys_that_apply(situation: Situation) -> tuple[Key, ...]:
    """The keys that do something now."""
    return tuple(key for key in _table if situation.allows(key))


def bindings_of(*places: Place) -> list[Binding]:
    """The same as Textual bindings, with ids by which a settings file can remap them."""
    from textual.binding import Binding

    return [
        Binding(key.keys, key.action, key.help, show=False, id=key.name) for key in keys_of(*places)
    ]


def rebind(bindings: BindingsMap) -> None:
    """Put the table's keys in place of those that a class of screens was made with.

    Textual's own keymap forgets the other bindings of a key that one binding leaves.
    """
    keys = {key.name: key.keys.split(",") for key in _table}
    rebound: dict[str, list[Binding]] = {}
    for old_key, bound in bindings.key_to_bindings.items():
        for binding in bound:
            for key in keys.get(binding.id or "", [old_key]):
                here = rebound.setdefault(key, [])
                if binding.id is None or all(other.id != binding.id for other in here):
                    here.append(binding.with_key(key))
    bindings.key_to_bindings = rebound


def key_of_action(action: str, parameters: Sequence[object], place: Place) -> Key | None:
    """The table's key for an action as Textual hands it to ``check_action``."""
    arguments = ", ".join(map(repr, parameters))
    written = f"{action}({arguments})" if arguments else action
    return next((key for key in keys_of(place) if key.action == written), None)


def footer_line(situation: Situation, note: str, width: int) -> Line:
    """The keys that apply, as many as fit, and a note at the right end.

    The keys are bold, so that they stand out where there are no colours.
    """
    right: Line = (Piece(f"{note} ", "accent"),) if note else ()
    room = width - (cell_width(note) + 2 if note else 0)
    left: list[Piece] = []
    used = 0
    labelled = [key for key in keys_that_apply(situation) if key.label]
    # The way back, help and quit are the way out of not knowing the rest: kept to the last.
    kept = [key for key in labelled if key.group == "Program" or key.label == "back"]
    others = [key for key in labelled if key not in kept]
    reserved = sum(_item_width(key) for key in kept)
    if situation.place is Place.ZOOM:
        others.sort(key=lambda key: key.group != "Charts")
    shown: list[Key] = []
    for key in others:
        used += _item_width(key)
        if used + reserved > room:
            break
        shown.append(key)
    for key in [*shown, *kept]:
        action = key.action if "." in key.action else f"screen.{key.action}"
        left.append(Piece(f" {key.shown}", "accent", bold=True, action=action))
        left.append(Piece(f" {key.label} ", "muted", action=action))
    return spread(tuple(left), right, width)


def _item_width(key: Key) -> int:
    return cell_width(key.shown) + cell_width(key.label) + 3
