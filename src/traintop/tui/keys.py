"""The keys: one table that drives dispatch, the footer and the help.

A key applies in some *places* and under some *needs*; the footer shows the ones that apply now,
in the order of the table, and the help shows all of the place it was called from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from traintop.text import cell_width
from traintop.tui.lines import Line, Piece, spread

if TYPE_CHECKING:
    from textual.binding import Binding


class Place(StrEnum):
    """Where the person is; the value is the heading of the help."""

    RUNS = "runs"
    ZOOM = "one chart"
    HELP = "help"


class Need(StrEnum):
    """What must be there for a key to make sense."""

    RUNS = "runs"
    MARKS = "marks"


@dataclass(frozen=True, slots=True)
class Key:
    """One binding. ``keys`` are Textual's names of them, ``shown`` is how they are written.

    ``label`` is the word in the footer, empty for keys that only the help lists.
    """

    name: str
    keys: str
    shown: str
    action: str
    label: str
    help: str
    group: str
    places: tuple[Place, ...] = (Place.RUNS, Place.ZOOM)
    needs: tuple[Need, ...] = (Need.RUNS,)


@dataclass(frozen=True, slots=True)
class Situation:
    """The place, and the needs that are met there now."""

    place: Place
    met: frozenset[Need] = frozenset()

    def allows(self, key: Key) -> bool:
        return self.place in key.places and self.met.issuperset(key.needs)


_ANYWHERE = (Place.RUNS, Place.ZOOM)
_LIST = (Place.RUNS,)

KEYS: tuple[Key, ...] = (
    Key("down", "j,down", "j ↓", "move(1)", "", "next run", "Move"),
    Key("up", "k,up", "k ↑", "move(-1)", "", "previous run", "Move"),
    Key("page_down", "pagedown,ctrl+d", "PgDn", "page(1)", "", "a page down", "Move"),
    Key("page_up", "pageup,ctrl+u", "PgUp", "page(-1)", "", "a page up", "Move"),
    Key("first", "g,home", "g Home", "go_to_end(-1)", "", "first run", "Move"),
    Key("last", "G,end", "G End", "go_to_end(1)", "", "last run", "Move"),
    Key(
        "next_pane",
        "tab",
        "tab",
        "next_pane(1)",
        "pane",
        "next pane",
        "Move",
        places=_LIST,
    ),
    Key(
        "previous_pane",
        "shift+tab",
        "shift+tab",
        "next_pane(-1)",
        "",
        "previous pane",
        "Move",
        places=_LIST,
    ),
    Key("mark", "space", "space", "mark", "mark", "mark: overlay its curves", "Runs"),
    Key(
        "unmark_all",
        "u",
        "u",
        "unmark_all",
        "unmark",
        "remove all marks",
        "Runs",
        needs=(Need.MARKS,),
    ),
    Key("sort", "s", "s", "sort_next", "sort", "sort by the next column", "Runs", places=_LIST),
    Key(
        "reverse",
        "S",
        "S",
        "sort_reverse",
        "",
        "turn the order round",
        "Runs",
        places=_LIST,
    ),
    Key("export", "e", "e", "export", "csv", "write the selected run as CSV", "Runs"),
    Key("zoom", "z", "z", "toggle_zoom", "zoom", "one chart full screen", "Charts"),
    Key(
        "unzoom",
        "escape",
        "esc",
        "unzoom",
        "back",
        "back to all panes",
        "Charts",
        places=(Place.ZOOM,),
    ),
    Key("metric", "m", "m", "next_chart(1)", "metric", "next metric", "Charts"),
    Key("previous_metric", "M", "M", "next_chart(-1)", "", "previous metric", "Charts"),
    Key(
        "x_axis",
        "x",
        "x",
        "next_x_axis",
        "axis",
        "x axis: iteration, step, or time",
        "Charts",
    ),
    Key("log_y", "l", "l", "toggle_log", "log", "logarithmic y axis", "Charts"),
    Key(
        "outliers",
        "r",
        "r",
        "toggle_robust",
        "",
        "let outliers stretch the y axis",
        "Charts",
    ),
    Key(
        "smoother",
        "plus,equals_sign",
        "+",
        "smooth(1)",
        "smooth",
        "smooth the curves more",
        "Charts",
    ),
    Key("rougher", "minus,underscore", "-", "smooth(-1)", "", "smooth less", "Charts"),
    Key(
        "help",
        "question_mark,f1",
        "?",
        "help",
        "help",
        "this help",
        "Program",
        needs=(),
    ),
    Key(
        "repaint",
        "ctrl+l",
        "ctrl+l",
        "repaint",
        "",
        "draw the whole screen again",
        "Program",
        needs=(),
    ),
    Key(
        "suspend",
        "ctrl+z",
        "ctrl+z",
        "app.suspend_process",
        "",
        "back to the shell; fg returns",
        "Program",
        needs=(),
    ),
    Key("quit", "q,ctrl+c", "q", "app.quit", "quit", "quit", "Program", needs=()),
    Key(
        "scroll_help_down",
        "j,down",
        "j ↓",
        "scroll_help(1)",
        "",
        "a line down",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "scroll_help_up",
        "k,up",
        "k ↑",
        "scroll_help(-1)",
        "",
        "a line up",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "page_help_down",
        "pagedown,space",
        "PgDn",
        "scroll_help(10)",
        "",
        "a page down",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "page_help_up",
        "pageup",
        "PgUp",
        "scroll_help(-10)",
        "",
        "a page up",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
    Key(
        "close_help",
        "escape,question_mark,f1,q",
        "esc",
        "close_help",
        "close",
        "close the help",
        "Help",
        places=(Place.HELP,),
        needs=(),
    ),
)


def keys_of(*places: Place) -> tuple[Key, ...]:
    """The keys that work in one of the places."""
    return tuple(key for key in KEYS if any(place in key.places for place in places))


def bindings_of(*places: Place) -> list[Binding]:
    """The same as Textual bindings, with ids by which a settings file can remap them."""
    from textual.binding import Binding

    return [
        Binding(key.keys, key.action, key.help, show=False, id=key.name) for key in keys_of(*places)
    ]


def key_of_action(action: str, parameters: Sequence[object], place: Place) -> Key | None:
    """The table's key for an action as Textual hands it to ``check_action``."""
    arguments = ", ".join(map(repr, parameters))
    written = f"{action}({arguments})" if arguments else action
    return next((key for key in keys_of(place) if key.action == written), None)


def footer_line(situation: Situation, note: str, width: int) -> Line:
    """The keys that apply, as many as fit, and a note at the right end."""
    right: Line = (Piece(f"{note} ", "accent"),) if note else ()
    room = width - (cell_width(note) + 2 if note else 0)
    left: list[Piece] = []
    used = 0
    labelled = [key for key in KEYS if key.label and situation.allows(key)]
    # Help and quit are the way out of not knowing the rest, so they are kept to the last.
    kept = [key for key in labelled if key.group == "Program"]
    others = [key for key in labelled if key.group != "Program"]
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
        left.append(Piece(f" {key.shown}", "accent", action=action))
        left.append(Piece(f" {key.label} ", "muted", action=action))
    return spread(tuple(left), right, width)


def _item_width(key: Key) -> int:
    return cell_width(key.shown) + cell_width(key.label) + 3
