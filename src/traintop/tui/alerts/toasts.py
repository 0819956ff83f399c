"""Notices in words: as toasts, for the desktop of the person, and as lines of the log of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Literal

import msgspec
from msgspec.structs import replace
from textual.app import App

from traintop.analysis.alerts import Alert, AlertKind
from traintop.lines import Role
from traintop.text import safe_text
from traintop.tui._textual import LastingNotification, is_shown, replace_toasts
from traintop.tui.kit.screen import PlaceScreen
from traintop.tui.session import Session

Severity = Literal["information", "warning", "error"]

WIDEST_NAME = 30
"""Cells of the name of a run in a notice."""

MOST_TOASTS = 3
"""More at a time would cover the screen; the log has them all."""

SEVERITIES: Mapping[str, Severity] = {
    AlertKind.NOT_FINITE: "error",
    AlertKind.DIVERGED: "error",
    AlertKind.CRASHED: "error",
    AlertKind.FAILED: "error",
    AlertKind.STALLED: "warning",
    AlertKind.GPU_IDLE: "warning",
    AlertKind.GPU_THROTTLED: "warning",
    AlertKind.SLOWER: "warning",
    AlertKind.LOGGED: "warning",
    AlertKind.BEST: "information",
}


def severity_of(notice: Alert) -> Severity:
    """How bad it is; what a person's own rule asks for is a warning."""
    return SEVERITIES.get(notice.kind, "warning")


ROLES: Mapping[Severity, Role] = {"information": "good", "warning": "warn", "error": "bad"}


class Toast(msgspec.Struct, frozen=True):
    """A short message over the screen; nothing in it is markup."""

    title: str
    text: str
    severity: Severity


def toasts_of(notices: Sequence[Alert]) -> tuple[Toast, ...]:
    """One toast for each of a few notices, one for all of many."""
    if len(notices) > MOST_TOASTS:
        worst = max((severity_of(notice) for notice in notices), key=tuple(ROLES).index)
        kinds = Counter(notice.kind for notice in notices)
        counts = ", ".join(f"{count} {safe_text(kind, 60)}" for kind, count in kinds.items())
        return (Toast(f"{len(notices)} notices: {counts}", "N lists them", worst),)
    return tuple(
        Toast(
            f"{safe_text(notice.name, 60)}: {safe_text(notice.kind, 60)}",
            safe_text(notice.text),
            severity_of(notice),
        )
        for notice in notices
    )


TOAST_SECONDS = 8.0
_MOST_NOTICES = 500


class NoticeToasts:
    """Shows notices; too many at a time are combined in one toast."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._standing: list[tuple[LastingNotification, tuple[Alert, ...]]] = []

    def show(self, notices: Sequence[Alert]) -> None:
        """Show new notices beside those on the screen."""
        standing = [(toast, of) for toast, of in self._standing if is_shown(self._app, toast)]
        together = (*chain.from_iterable(of for _, of in standing), *notices)
        groups: list[tuple[Alert, ...]] = [(notice,) for notice in notices]
        replaced: list[LastingNotification] = []
        if len(together) > MOST_TOASTS:
            replaced = [shown for shown, _ in standing]
            groups, standing = [together], []
        new = [
            (LastingNotification(toast.text, toast.title, toast.severity, TOAST_SECONDS), group)
            for group in groups
            for toast in toasts_of(group)
        ]
        replace_toasts(self._app, replaced, [shown for shown, _ in new])
        self._standing = [*standing, *new]


class NoticeLog:
    """What happened since the program was opened, and the key that lists it."""

    def __init__(self, session: Session, screen: PlaceScreen) -> None:
        self._session = session
        self._screen = screen
        self.notices: tuple[Alert, ...] = ()
        """The newest first."""

    def add(self, notices: Sequence[Alert]) -> tuple[Alert, ...]:
        """Take over what happened; returns it, the runs named as in the list."""
        named = tuple(map(self._named, notices))
        notices = sorted((*reversed(named), *self.notices), key=lambda one: one.time, reverse=True)
        self.notices = (*notices,)[:_MOST_NOTICES]
        return named

    def _named(self, notice: Alert) -> Alert:
        rows = self._session.rows
        run = rows.run(notice.run_id)
        return notice if run is None else replace(notice, name=rows.short_name(run, WIDEST_NAME))

    def action_notices(self) -> None:
        from traintop.tui.alerts.screen import NoticesScreen  # not for the first frame

        self._screen.app.clear_notifications()  # they are all in the log
        self._screen.app.push_screen(NoticesScreen(self.notices, self._session.go_to))
