"""What is wrong is told once, through the logger ``traintop``; it never stops a training."""

from __future__ import annotations

import logging

log = logging.getLogger("traintop")


class Teller:
    """Tells what is wrong, once for each topic."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def once(self, topic: str, message: str) -> None:
        """Tell it, unless something of this topic was told."""
        if topic not in self._told:
            self._told.add(topic)
            log.warning("traintop: %s", message)

    def hush(self, topic: str) -> None:
        """Tell nothing of this topic from now on."""
        self._told.add(topic)
