"""Small files beside a run, such as its settings: each is read again only when it has changed."""

from __future__ import annotations

from collections.abc import Sequence

from traintop.store.files import AwayError, Entry, FileError, Files
from traintop.store.liveness import SETTLING


class SmallFiles:
    """What is in some small files, of which no more is read than their first bytes."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._known: dict[str, tuple[Entry, bytes]] = {}

    def read(self, files: Files, entries: Sequence[Entry]) -> dict[str, bytes]:
        """What is in these files, by their ids; those that cannot be read are left out."""
        known = {entry.id: self._known.get(entry.id) for entry in entries}
        fresh = [one for one in entries if not _is_as_it_was(one, known[one.id])]
        spans = [(entry.id, 0, min(entry.size, self._longest)) for entry in fresh]
        files.prefetch(spans)
        for entry, span in zip(fresh, spans, strict=True):
            try:
                known[entry.id] = entry, files.read(*span)
            except AwayError:
                raise
            except FileError:
                known[entry.id] = None
        self._known = {file_id: found for file_id, found in known.items() if found is not None}
        return {file_id: data for file_id, (_, data) in self._known.items()}


def _is_as_it_was(entry: Entry, known: tuple[Entry, bytes] | None) -> bool:
    """Whether a file has not changed, as far as its listing is to be believed."""
    is_still = entry.is_exact or (not entry.lags and (entry.age or 0.0) >= SETTLING)
    return known is not None and known[0][:3] == entry[:3] and is_still
