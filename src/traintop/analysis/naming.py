"""One name for each run, though experiments share theirs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from pathlib import PurePath

from traintop.model import RunSummary
from traintop.progress import start_order
from traintop.run_ids import place_name, stem_of
from traintop.text import ELLIPSIS
from traintop.times import parse_time

_STAMP = re.compile(r"_(\d{8}_\d{6})((?:_\d+)?)$")


def unique_names(runs: Iterable[RunSummary]) -> dict[str, str]:
    """A name for each run by its id, the newest run first.

    The newest run of an experiment has the experiment's plain name; an older one has the time of
    its start behind it, in your own time zone: ``baseline@20250222_140530``. The newest one in
    another place has the name of that: ``baseline@gpu07``.
    """
    newest_first = sorted(runs, key=start_order, reverse=True)
    plain = {run.title: run.id for run in reversed(newest_first)}
    taken = set(plain)
    names = {}
    asked: Counter[str] = Counter()
    for run in newest_first:
        name = run.title
        if plain[name] != run.id:
            where, where_plain = place_name(run.id), place_name(plain[name])
            of_place = f"{name}@{where}"
            if not where or where == where_plain or of_place in taken:
                name = f"{name}@{_stamp(run)}"
                asked[name] += 1  # copies of a file have one time: as many names are taken
                name = free_name(name, taken, first=asked[name])
            else:
                name = of_place
            taken.add(name)
        names[run.id] = name
    return names


def _stamp(run: RunSummary) -> str:
    """The time of its start, in this process's zone as everywhere, with the count of its file."""
    in_file_name, started = _STAMP.search(run.stem), parse_time(run.start_time)
    if started is not None:
        return f"{started:%Y%m%d_%H%M%S}{in_file_name[2] if in_file_name else ''}"
    return in_file_name[0][1:] if in_file_name else run.stem


def free_name(name: str, taken: Collection[str], suffix: str = "_{}", first: int = 1) -> str:
    """The name itself, or with the first number behind it that makes it different from others.

    Numbers below ``first`` are known to be taken, 1 being the name itself.
    """
    candidates = (name if number == 1 else name + suffix.format(number) for number in count(first))
    return next(candidate for candidate in candidates if candidate not in taken)


def find_run(name: str, names: Mapping[str, str]) -> str | None:
    """The id of the run that is meant by its unique name, its run id, or its file name.

    A name as a table has shortened it, ``…lr3e-4…seed1`` or ``base…line@140530``, is understood
    where it fits one run only.
    """
    by_id: str | None = None
    for run_id, known in names.items():
        if known == name:
            return run_id
        if by_id is None and name in (stem_of(run_id), PurePath(run_id).name):
            by_id = run_id
    return by_id or _find_shortened(name, names)


def _find_shortened(name: str, names: Mapping[str, str]) -> str | None:
    if ELLIPSIS not in name and "@" not in name:
        return None
    whole = re.escape(name).replace(ELLIPSIS, ".*").replace("@", "@(?:.*_)?")
    fitting = [run_id for run_id, known in names.items() if re.fullmatch(whole, known)]
    return fitting[0] if len(fitting) == 1 else None
