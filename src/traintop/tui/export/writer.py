"""The exports that a person asked for, each in a thread of its own, and their end at quitting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from time import monotonic
from typing import Protocol

from textual.message import Message

from traintop.text import safe_text
from traintop.tui.export.exports import ended_text
from traintop.tui.messages import ExportEnded

PATIENCE_SECONDS = 5.0
"""How long the end of the program waits for exports to be done."""

_STOPPING_SECONDS = 1.0  # in which an export that is stopped removes what it has written
_LONGEST_TEXT = 10_000


class Export(Protocol):
    """``name`` is what the file or directory is to be called."""

    @property
    def name(self) -> str: ...

    def run(self) -> None:
        """Write, and post an :class:`ExportEnded` about it last."""

    def stop(self) -> None:
        """Let it end soon, and leave nothing behind."""


class ExportWriter:
    """Runs exports; each is done, or is told of, before the program ends.

    The threads are daemons: a filesystem that never answers holds nobody up. What exports post has
    to come through :meth:`post`.
    """

    def __init__(self, post: Callable[[Message], object]) -> None:
        self._post = post
        # Each with what is set when it is done: Python 3.11 takes a thread for one that has ended
        # when joining it is interrupted.
        self._running: dict[Export, Event] = {}
        self._unheard: list[ExportEnded] = []

    def write(self, export: Export) -> None:
        """Begin an export."""
        self._running[export] = Event()
        Thread(target=self._run, args=[export], name="traintop-export", daemon=True).start()

    def post(self, message: Message) -> None:
        """Hand a message on, and remember how an export ended until that is heard of."""
        if isinstance(message, ExportEnded):
            self._unheard.append(message)
        self._post(message)

    def heard(self, ended: ExportEnded) -> None:
        """Take note that the person was told how an export ended."""
        self._unheard = [one for one in self._unheard if one is not ended]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The names of what is being written."""
        return tuple(export.name for export in dict(self._running))

    def finish(self) -> tuple[str, ...]:
        """Wait for what is being written; how all ended that nobody heard of, in words.

        What takes too long is stopped, and so is all at once at an interrupt from the keyboard.
        """
        with suppress(KeyboardInterrupt):
            self._wait(PATIENCE_SECONDS)
        for export in dict(self._running):
            export.stop()
        with suppress(KeyboardInterrupt):
            self._wait(_STOPPING_SECONDS)
        told = [ended_text(ended) for ended in self._unheard]
        told += [f"{name} was not written: no answer" for name in self.unfinished]
        lines = (safe_text(line, _LONGEST_TEXT) for text in told for line in text.splitlines())
        return tuple(f"{line[:1].lower()}{line[1:]}" for line in lines)

    def _wait(self, seconds: float) -> None:
        end = monotonic() + seconds
        for done in dict(self._running).values():
            done.wait(max(end - monotonic(), 0.0))

    def _run(self, export: Export) -> None:
        export.run()
        self._running.pop(export).set()
