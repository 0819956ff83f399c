"""Notices in words: as toasts, for the desktop of the person, and as lines of the log of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import msgspec

from traintop.analysis.notices import Notice, NoticeKind
from traintop.text import cell_width, fit, safe_text
from traintop.tui.lines import Line, Piece, Role, clickable

Severity = Literal["information", "warning", "error"]

MOST_TOASTS = 3
"""More at a time would cover the screen; the log has them all."""

_SEVERITIES: Mapping[NoticeKind, Severity] = MappingProxyType(
    {
        NoticeKind.NOT_FINITE: "error",
        NoticeKind.DIVERGED: "error",
        NoticeKind.CRASHED: "error",
        NoticeKind.FAILED: "error",
        NoticeKind.STALLED: "warning",
        NoticeKind.SLOWER: "warning",
        NoticeKind.BEST: "information",
    }
)
_ROLES: Mapping[Severity, Role] = MappingProxyType(
    {"information": "good", "warning": "warn", "error": "bad"}
)
_WIDEST_NAME = 30
_KIND_WIDTH = max(len(kind) for kind in NoticeKind)


class Toast(msgspec.Struct, frozen=True):
    """A short message over the screen; nothing in it is markup."""

    title: str
    text: str
    severity: Severity


def toasts_of(notices: Sequence[Notice]) -> tuple[Toast, ...]:
    """One toast for each of a few notices, one for all of many."""
    if len(notices) > MOST_TOASTS:
        worst = max((_SEVERITIES[notice.kind] for notice in notices), key=tuple(_ROLES).index)
        kinds = Counter(notice.kind for notice in notices)
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        return (Toast(f"{len(notices)} notices: {counts}", "N lists them", worst),)
    return tuple(
        Toast(
            f"{safe_text(notice.name, 60)}: {notice.kind}",
            safe_text(notice.text),
            _SEVERITIES[notice.kind],
        )
        for notice in notices
    )


def desktop_sequence(toast: Toast, environment: Mapping[str, str]) -> str:
    """What makes the person's terminal show a notice outside of it: OSC 9 and OSC 777.

    Terminals that know both get the second only, lest they show it twice. Inside tmux it is
    wrapped so that tmux hands it on, which needs its option ``allow-passthrough``.
    """
    # A semicolon would begin another argument of the sequence; "4;" would be a progress bar.
    title, body = (text.replace(";", ",") for text in (toast.title, toast.text))
    sequence = f"\x1b]777;notify;traintop: {title};{body}\x07"
    if environment.get("TERM_PROGRAM") not in ("WezTerm", "ghostty"):
        sequence = f"\x1b]9;traintop: {title}: {body}\x07{sequence}"
    if "TMUX" in environment:
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    return sequence


def notice_lines(notices: Sequence[Notice], cursor: int, width: int) -> tuple[Line, ...]:
    """The log of past notices: when, what, which run, and the rest of it."""
    if not notices:
        return (
            (Piece("  Nothing since you opened this: no NaN, stall, crash or slowdown.", "muted"),),
        )
    names = [safe_text(notice.name, _WIDEST_NAME) for notice in notices]
    name_width = max(map(cell_width, names))
    return tuple(
        clickable(
            _notice_line(notice, fit(name, name_width), at_cursor=row == cursor),
            f"screen.pick_notice({row})",
            width,
        )
        for row, (notice, name) in enumerate(zip(notices, names, strict=True))
    )


def _notice_line(notice: Notice, name: str, *, at_cursor: bool) -> Line:
    return (
        Piece("▌ " if at_cursor else "  ", "accent"),
        Piece(f"{notice.time:%m-%d %H:%M:%S}  ", "muted"),
        Piece(f"{notice.kind:<{_KIND_WIDTH}}  ", _ROLES[_SEVERITIES[notice.kind]]),
        Piece(f"{name}  ", "strong"),
        Piece(safe_text(notice.text, 500)),
    )
