"""The listed runs: their order and groups, the line of each, and names that tell them apart."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate

from traintop.analysis.naming import unique_names
from traintop.analysis.ranking import RunGroup
from traintop.model import ALIVE, RunSummary
from traintop.progress import eta_seconds
from traintop.run_columns import column, names_of
from traintop.short_names import ShortNames, short_names
from traintop.system_metrics import of_single_gpu
from traintop.text import LONGEST_NAME, safe_text
from traintop.tui.columns import GPU_COLUMN
from traintop.tui.kit.runs import run_name


class RunRows:
    """The runs in the order in which they are listed, with the place of each.

    ``hidden`` are the runs that the filter keeps from the list; their marks stay. With ``groups``,
    which are all the runs in their order, a heading stands on the line above each.
    """

    def __init__(
        self,
        runs: Sequence[RunSummary] = (),
        hidden: Sequence[RunSummary] = (),
        groups: Sequence[RunGroup] = (),
    ) -> None:
        self.runs = tuple(runs)
        self.groups = tuple(groups)
        counts = (len(group.runs) for group in self.groups[:-1])
        self._starts = [*accumulate(counts, initial=0)] if self.groups else []
        self._headings = [start + place for place, start in enumerate(self._starts)]
        self._positions = {run.id: position for position, run in enumerate(self.runs)}
        self._hidden = {run.id: run for run in hidden}

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def total(self) -> int:
        """The number of runs there are, listed or not."""
        return len(self.runs) + len(self._hidden)

    @property
    def everything(self) -> tuple[RunSummary, ...]:
        """All runs there are, the listed ones first."""
        return (*self.runs, *self._hidden.values())

    def name(self, run: RunSummary) -> str:
        """The name of a run as it is drawn: older runs of one experiment have their time in it."""
        return safe_text(self._shared_names.get(run.id) or run_name(run), LONGEST_NAME)

    def short_name(self, run: RunSummary, width: int) -> str:
        """The name of a run in ``width`` cells, different from those of the other listed runs."""
        return self._short_names.fit(self.name(run), width)

    @property
    def name_width(self) -> int:
        """The cells in which the listed names have all words in which they differ."""
        return self._short_names.distinct_width

    @cached_property
    def _shared_names(self) -> Mapping[str, str]:
        """The names of runs that are not the only one of their experiment."""
        titles = self._titles
        counts = Counter(titles)
        if len(counts) == len(titles):
            return {}
        named = zip(self.everything, titles, strict=True)
        return unique_names([run for run, title in named if counts[title] > 1])

    @cached_property
    def _titles(self) -> tuple[str, ...]:
        return tuple(column(self.everything, "title", lambda run: run.title))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the listed runs, as they are in the files."""
        return _once(frozenset((*self._titles[: len(self.runs)], *self._shared_names.values())))

    @cached_property
    def _short_names(self) -> ShortNames:
        return short_names(self.names, frozenset(self._titles[len(self.runs) :]))

    @cached_property
    def any_eta(self) -> bool:
        """Whether of some listed run it is known how long it will take."""
        return any(run.status in ALIVE and eta_seconds(run) is not None for run in self.runs)

    @cached_property
    def any_gpu(self) -> bool:
        """Whether of some listed run it is known how busy its GPUs are."""
        names = {GPU_COLUMN, of_single_gpu(GPU_COLUMN)}
        return any(not names.isdisjoint(of_run.stats) for of_run in names_of(self.runs))

    @property
    def lines(self) -> int:
        """The lines of the list, those of headings too."""
        return len(self.runs) + len(self.groups)

    def line(self, position: int) -> int:
        """The line of the run in a row."""
        return position + bisect_right(self._starts, position)

    def at_line(self, line: int) -> RunSummary | RunGroup | None:
        """The run on a line, or the group whose heading is there; ``None`` below the last."""
        place = bisect_right(self._headings, line) - 1
        if place >= 0 and self._headings[place] == line:
            return self.groups[place]
        return self.runs[line - place - 1] if 0 <= line < self.lines else None

    def position(self, run_id: str | None) -> int | None:
        """The row of a run, ``None`` when it is not listed."""
        return None if run_id is None else self._positions.get(run_id)

    def run(self, run_id: str | None) -> RunSummary | None:
        """The summary of a run, listed or hidden; ``None`` when there is no such run."""
        if run_id is None:
            return None
        position = self._positions.get(run_id)
        return self._hidden.get(run_id) if position is None else self.runs[position]


@lru_cache(maxsize=1)
def _once(names: frozenset[str]) -> frozenset[str]:
    """The same object for the same names, which may be very many."""
    return names
