"""Roots and runs as the arguments and options of commands: the same ones on all of them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from traintop.commands.output import (
    LONGEST_LINE,
    fail_at_the_end,
    failure,
    unreadable_lines,
    warn,
)
from traintop.mounts import answer
from traintop.run_ids import is_below, is_named_like_a_file, is_remote, parts_of, root_of
from traintop.text import counted, safe_text
from traintop.tracking.environment import DEFAULT_LOG_DIR, default_root

if TYPE_CHECKING:
    from traintop.analysis.run import Run
    from traintop.analysis.runs import OpenedRuns, Runs

_Command = TypeVar("_Command", bound=Callable[..., Any])

_MOST_COMPLETIONS = 100
_EXPANDED = frozenset("$`")  # by a shell, in double quotes, too

MOST_RUNS = 8
"""Runs that are shown unless they are named: as many as there are colours for curves."""


class RootType(click.ParamType[str]):
    """A root, as an argument: a directory, the file of a run, or an address elsewhere.

    It need not exist or be readable: the catalog says so, and shows the others.
    """

    name = "root"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it was given; of a path, without what does not matter."""
        if is_remote(value) or value.startswith("@"):
            return value
        try:
            root_of(value)
        except ValueError as error:
            self.fail(safe_text(error, LONGEST_LINE), param, ctx)
        path = str(PurePath(value))
        return os.path.abspath(path) if path.startswith("@") else path  # ./@lab is a directory

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Files of this machine, and names of roots; no other machine is asked."""
        if incomplete.startswith("@"):
            from traintop.settings import load_settings, settings_path

            known = load_settings(settings_path())[0].roots
            return _completions((f"@{name}" for name in known), incomplete)
        return [] if is_remote(incomplete) else [CompletionItem(incomplete, type="file")]


def _force_format(ctx: click.Context, option: click.Parameter, name: str | None) -> None:
    if name is not None:
        from traintop.store.formats import force_format

        try:
            force_format(name)
        except ValueError as error:
            raise click.BadParameter(safe_text(error, LONGEST_LINE)) from None


def _names(ctx: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    return (*filter(None, (name.strip() for name in value.split(","))),)


def complete_runs(
    ctx: click.Context, argument: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of runs that begin so, for a shell."""
    from traintop.analysis.runs import BEST, LATEST

    return _completions((*_opened_for(ctx).runs.names.values(), LATEST, BEST), incomplete)


