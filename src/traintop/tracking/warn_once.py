"""Warnings that are logged once, by the logger ``traintop``; a problem never stops a training."""

from __future__ import annotations

import logging

log = logging.getLogger("traintop")


class WarnOnce:
    """Logs one warning for each topic."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def __call__(self, topic: str, message: str) -> None:
        """Log a warning, unless there was one of this topic."""
        if topic not in self._warned:
            self._warned.add(topic)
            log.warning("traintop: %s", message)

    def silence(self, topic: str) -> None:
        """Log no warning of this topic from now on."""
        self._warned.add(topic)
