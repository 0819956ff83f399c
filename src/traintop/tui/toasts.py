"""The toasts of notices: few at a time, whatever happens, for they stand over the charts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from textual.notifications import Notification

from traintop.tui.announcing import MOST_TOASTS, toasts_of

if TYPE_CHECKING:
    from textual.app import App

    from traintop.analysis.notices import Notice

TOAST_SECONDS = 8.0


class NoticeToasts:
    """Shows notices; those that would become too many stand together in one toast."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._standing: list[tuple[Notification, tuple[Notice, ...]]] = []

    def show(self, notices: Sequence[Notice]) -> None:
        """Show new notices beside those that stand."""
        known = self._app._notifications
        standing = [(shown, of) for shown, of in self._standing if shown in known]
        together = (*chain.from_iterable(of for _, of in standing), *notices)
        groups: list[tuple[Notice, ...]] = [(notice,) for notice in notices]
        if len(together) > MOST_TOASTS:
            for shown, _ in standing:
                self._app._unnotify(shown)
            groups, standing = [together], []
        # Not by ``notify``, which tells nothing that a toast could be taken back by.
        for group in groups:
            for toast in toasts_of(group):
                shown = Notification(toast.text, toast.title, toast.severity, TOAST_SECONDS)
                known.add(shown)
                standing.append((shown, group))
        self._standing = standing
        self._app._refresh_notifications()
