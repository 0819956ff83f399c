"""EXPERIMENT_LOG.md: the lab notebook, in which runs fill the tables and people write the rest.

Generated text is between two comments, and only there is anything ever replaced::

    <!-- traintop:begin results experiment baseline -->
    …
    <!-- traintop:end results experiment baseline -->

An experiment that no comment names gets a new section at the end. All else stays as it is, byte for
byte: what people wrote, their headings and their order, and the sections of removed runs.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from traintop.analysis.differences import differing_settings
from traintop.analysis.export import replacing_file
from traintop.analysis.report_tables import configuration_block, overview_block, results_block
from traintop.metrics import choose_directions_for
from traintop.model import RunStatus, RunSummary
from traintop.mounts import answer
from traintop.progress import start_order
from traintop.run_ids import is_remote
from traintop.store.catalog import RunCatalog
from traintop.tables import code_span

DEFAULT_NOTEBOOK = Path("EXPERIMENT_LOG.md")

_MARKER = re.compile(
    r"^<!-- traintop:(?:begin|end) [a-z]+ ([a-z]+ \S+) -->[ \t]*\r?$", re.MULTILINE
)
# A beginning without its end, up to the next comment of ours, is no block: what stands between may
# be a person's.
_BLOCK = re.compile(
    r"^<!-- traintop:begin ([a-z]+) ([a-z]+ \S+) -->[ \t]*\r?\n"
    r"(?:(?!<!-- traintop:(?:begin|end) [a-z]+ [a-z]+ \S+ -->[ \t]*\r?$).*\n)*"
    r"<!-- traintop:end \1 \2 -->[ \t]*(?=\r?$)",
    re.MULTILINE,
)
_NUMBER = re.compile(r"(?<![\d.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\d.])", re.IGNORECASE)
_MOST_VARIED_SETTINGS = 3

_TITLE = """\
# Experiment log

`traintop report` rewrites the tables between the `traintop` comments, and nothing else: write
whatever you like around them.
"""
_PROMPTS = {
    "Hypothesis": "What do you expect, and why?",
    "Observations": "What happened? What surprised you?",
    "Next steps": "What comes next, and what would settle it?",
}

_OVERVIEW = "log all"
"""What the comments around the overview say it is about."""


def _key(scope: str, name: str) -> str:
    """What a comment says of the experiment or sweep that its block is about."""
    # Without blanks, and without what could end the comment.
    escaped = quote(name, safe="", errors="surrogatepass").replace("--", "%2D%2D")
    return f"{scope} {escaped}"


@dataclass(frozen=True, slots=True)
class _Section:
    """Runs that share a section, the newest first."""

    key: str
    title: str
    runs: tuple[RunSummary, ...]

    @property
    def started(self) -> float:
        """When the first of them started, in seconds since 1970."""
        return min(map(start_order, self.runs))[0]


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What ``write_report`` did. ``notices`` name what could not be read."""

    path: Path
    changed: bool
    notices: tuple[str, ...]


def write_report(log_dir: str | os.PathLike[str], output: Path = DEFAULT_NOTEBOOK) -> ReportResult:
    """Update a notebook from the runs below a root, or create it.

    The file is replaced at once, and only when something changed. Raises ``FileNotFoundError``
    when there is no such log directory, ``ValueError`` when the notebook is not UTF-8 text, and
    ``OSError``, as when the root does not answer.
    """
    root = os.fspath(log_dir)
    if not (is_remote(root) or answer(root, os.path.isdir, True)):
        if os.path.exists(root):
            raise NotADirectoryError(
                f"{root!r} is not a directory: name the one that holds the runs"
            )
        raise FileNotFoundError(f"there is no directory {root!r}")
    try:
        # Reading a pipe, as /dev/stdout may be, would wait forever.
        before = output.read_bytes().decode("utf-8") if output.is_file() else ""
    except UnicodeDecodeError:
        raise ValueError(f"{str(output)!r} is not UTF-8 text, and was not changed") from None
    choose_directions_for([root])
    snapshot = RunCatalog([root]).refresh()
    if snapshot.places:
        raise OSError(f"{snapshot.places[0].trouble}; {output} was not changed")
    after = update_report(before, snapshot.runs)
    if after != before:
        with replacing_file(output) as file:
            file.write(after)
    unreadable = [run for run in snapshot.runs if run.status is RunStatus.UNREADABLE]
    notices = (*snapshot.troubles, *(f"{run.id} {run.problem}" for run in unreadable))
    return ReportResult(output, after != before, notices)


