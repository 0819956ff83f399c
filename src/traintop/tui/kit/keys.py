"""Keys: one table of bindings drives dispatch, the footer, the help and the palette.

A key applies in some *places* and under some *needs*. The footer shows the ones that apply now, in
the order of the table; the help shows all of the place from which it was called.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from traintop.lines import Line, Piece, spread
from traintop.text import cell_width

if TYPE_CHECKING:
    from textual.binding import Binding

INTERRUPT = "ctrl+c"
"""Quits, or leaves the dialog that is open, whatever other keys a person has for that."""

_GLYPHS = {"up": "↑", "down": "↓", "left": "←", "right": "→"}
_WORDS = {"escape": "esc", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home", "end": "End"}


class Place(StrEnum):
    """Where the person is; the value is the heading of the help."""

    RUNS = "runs"
    ZOOM = "one chart"
    RUN = "one run"
    OUTPUT = "what a run printed"
    COLUMNS = "columns"
    CHARTS = "charts to show"
    FILTER = "filter"
    ENTRY = "text entry"
    COMPARE = "comparison"
    BEST = "best runs"
    CHOICE = "choice"
    NOTICES = "notices"
    PROGRESS = "progress"
    HELP = "help"


class Need(StrEnum):
    """What must be there for a key to make sense."""

    RUNS = "runs"
    MARKS = "marks"
    BACK = "back"


class Key(msgspec.Struct, frozen=True):
    """One binding.

    A settings file remaps it by its ``name``. ``keys`` have commas between them; those after a
    ``|`` work too, and are not shown. ``label`` is the word in the footer, empty for keys that only
    the help lists. Places and needs are those of its :func:`group` unless it has its own.
    """

    name: str
    keys: str
    action: str
    help: str
    label: str = ""
    places: tuple[Place, ...] = ()
    needs: tuple[Need, ...] | None = None
    group: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Textual's names of the keys."""
        from traintop.tui._textual import key_name  # `traintop settings` lists keys without it

        return tuple(key_name(key) or key for key in self.keys.replace("|", ",").split(","))

    @property
    def shown(self) -> str:
        """The keys as a person reads them."""
        return " ".join(map(_shown_key, self.keys.partition("|")[0].split(",")))


class _Table:
    """The bindings in use: set once by the App, before its screens exist."""

    keys: tuple[Key, ...] = ()
    glyphs = True


def use_table(keys: Sequence[Key], *, ascii_only: bool = False) -> None:
    """Use these keys from now on; with words for the arrows where only ASCII is drawn."""
    _Table.keys, _Table.glyphs = tuple(keys), not ascii_only


def group(
    title: str, places: tuple[Place, ...], *keys: Key, needs: tuple[Need, ...] = (Need.RUNS,)
) -> tuple[Key, ...]:
    """Keys under one heading of the help, in these places and under these needs."""
    return tuple(
        replace(
            key,
            group=title,
            places=key.places or places,
            needs=needs if key.needs is None else key.needs,
        )
        for key in keys
    )


class Situation(msgspec.Struct, frozen=True):
    """The place, and the needs that are met there now."""

    place: Place
    met: frozenset[Need] = frozenset()

    def allows(self, key: Key) -> bool:
        """Whether a key does something now."""
        return self.place in key.places and self.met.issuperset(key.needs or ())


def keys_of(*places: Place) -> tuple[Key, ...]:
    """The keys that work in one of the places."""
    return tuple(key for key in _Table.keys if any(place in key.places for place in places))


def keys_that_apply(situation: Situation) -> tuple[Key, ...]:
    """The keys that do something now."""
    return tuple(key for key in _Table.keys if situation.allows(key))


def bindings_of(*places: Place) -> list[Binding]:
    """The keys of the places as Textual bindings; of one key the first place's comes first."""
    from textual.binding import Binding

    keys = dict.fromkeys(key for place in places for key in keys_of(place))
    return [Binding(",".join(key.names), key.action, key.help, show=False) for key in keys]


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
    labelled = [key for key in keys_that_apply(situation) if key.label]
    # The way back, help and quit are the way out of not knowing the rest: kept to the last.
    kept = [key for key in labelled if key.group == "Program" or key.label == "back"]
    others = [key for key in labelled if key not in kept]
    if situation.place is Place.ZOOM:
        others.sort(key=lambda key: key.group != "Charts")
    room -= sum(map(_item_width, kept))
    left: list[Piece] = []
    for key in others:
        room -= _item_width(key)
        if room < 0:
            break
        left += _item(key)
    return spread((*left, *(piece for key in kept for piece in _item(key))), right, width)


def _item(key: Key) -> tuple[Piece, Piece]:
    action = key.action if "." in key.action else f"screen.{key.action}"
    shown = Piece(f" {key.shown}", "accent", bold=True, action=action)
    return shown, Piece(f" {key.label} ", "muted", action=action)


def _item_width(key: Key) -> int:
    return cell_width(key.shown) + cell_width(key.label) + 3


def _shown_key(key: str) -> str:
    modifiers, plus, last = key.rpartition("+")
    if not last:  # the key is a plus itself
        return key
    glyph = _GLYPHS.get(last, last) if _Table.glyphs else last
    return f"{modifiers}{plus}{_WORDS.get(last, glyph)}"
