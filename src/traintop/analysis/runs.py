"""Runs as a program has them: opened, found by name, filtered, sorted, and read when asked for."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, overload

from traintop.analysis.frames import Columns, Tabular, named_record_columns, run_columns
from traintop.analysis.naming import find_run, unique_names
from traintop.analysis.plottable import Plottable
from traintop.analysis.query import filter_runs
from traintop.analysis.query_tokens import tokens_of
from traintop.analysis.ranking import Leader, ranking_of, sorted_runs
from traintop.analysis.run import Run, UnknownNameError
from traintop.metrics import choose_directions_for
from traintop.model import RunStatus, RunSummary
from traintop.progress import start_order
from traintop.settings import expanded_roots
from traintop.store.catalog import RunCatalog
from traintop.text import counted, safe_text, suggestions
from traintop.tracking.environment import default_root

if TYPE_CHECKING:
    from traintop.analysis.brief import Brief
    from traintop.analysis.events import Cursor, Event
    from traintop.analysis.importance import Importance
    from traintop.analysis.run_comparison import RunComparison
    from traintop.analysis.run_groups import Groups, Mean
    from traintop.rule import Rule
    from traintop.store.formats import RunReader
    from traintop.store.history import History

log = logging.getLogger("traintop")

LATEST, BEST = "@latest", "@best"
"""References to the run that started last, and to the one with the best value of its metric."""

_WATCH_PAUSE = 60.0  # seconds without a change
_RUNS_IN_MEMORY = 16
_MOST_CANDIDATES = 3
_LONGEST_LINE = 500
_MOST_NAMES, _LONGEST_NAME = 5, 40


class Runs(Sequence[Run], Tabular, Plottable):
    """Some of the opened runs, in an order. It never changes; what selects returns another.

    As a data frame there is a row for each run: the fields of ``traintop list --csv``, the last and
    the best value of each metric, and the settings.

    ::

        runs = traintop.open_runs("experiment_logs")
        for run in runs.filter("val_loss < 3 and status == finished").sort("val_loss"):
            iterations, losses = run["train_loss"]
    """

    def __init__(self, runs: Sequence[Run], opened: OpenedRuns) -> None:
        self._runs = (*runs,)
        self._opened = opened

    def __repr__(self) -> str:
        names = [safe_text(run.name, _LONGEST_NAME) for run in self[:_MOST_NAMES]]
        names += ["…"] if len(self) > _MOST_NAMES else []
        return f"<{counted(len(self), 'run')}{': ' if names else ''}{', '.join(names)}>"

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
    def opened(self) -> OpenedRuns:
        """What these were selected from."""
        return self._opened

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
        raise UnknownNameError(f"no run named {reference!r}", hint)

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
        return ranking_of(self.summaries, metric, mode, among=self._opened.runs.summaries).leaders

    def best(
        self, metric: str | None = None, mode: Literal["min", "max"] | None = None
    ) -> Run | None:
        """The run that reached the best value of a metric; ``None`` where none has one.

        Raises ``ValueError`` as :meth:`ranked` does.
        """
        ranked = self.ranked(metric, mode)
        return self._these([ranked[0].run])[0] if ranked else None

    def watch(self, since: str | None = None) -> Iterator[Event]:
        """What happens to these runs from now on: each event when it happens, without end.

        Of all runs that were opened, also what happens to those that are new. ``since`` is the
        cursor of an event or a time, as of ``traintop watch --events --since``. Raises
        ``ValueError`` where it is neither.
        """
        from traintop.analysis.events import Cursor

        return self._events(None if since is None else Cursor.parse(since, datetime.now()))

    def _events(self, cursor: Cursor | None) -> Iterator[Event]:
        from traintop.analysis.events import RunEvents
        from traintop.analysis.rules import recent_records
        from traintop.store.watch import snapshots

        catalog = self._opened.catalog
        events = RunEvents(recent_records(self.reader_of), since=cursor)
        chosen = None if self is self._opened.runs else {run.id for run in self}
        for snapshot in snapshots(catalog, lambda: _WATCH_PAUSE):
            runs = [run for run in snapshot.runs if chosen is None or run.id in chosen]
            yield from events.observe(
                runs, datetime.now(), complete=not snapshot.notices, places=snapshot.places
            )

    def reader_of(self, run_id: str) -> RunReader:
        """What reads the records of an opened run, all of them or a sample."""
        return self._opened.catalog.reader(run_id)

    def importance(
        self, metric: str | None = None, mode: Literal["min", "max"] | None = None
    ) -> Importance:
        """Which settings go with a good place among these runs: ``traintop best --importance``.

        Raises ``ValueError`` as :meth:`ranked` does.
        """
        from traintop.analysis.importance import importance_of

        ranking = ranking_of(self.summaries, metric, mode, among=self._opened.runs.summaries)
        return importance_of(ranking.leaders, ranking.direction)

    def brief(
        self, tokens: int = 1500, since: str | None = None, rules: Sequence[Rule] = ()
    ) -> Brief:
        """What there is to know of these runs in so many tokens at most, as ``traintop brief``.

        ``since`` is the cursor of a brief or an event, or a time; then it says what changed.
        ``rules`` are those of the settings file. Raises ``ValueError`` where ``since`` is neither.
        """
        from traintop.analysis.brief import brief_of
        from traintop.analysis.events import Cursor
        from traintop.analysis.rules import recent_records

        now = datetime.now()
        return brief_of(
            self.summaries,
            self.names,
            recent_records(self.reader_of),
            now,
            since=None if since is None else Cursor.parse(since, now),
            rules=rules,
            tokens=tokens,
        )

    def select(self, runs: Iterable[Run]) -> Runs:
        """These runs, each once, in this order."""
        return Runs(list({run.id: run for run in runs}.values()), self._opened)

    def compare(
        self, baseline: Run | str | None = None, *, target: float | None = None
    ) -> RunComparison:
        """The runs against a baseline, as ``traintop compare``; all their records are read.

        The baseline is the first of them, or any opened run or reference (see :meth:`find`).
        ``target`` is a loss of which it is shown when each run reached it.
        """
        from traintop.analysis.compare import columns_of, compare_with_target
        from traintop.analysis.run_comparison import RunComparison
        from traintop.analysis.run_groups import compared

        if isinstance(baseline, str):
            baseline = self._opened.runs.find(baseline)
        runs = self if baseline is None else self.select([baseline, *self])
        return RunComparison(compare_with_target(columns_of(compared(runs)), target))

    def group(self, *over: str) -> Groups:
        """Groups of runs that differ only in the seed, or only in the settings that are named.

        ``seed`` means every seed, ``data.seed`` too. So ``runs.group("seed", "host_name")`` are
        runs that differ in these two at most.
        """
        from traintop.analysis.run_groups import Groups

        return Groups(self, over)

    def mean(self) -> Mean:
        """The mean of all these runs, whatever they differ in."""
        from traintop.analysis.run_groups import Mean

        return Mean(counted(len(self), "run"), self)

    def records(self) -> Records:
        """The records of all these runs as one data frame, with the name of the run in front."""
        return Records(self)

    def _plotted(self) -> Sequence[Run]:
        return self

    def _repr_html_(self) -> str:
        from traintop.notebook.pages import runs_page

        return runs_page(self)

    def _columns(self) -> Columns:
        return run_columns(self.summaries, self.names)

    def _these(self, summaries: Iterable[RunSummary]) -> Runs:
        by_id = {run.id: run for run in self}
        return Runs([by_id[summary.id] for summary in summaries], self._opened)


class Records(Tabular):
    """The records of some runs: a row for each iteration of a run, whose name is in ``run``."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = (*runs,)

    def _columns(self) -> Columns:
        return named_record_columns({run.name: run.history() for run in self._runs})


