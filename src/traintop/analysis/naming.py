"""One name for each run, though experiments share theirs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import count
from pathlib import PurePath

from traintop.model import RunSummary
from traintop.text import ELLIPSIS
from traintop.times import posix_time

_STAMP = re.compile(r"_(\d{8}_\d{6}(?:_\d+)?)$")


def unique_names(runs: Iterable[RunSummary]) -> dict[str, str]:
    """A name for each run by its id, the newest run first.

    The newest run of an experiment has the experiment's plain name; an older one has the time of
    its start behind it, as its file does: ``baseline@20250222_140530``.
    """
    newest_first = sorted(
        runs, key=lambda run: (posix_time(run.start_time) or 0.0, run.id), reverse=True
    )
    plain = {run.title: run.id for run in reversed(newest_first)}
    taken = set(plain)
    names = {}
    for run in newest_first:
        name = run.title
        if plain[name] != run.id:
            name = free_name(f"{name}@{_stamp(run)}", taken)  # copies of a file have one time
            taken.add(name)
        names[run.id] = name
    return names


def _stamp(run: RunSummary) -> str:
    in_file_name = _STAMP.search(run.stem)
    if in_file_name:
        return in_file_name[1]
    digits = re.sub(r"\D", "", run.start_time or "")[:14]
    return f"{digits[:8]}_{digits[8:]}" if len(digits) == 14 else run.stem


def free_name(name: str, taken: Collection[str], suffix: str = "_{}") -> str:
    """The name itself, or with the first number behind it that makes it different from others."""
    candidates = (name if number == 1 else name + suffix.format(number) for number in count(1))
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
        if by_id is None and name in (PurePath(run_id).stem, PurePath(run_id).name):
            by_id = run_id
    return by_id or _find_shortened(name, names)


def _find_shortened(name: str, names: Mapping[str, str]) -> str | None:
    if ELLIPSIS not in name and "@" not in name:
        return None
    whole = re.escape(name).replace(ELLIPSIS, ".*").replace("@", "@(?:.*_)?")
    fitting = [run_id for run_id, known in names.items() if re.fullmatch(whole, known)]
    return fitting[0] if len(fitting) == 1 else None
