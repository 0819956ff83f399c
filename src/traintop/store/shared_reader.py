"""One reader of a run for all threads, whichever of its formats can read it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from traintop.store.files import AwayError, Entry, FileError, Files
from traintop.store.formats import (
    NotThisFormatError,
    RunReader,
    StreamingReader,
    UnreadableRunError,
)
from traintop.store.liveness import ObservedRun

if TYPE_CHECKING:
    from traintop.store.history import History

_Answer = TypeVar("_Answer")


class SharedReader:
    """Reads one run by whichever of its formats can, for any thread; errors name the run.

    ``run`` says how it is now.
    """

    def __init__(self, run: Callable[[], ObservedRun], files: Files) -> None:
        self._run = run
        self._files = files
        self._lock = threading.Lock()
        self._reader: RunReader | None = None
        self._ids: list[str] = []

    def sample(self, points: int) -> History:
        return self._read(lambda reader: reader.sample(points))

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        return self._read(lambda reader: reader.history(reached))

    def portions(self, rows: int) -> Iterator[History]:
        """All records in portions of about so many, in order, each iteration once.

        In memory that does not grow with the run, where its format can. Raises ``OutOfOrderError``
        at a record that belongs into an earlier portion: read the history then, all at once.
        """
        run = self._run()
        entries = run.entries
        for run_format in run.formats:
            reader = run_format.reader(self._files, entries)
            if not isinstance(reader, StreamingReader):
                break
            try:
                yield from reader.portions(rows)
            except NotThisFormatError:
                continue  # which it says before the first portion
            except (FileError, ValueError) as error:
                raise self._unreadable(error) from error
            return
        history = self.history()
        yield from (history[start : start + rows] for start in range(0, len(history), rows))

    def follow(self) -> bool:
        """Whether any record was added; while the run is missing, torn or refused: none."""
        before = self._reader
        try:
            return self._read(lambda reader: reader.follow()) or self._reader is not before
        except UnreadableRunError:
            return False

    def _read(self, question: Callable[[RunReader], _Answer]) -> _Answer:
        entries = self._run().entries
        ids = [entry.id for entry in entries]
        problem: Exception = FileError("does not exist")
        with self._lock:
            for reader in self._readers(entries, ids):
                try:
                    answer = question(reader)
                except NotThisFormatError as error:
                    problem = error
                except (FileError, ValueError) as error:
                    problem = error
                    break
                else:
                    self._reader, self._ids = reader, ids
                    return answer
        raise self._unreadable(problem) from problem

    def _unreadable(self, problem: Exception) -> UnreadableRunError:
        now = "cannot be read now: " if isinstance(problem, AwayError) else ""
        return UnreadableRunError(f"{self._run().address} {now}{problem}")

    def _readers(self, entries: Sequence[Entry], ids: Sequence[str]) -> Iterator[RunReader]:
        """The reader that is in use, then new ones: the files may be of another format now."""
        if self._reader is not None and ids == self._ids:
            yield self._reader
        for run_format in self._run().formats:
            yield run_format.reader(self._files, entries)