class OpenedRuns:
    """What all selections share: a catalog that was looked through, and histories.

    ``unreadable`` are the files that hold no run that can be read, ``notices`` say what is wrong
    with the roots, and ``places`` are those that did not answer.
    """

    def __init__(self, roots: Iterable[str | os.PathLike[str]]) -> None:
        self.roots = expanded_roots(os.fspath(root) for root in roots)
        self.catalog = RunCatalog(self.roots)
        self.history = functools.lru_cache(_RUNS_IN_MEMORY)(self._history)
        self.refresh()

    def refresh(self) -> None:
        """Look again: ``runs`` are those of now, and their records are read anew."""
        choose_directions_for(self.roots)
        snapshot = self.catalog.refresh()
        self.others = snapshot.others
        self.notices, self.places = snapshot.troubles, snapshot.places
        self.unreadable = [run for run in snapshot.runs if run.status is RunStatus.UNREADABLE]
        readable = [run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE]
        names = unique_names(readable)
        self.runs = Runs([Run(run, names[run.id], self) for run in readable], self)
        """All that can be read, the newest first."""
        self.history.cache_clear()

    @property
    def away(self) -> list[dict[str, object]]:
        """The places that did not answer, for documents that programs read."""
        return [
            {"place": one.place, "roots": [*one.roots], "reason": one.reason or one.words}
            for one in self.places
        ]

    @property
    def answered(self) -> list[str]:
        """The roots of all places but those that are away."""
        away = {root for one in self.places for root in one.roots}
        return [root for root in self.catalog.roots if root not in away]

    @property
    def troubles(self) -> list[str]:
        """What is wrong with the roots, and which files are left out, a line each."""
        left_out = [
            f"{safe_text(run.id)} {safe_text(run.problem, _LONGEST_LINE)}; it is left out"
            for run in self.unreadable
        ]
        return [*(safe_text(notice, _LONGEST_LINE) for notice in self.notices), *left_out]

    def portions(self, run_id: str, rows: int) -> Iterator[History]:
        """All records of a run in portions of about so many; see :meth:`Run.portions`."""
        return self.catalog.reader(run_id).portions(rows)

    def sample(self, run_id: str, points: int) -> History:
        """About so many records of a run, from all over it."""
        return self.catalog.reader(run_id).sample(points)

    def _history(self, run_id: str) -> History:
        return self.catalog.reader(run_id).history()


def open_runs(*roots: str | os.PathLike[str]) -> Runs:
    """The runs below some roots, or of some files, the newest first.

    A root is a directory, or a place elsewhere: ``ssh://gpu07/runs``, ``s3://lab/runs``, or
    those of a name in the settings file: ``@lab``. Without roots, ``$TRAINTOP_DIR``, else
    ``experiment_logs``. Only the two ends of files are read.
    A file that cannot be read is left out; the logger ``traintop`` says why.
    """
    opened = OpenedRuns(roots or [default_root()])
    for trouble in opened.troubles:
        log.warning("traintop: %s", trouble)
    return opened.runs


def _begins_with(run: Run, reference: str) -> bool:
    known = (run.name, run.summary.stem, PurePath(run.id).name, run.id)
    return any(name.startswith(reference) for name in known)
