"""Runs as a program has them: opened, found by name, filtered, sorted, and read when asked for."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal, overload

from traintop.analysis.naming import find_run, unique_names
from traintop.analysis.query import filter_runs
from traintop.analysis.query_tokens import tokens_of
from traintop.analysis.ranking import Leader, ranking_of, sorted_runs
from traintop.analysis.run import Run, UnknownNameError
from traintop.metrics import choose_directions_for
from traintop.model import RunStatus, RunSummary
from traintop.progress import start_order
from traintop.run_ids import parts_of
from traintop.store.catalog import RunCatalog
from traintop.text import safe_text, suggestions
from traintop.tracking.environment import default_log_dir

if TYPE_CHECKING:
    from traintop.store.history import History

log = logging.getLogger("traintop")

LATEST, BEST = "@latest", "@best"
"""References to the run that started last, and to the one with the best value of its metric."""

_RUNS_IN_MEMORY = 16
_MOST_CANDIDATES = 3


class Runs(Sequence[Run]):
    """Some of the opened runs, in an order. It never changes; what selects returns another.

    ::

        runs = traintop.open_runs("experiment_logs")
        for run in runs.filter("val_loss < 3 and status == finished").sort("val_loss"):
            iterations, losses = run["train_loss"]
    """

    def __init__(self, runs: Sequence[Run], opened: OpenedRuns) -> None:
        self._runs = (*runs,)
        self._opened = opened

    def __repr__(self) -> str:
        return f"<{len(self)} runs: {', '.join(safe_text(run.name) for run in self)}>"

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    @overload
    def __getitem__(self, key: int | str) -> Run: ...
    @overload
    def __getitem__(self, key: slice) -> Runs: ...
    def __getitem__(self, key: int | str | slice) -> Run | Runs:
        """A run by place or by reference (see :meth:`find`), or several by their places."""
        if isinstance(key, slice):
            return Runs(self._runs[key], self._opened)
        return self.find(key) if isinstance(key, str) else self._runs[key]

    @property
    def summaries(self) -> list[RunSummary]:
        """What is known of each run at once."""
        return [run.summary for run in self]

    @property
    def names(self) -> dict[str, str]:
        """The unique name of each run by its id."""
        return {run.id: run.name for run in self}

    def find(self, reference: str) -> Run:
        """The run that is meant by its name, id, file name, or the beginning of one of these.

        The beginning must be that of one run only. ``@latest`` is the run that started last,
        ``@best`` that with the best value of the metric by which runs are judged: a loss, where any
        has one. Raises ``UnknownNameError``, a ``KeyError``.
        """
        if reference == LATEST and self:
            return max(self, key=lambda run: start_order(run.summary))
        if reference == BEST and self:
            best = self.best()
            if best is None:
                raise UnknownNameError("no run has a metric of which it is known what is better")
            return best
        by_id = {run.id: run for run in self}
        found = find_run(reference, self.names)
        if found is not None:
            return by_id[found]
        beginning = [run for run in self if reference and _begins_with(run, reference)]
        if len(beginning) == 1:
            return beginning[0]
        hint = suggestions(reference, self.names.values())
        if beginning:
            hint = f"{len(beginning):,} runs begin so: "
            hint += ", ".join(run.name for run in beginning[:_MOST_CANDIDATES])
            hint += ", …" if len(beginning) > _MOST_CANDIDATES else ""
        raise UnknownNameError(f"no run named {reference!r}: {hint}")

    def filter(self, query: str) -> Runs:
        """The runs that a query matches, as in ``traintop list --filter``.

        Raises ``QueryError``, a ``ValueError``, when the query is none.
        """
        matching = filter_runs(self.summaries, query, datetime.now())
        return self._these(matching)

    def listed(self, query: str = "") -> Runs:
        """The runs that a query matches, without archived ones unless it asks for ``archived``.

        Raises ``QueryError`` as :meth:`filter` does.
        """
        matching = self.filter(query)
        if any(token.text == "archived" for token in tokens_of(query)):
            return matching
        return self.select(run for run in matching if not run.summary.annotations.archived)

    def sort(self, name: str = "best_val_loss", *, reverse: bool = False) -> Runs:
        """The runs in the order of a field, metric or setting, the best or the newest first.

        Raises ``ValueError`` for a name that no run has.
        """
        return self._these(sorted_runs(self.summaries, name, reverse=reverse))

    def ranked(
        self, metric: str | None = None, mode: Literal["min", "max"] | None = None
    ) -> list[Leader]:
        """The runs with the best finite value of a metric that each reached, the best first.

        Without a metric, of that by which runs are judged. ``mode`` says whether the lowest or the
        highest is best; without it, the metric's direction does. Raises ``ValueError`` where that
        is unknown, and for a metric that no run has.
        """
        return ranking_of(self.summaries, metric, mode).leaders

    def best(
        self, metric: str | None = None, mode: Literal["min", "max"] | None = None
    ) -> Run | None:
        """The run that reached the best value of a metric; ``None`` where none has one.

        Raises ``ValueError`` as :meth:`ranked` does.
        """
        ranked = self.ranked(metric, mode)
        return self._these([ranked[0].run])[0] if ranked else None

    def select(self, runs: Iterable[Run]) -> Runs:
        """These runs, each once, in this order."""
        return Runs(list({run.id: run for run in runs}.values()), self._opened)

    def _these(self, summaries: Iterable[RunSummary]) -> Runs:
        by_id = {run.id: run for run in self}
        return Runs([by_id[summary.id] for summary in summaries], self._opened)


class OpenedRuns:
    """What all selections share: a catalog that was looked through once, and histories.

    ``unreadable`` are the files that hold no run that can be read, ``notices`` say what is wrong
    with the roots.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        choose_directions_for(roots)
        self.roots = (*roots,)
        self.catalog = RunCatalog(roots)
        snapshot = self.catalog.refresh()
        self.others = snapshot.others
        self.notices = snapshot.notices
        self.unreadable = [run for run in snapshot.runs if run.status is RunStatus.UNREADABLE]
        readable = [run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE]
        names = unique_names(readable)
        self.runs = Runs([Run(run, names[run.id], self) for run in readable], self)
        """All that can be read, the newest first."""
        self.history = functools.lru_cache(_RUNS_IN_MEMORY)(self._history)

    def _history(self, run_id: str) -> History:
        return self.catalog.reader(run_id).history()


def open_runs(*roots: str | os.PathLike[str]) -> Runs:
    """The runs below some directories, or of some files, the newest first.

    Without roots, ``$TRAINTOP_DIR``, else ``experiment_logs``. Only the two ends of files are read.
    A file that cannot be read is left out; the logger ``traintop`` says why.
    """
    opened = OpenedRuns([Path(root) for root in roots] or [default_log_dir()])
    for notice in opened.notices:
        log.warning("traintop: %s", safe_text(notice, 500))
    for run in opened.unreadable:
        log.warning("traintop: %s %s; it is left out", safe_text(run.id), safe_text(run.problem))
    return opened.runs


def _begins_with(run: Run, reference: str) -> bool:
    known = (run.name, run.summary.stem, PurePath(run.id).name, run.id)
    return any(name.startswith(reference) for name in known)


def is_below(run_id: str, path: Path) -> bool:
    """Whether a run is that of a file, one of those in it, or lies below a directory."""
    return path == Path(run_id) or path in (holder := Path(parts_of(run_id)[0]), *holder.parents)
