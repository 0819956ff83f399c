"""Whether a place answers, and since when it does not."""

from __future__ import annotations

from collections.abc import Callable

from traintop.mounts import SILENT
from traintop.store.files import AwayError
from traintop.store.snapshot import PlaceState
from traintop.text import span

_LONGEST_PAUSE = 30.0  # before the next look at a place that does not answer


class PlaceReach:
    """What came of the looks at a place. ``clock`` is a monotonic one, in seconds."""

    def __init__(
        self, name: str, roots: tuple[str, ...], clock: Callable[[], float], *, is_remote: bool
    ) -> None:
        self._name = name
        self._roots = roots
        self._clock = clock
        self._is_remote = is_remote
        self._failures = 0
        self._reason = ""
        self._known_at = 0.0  # when it was looked at last, or was to be; 0: not yet
        self._begun_at = 0.0
        self._waiting_since: float | None = None  # in a look, for an answer

    def begin(self) -> None:
        """A look begins."""
        self._begun_at = self._waiting_since = self._clock()

    def answered(self) -> None:
        """The place has answered a question of the look."""
        self._waiting_since = self._clock()

    def fail(self, error: AwayError) -> PlaceState:
        """The look failed; how the place is, the same as long as it is."""
        self._failures += 1
        self._reason = str(error)
        self._known_at = self._known_at or self._begun_at
        return self._state("away")._replace(reason=self._reason)

    def succeed(self) -> None:
        """The look did not fail."""
        self._failures, self._reason, self._known_at = 0, "", self._clock()

    def end(self) -> None:
        """The look ends, however."""
        self._waiting_since = None

    def pause(self, usual: float) -> float:
        """Seconds to the next look, where so many are ``usual``."""
        return min(2.0 ** (self._failures - 1), _LONGEST_PAUSE) if self._failures else usual

    @property
    def silence(self) -> float:
        """Seconds for which a look has been waiting for an answer."""
        since = self._waiting_since
        return 0.0 if since is None else self._clock() - since

    def state(self, pause: float, *, is_known: bool) -> PlaceState | None:
        """Why its runs are not known as they are now; ``None`` where they are.

        ``pause`` is that before the next look, and it ``is_known`` once one did not fail.
        """
        if self._failures:
            waited = _in_steps(self._clock() - self._known_at)
            since = f" {span(waited)}" if waited else ""
            words = f"away{since}, tries every {span(pause)}"
            return self._state(words)._replace(reason=self._reason, seconds=waited)
        waited = _in_steps(self.silence)
        if waited >= SILENT:  # as a frozen disk keeps it waiting
            return self._state(f"no answer for {span(waited)}")._replace(seconds=waited)
        if is_known:
            return None
        words = "connecting" if self._is_remote else "not read yet"
        return self._state(words)._replace(is_first=True)

    def _state(self, words: str) -> PlaceState:
        return PlaceState(self._name, self._roots, words)


def _in_steps(waited: float) -> float:
    """Seconds that were waited; in steps, for each is drawn anew."""
    return waited - waited % (SILENT if waited < 60 else 60)