def complete_metrics(
    ctx: click.Context, argument: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of metrics that begin so, for a shell."""
    from traintop.metrics import metrics_of, system_metrics_of

    runs = _opened_for(ctx).runs.summaries
    return _completions((*metrics_of(runs), *system_metrics_of(runs)), incomplete)


def complete_fields(
    ctx: click.Context, option: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Fields, metrics and settings that begin so; of a list with commas, its last name."""
    from traintop.analysis.field_names import known_names

    before, comma, _ = incomplete.rpartition(",")
    names = known_names(_opened_for(ctx).runs.summaries)
    return _completions((before + comma + name for name in names), incomplete)


def _opened_for(ctx: click.Context) -> OpenedRuns:
    """What is in the directories that stand on an unfinished line; nothing elsewhere is asked."""
    from traintop.analysis.runs import OpenedRuns

    given = (*(ctx.params.get("roots") or ()), *(ctx.params.get("log_dirs") or ()))
    with contextlib.suppress(ValueError):
        return OpenedRuns(root for root in _given_or_default(given) if not is_remote(root))
    return OpenedRuns(())


def _completions(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    begun = (name for name in names if name.startswith(incomplete))
    harmless = (name for name in begun if name.isprintable() and _EXPANDED.isdisjoint(name))
    return [CompletionItem(name) for name in itertools.islice(harmless, _MOST_COMPLETIONS)]


format_option = click.option(
    "--format",
    metavar="NAME",
    expose_value=False,
    callback=_force_format,
    help="Read files in this format only: see `traintop formats`.",
)
filter_option = click.option(
    "-f",
    "--filter",
    "query",
    default="",
    metavar="QUERY",
    help="Only runs that match, as in the UI: 'val_loss < 3 and status == finished'.",
)
columns_option = click.option(
    "-c",
    "--columns",
    default="",
    metavar="NAMES",
    callback=_names,
    shell_complete=complete_fields,
    help="Columns instead of the usual ones, as 'status,val_loss,config.lr': see docs/fields.md.",
)
_root_arguments = click.argument("log_dirs", nargs=-1, type=RootType(), metavar="[ROOT]...")
_root_option = click.option(
    "-d",
    "--dir",
    "roots",
    multiple=True,
    type=RootType(),
    metavar="ROOT",
    help="Look in this directory, at ssh://host/path, or in all of @NAME; may be repeated.",
)


class _FormerName(click.Option):
    """A name that an option had before: it goes on to work, with a hint."""

    def __init__(self, names: Sequence[str], option: str, **attributes: Any) -> None:
        super().__init__(names, hidden=True, expose_value=False, **attributes)
        self._option = option

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """Give the value to the option as it is called now, which is processed later."""
        if (given := opts.get(str(self.name))) is not None and not ctx.resilient_parsing:
            warn(f"{self.opts[0]} is {self._option} now")
            cast("dict[str, Any]", opts).setdefault(_parameter_of(ctx, self._option), given)
        return super().handle_parse_result(ctx, opts, args)


def _parameter_of(ctx: click.Context, option: str) -> str:
    return next(str(each.name) for each in ctx.command.params if option in each.opts)


def former_name(name: str, option: str) -> Callable[[_Command], _Command]:
    """The name that an option had in earlier versions."""
    parameter = f"former_{name.strip('-').replace('-', '_')}"
    return click.option(name, parameter, cls=_FormerName, option=option)


def _length_of_time(ctx: click.Context, option: click.Parameter, given: str | None) -> float | None:
    from traintop.times import seconds_of

    try:
        return None if given is None else seconds_of(given)
    except ValueError as error:
        raise click.BadParameter(safe_text(error, LONGEST_LINE)) from None


def time_option(name: str, explanation: str) -> Callable[[_Command], _Command]:
    """An option whose value is a length of time: in seconds, ``None`` where it is not given."""
    return click.option(name, metavar="TIME", callback=_length_of_time, help=explanation)


def roots_as_arguments(command: _Command) -> Callable[..., Any]:
    """Roots as arguments or after -d, all as ``roots``; and the format of their files."""

    @functools.wraps(command)
    def with_roots(*, roots: Sequence[str], log_dirs: Sequence[str], **others: Any) -> Any:
        return command(roots=(*roots, *log_dirs), **others)

    return _root_option(_root_arguments(format_option(with_roots)))


def root_as_argument(command: _Command) -> Callable[..., Any]:
    """One root as the argument or after -d, as ``root``; the default one if there is none."""

    @functools.wraps(command)
    def with_root(*, roots: Sequence[str], log_dirs: Sequence[str], **others: Any) -> Any:
        given = given_or_default((*roots, *log_dirs) or [default_root()])
        if len(given) > 1:
            raise click.UsageError("give one directory at a time")
        return command(root=given[0], **others)

    return _root_option(_root_arguments(with_root))


def among_runs(command: _Command) -> _Command:
    """Options that say among which runs: ``roots``, ``query``, and the format."""
    return _root_option(filter_option(format_option(command)))


def runs_as_arguments(command: _Command) -> _Command:
    """Runs as arguments, the ``references``; and :func:`among_runs`."""
    arguments = click.argument(
        "references", nargs=-1, metavar="[RUN]...", shell_complete=complete_runs
    )
    return arguments(among_runs(command))


def given_or_default(roots: Sequence[str]) -> tuple[str, ...]:
    """The roots that were given; else that of our runs, or this directory where there is none.

    Raises ``UsageError`` for an address where no runs can be, and for an unknown name of roots.
    """
    try:
        chosen = _given_or_default(roots)
        if elsewhere := [root for root in chosen if is_remote(root_of(root))]:
            from traintop.store.catalog import RunCatalog

            RunCatalog(elsewhere)
    except ValueError as error:
        raise click.UsageError(safe_text(error, LONGEST_LINE)) from None
    return chosen


def _given_or_default(roots: Sequence[str]) -> tuple[str, ...]:
    from traintop.settings import expanded_roots

    default = default_root()
    if not roots and default == DEFAULT_LOG_DIR and not answer(default, os.path.exists, True):
        default = os.curdir
    return expanded_roots(roots or [default])


def opened_roots(roots: Sequence[str]) -> OpenedRuns:
    """What is found below the roots, or below the default ones."""
    from traintop.analysis.runs import OpenedRuns

    return OpenedRuns(given_or_default(roots))


def selected_runs(
    roots: Sequence[str],
    references: Sequence[str] = (),
    query: str = "",
    *,
    baseline: str | None = None,
    most: int | None = None,
) -> Runs:
    """The runs that are meant by references, or all that can be read, the newest first.

    A reference is that of a run (see ``Runs.find``), or the path of its file, or a directory, which
    means the runs below it. Of all these the query keeps the ones that match. Without references,
    they are the ``most`` newest, with a warning of the others. The baseline comes first, always.

    Raises ``ClickException`` for a reference that no run has, and when there are no runs.
    """
    from traintop.analysis.query_tokens import QueryError
    from traintop.analysis.runs import BEST, LATEST

    opened, references, paths = _opened(roots, references, baseline)
    warn(*opened.notices)
    if not references:
        warn(*(f"left out: {line}" for line in unreadable_lines(opened.unreadable)))
    if opened.notices and not (references and {*references, baseline}.isdisjoint((LATEST, BEST))):
        fail_at_the_end()  # of all runs, some could not be looked at
    if not opened.runs and not (references and opened.unreadable):
        answered = ", ".join(opened.answered)
        raise failure(f"no runs in {answered}" if answered else "nothing could be looked at")
    runs = opened.runs
    if references:
        runs = runs.select(run for one in references for run in _meant(one, paths, opened))
    try:
        # Of all runs, which have all names; named ones may be archived.
        kept = (opened.runs.filter if references else opened.runs.listed)(query).names
    except QueryError as error:
        raise click.UsageError(f"--filter: {safe_text(error, LONGEST_LINE)}") from None
    matching = runs.select(run for run in runs if run.id in kept)
    if not matching:
        raise failure(f"none of {counted(len(runs), 'run')} matches {query!r}")
    if not references and most is not None and len(matching) > most:
        older = len(matching) - most
        said = f"{counted(older, 'older run')} {'is' if older == 1 else 'are'} not shown"
        warn(f"{said}; name runs to choose which are")
        matching = matching[:most]
    if baseline is None:
        return matching
    return matching.select([*_meant(baseline, paths, opened), *matching])


def _opened(
    roots: Sequence[str], references: Sequence[str], baseline: str | None
) -> tuple[OpenedRuns, Sequence[str], dict[str, str]]:
    """What is looked at, the references to runs in it, and which of them are paths.

    One directory alone is a root, of which all runs are meant.
    """
    if not roots and len(references) > 1 and _is_directory_of(references[0], references[1]):
        warn(f"directories are named with -d now: -d {references[0]} {references[1]} …")
        roots, references = [references[0]], references[1:]
    opened = opened_roots(roots)
    named = [*references, *([] if baseline is None else [baseline])]
    paths = {one: root_of(one) for one in named if _is_path(one, opened)}
    if not paths:
        return opened, references, paths
    if not roots and len(references) == 1 and references[0] in paths and _is_root(references[0]):
        return opened_roots(references), (), paths
    all_are_paths = len(paths) == len(named) and not roots
    opened = opened_roots([*(() if all_are_paths else opened.roots), *paths.values()])
    return opened, references, paths


def _is_directory_of(first: str, second: str) -> bool:
    """Whether arguments are as they used to be, a directory and then the names of its runs."""
    return answer(first, os.path.isdir, False) and not answer(second, os.path.lexists, True)


def _is_root(path: str) -> bool:
    """Whether a path is no run but where runs are; of one elsewhere, its name says so."""
    by_name = not is_named_like_a_file(path)
    return by_name if is_remote(path) else answer(path, os.path.isdir, by_name)


def _is_path(reference: str, opened: OpenedRuns) -> bool:
    """Whether a reference is not the name of a run, but a path."""
    from traintop.analysis.naming import find_run

    if is_remote(reference):
        return True
    if find_run(reference, opened.runs.names) is not None:
        return False
    return answer(parts_of(reference)[0], os.path.lexists, True)


def _meant(reference: str, paths: dict[str, str], opened: OpenedRuns) -> Iterator[Run]:
    """The runs that a reference means."""
    from traintop.analysis.run import UnknownNameError

    if path := paths.get(reference):
        found = [run for run in opened.runs if is_below(run.id, path)]
        refused = [run for run in opened.unreadable if is_below(run.id, path)]
        if not found:
            raise failure(unreadable_lines(refused)[0] if refused else f"no runs in {path}")
        yield from found
        return
    try:
        yield opened.runs.find(reference)
    except UnknownNameError as error:
        refused = [
            run for run in opened.unreadable if reference in (run.stem, PurePath(run.id).name)
        ]
        raise failure(unreadable_lines(refused)[0] if refused else error) from None