def update_report(document: str, runs: Iterable[RunSummary]) -> str:
    """The notebook with its generated blocks brought up to date, and new runs added at its end.

    Doing it twice changes nothing more.
    """
    readable = [run for run in runs if run.status is not RunStatus.UNREADABLE]
    newest_first = sorted(readable, key=start_order, reverse=True)
    newline = "\r\n" if "\r\n" in document else "\n"
    known = set(_MARKER.findall(document))
    sections = _sections(newest_first, known)

    def written_anew(block: re.Match[str]) -> str:
        kind, key = block.groups()
        found = _runs_of(kind, key, sections, newest_first)
        return newline.join(_block(kind, key, found)) if found else block[0]

    updated = _BLOCK.sub(written_anew, document)
    added: list[str] = []
    if not document.strip():
        added = _TITLE.splitlines()
    if not known:
        added += ["", "## Overview", "", *_block("overview", _OVERVIEW, newest_first)]
    for section in sorted(sections.values(), key=lambda section: section.started):
        if section.key not in known:
            added += ["", *_new_section(section)]
    if not added:
        return updated
    if updated and not updated.endswith(("\n", "\r")):
        updated += newline
    return updated + "".join(line + newline for line in added)


# ---------------------------------------------------------------------------------- sections


def _sections(newest_first: Sequence[RunSummary], known: set[str]) -> dict[str, _Section]:
    """Every section that these runs fill: the ones that are there, and those to be added."""
    experiments: defaultdict[str, list[RunSummary]] = defaultdict(list)
    for run in newest_first:
        experiments[run.title].append(run)
    sweeps: defaultdict[str, list[str]] = defaultdict(list)
    for name in experiments:
        if (pattern := _NUMBER.sub("#", name)) != name:
            sweeps[pattern].append(name)
    sections = {}
    swept = set()
    for pattern, names in sweeps.items():
        key = _key("sweep", pattern)
        if key in known or _is_sweep([experiments[name][0] for name in names]):
            swept.update(names)
            wanted = frozenset(names)
            members = tuple(run for run in newest_first if run.title in wanted)
            title = f"Sweep {code_span(pattern.replace('#', '*'))}"
            sections[key] = _Section(key, title, members)
    for name, runs in experiments.items():
        key = _key("experiment", name)
        # A section that is there stays, though the experiment turned out to be part of a sweep.
        if key in known or name not in swept:
            sections[key] = _Section(key, code_span(name), tuple(runs))
    return sections


def _is_sweep(runs: Sequence[RunSummary]) -> bool:
    """Whether experiments that are named alike, up to numbers, also differ in little only."""
    return len(runs) > 1 and len(differing_settings(runs)) <= _MOST_VARIED_SETTINGS


def _new_section(section: _Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield from _prompt("Hypothesis")
    for title in ("Configuration", "Results"):
        yield from ("", f"### {title}", "", *_block(title.lower(), section.key, section.runs))
    yield from _prompt("Observations")
    yield from _prompt("Next steps")


def _prompt(title: str) -> tuple[str, ...]:
    return ("", f"### {title}", "", f"*{_PROMPTS[title]}*")


# ---------------------------------------------------------------------------------- blocks


_CONTENT = {
    "overview": overview_block,
    "configuration": configuration_block,
    "results": results_block,
}


def _block(kind: str, key: str, runs: Sequence[RunSummary]) -> list[str]:
    """The lines of a generated block, with the comments around it."""
    about = f"{kind} {key} -->"
    content = _CONTENT[kind](runs)
    return [f"<!-- traintop:begin {about}", "", *content, "", f"<!-- traintop:end {about}"]


def _runs_of(
    kind: str, key: str, sections: dict[str, _Section], newest_first: Sequence[RunSummary]
) -> Sequence[RunSummary]:
    """The runs that fill a block; none for a block that is not ours to write, or has no more."""
    if (kind == "overview") != (key == _OVERVIEW) or kind not in _CONTENT:
        return ()
    if key == _OVERVIEW:
        return newest_first
    return sections[key].runs if key in sections else ()
