"""The keys of the whole program, and of the dialogs that every place uses."""

from __future__ import annotations

from traintop.tui.kit.keys import Key, Place, group

KEYS = (
    *group(
        "Program",
        (Place.RUNS, Place.ZOOM, Place.RUN, Place.COMPARE, Place.BEST),
        Key("copy_written", "Y", "app.copy_written", "copy the path of the last export"),
        Key("help", "?|f1", "help", "this help", "help"),
        Key("palette", "ctrl+p", "palette", "find any action"),
        Key("theme", "ctrl+t", "toggle_theme", "dark or light colours"),
        Key("dismiss", "backspace", "dismiss_notices", "dismiss notices"),
        Key("repaint", "ctrl+l", "app.repaint", "redraw the screen", places=tuple(Place)),
        Key("suspend", "ctrl+z", "app.suspend_process", "back to the shell; fg returns"),
        Key("quit", "q|ctrl+c", "quit", "quit", "quit", places=(Place.RUNS,)),
        needs=(),
    ),
    *group(
        "Text",
        (Place.ENTRY,),
        Key("confirm_entry", "enter", "confirm_entry", "save the text", "save"),
        Key("close_entry", "escape|ctrl+c", "close", "cancel", "back"),
        needs=(),
    ),
    *group(
        "Choice",
        (Place.CHOICE,),
        Key("answer_down", "j,down|tab", "move(1)", "next choice"),
        Key("answer_up", "k,up|shift+tab", "move(-1)", "previous choice"),
        Key("answer", "enter", "choose", "choose"),
        Key("close_question", "escape|q,ctrl+c", "close", "cancel"),
        needs=(),
    ),
    *group(
        "Help",
        (Place.HELP,),
        Key("scroll_help_down", "j,down", "scroll_help(1)", "a line down"),
        Key("scroll_help_up", "k,up", "scroll_help(-1)", "a line up"),
        Key("page_help_down", "pagedown|space", "scroll_help(10)", "a page down"),
        Key("page_help_up", "pageup", "scroll_help(-10)", "a page up"),
        Key("close_help", "escape|?,f1,q,ctrl+c", "close", "close the help", "close"),
        needs=(),
    ),
)
