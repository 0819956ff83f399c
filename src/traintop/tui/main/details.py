"""Everything known about one run, as sections of labelled values, laid out in columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from traintop.analysis.differences import DEFAULT, PROCESS_FACTS, settings_with_asides
from traintop.analysis.system_text import system_lines
from traintop.field import Field
from traintop.fields import best_text, field_of
from traintop.lines import EMPTY_LINE, Line, Piece, Role, beside, fit_line, line_width, spread
from traintop.metrics import (
    PACE,
    best_value,
    last_value,
    mean_value,
    metrics_of,
    stats_of,
    value_in_last_record,
)
from traintop.model import ALIVE, STANDARD_METRICS, RunStatus, RunSummary
from traintop.progress import eta_seconds, progress, stall_text
from traintop.run_ids import folder_of
from traintop.store.snapshot import PlaceState
from traintop.text import (
    cell_width,
    counted,
    duration,
    file_size,
    fit,
    fit_middle,
    number,
    percentage,
    safe_text,
    setting_text,
    si,
    span,
    wrap,
)
from traintop.times import parse_time
from traintop.tui.kit.runs import LAST_KNOWN_MARK, STATUS_MARKS, short_run_name

if TYPE_CHECKING:
    from traintop.analysis.percentiles import Pace

_COLUMN_WIDTH = 32
_COLUMN_GAP = 2
_LONGEST_LABEL = 18
_NOTE_GAP = "  "
_LEAST_ERROR = 12
_LEAST_HEADER = 24  # cells of a name and its glyph, whatever else there is to say
_LONGEST_TEXT = 4000

_FIGURE_WIDTH = 9
_MACHINE_ORDER = ("host", "gpus", "git_commit", "command", "directory", "user", "pid", "python")
_ALONE: Mapping[str, object] = {"rank": 0, "world_size": 1}
"""What goes without saying of a run in one process."""

_COMMIT_DIGITS = 10

_PACE_LABELS = ("median", "p5", "p95")


class Entry(msgspec.Struct, frozen=True):
    """A labelled value; the ``aside`` is what is also worth knowing of it, in a quiet colour."""

    label: str
    value: str
    aside: str = ""


class Section(msgspec.Struct, frozen=True):
    """Labelled values under one heading."""

    title: str
    entries: tuple[Entry, ...]


def header_line(
    summary: RunSummary | None,
    note: str,
    width: int,
    charts: Sequence[str] = (),
    short_name: Callable[[RunSummary, int], str] = short_run_name,
    state: PlaceState | None = None,
) -> Line:
    """One line on the selected run: status, name, progress, time left, and a note.

    At the right end is what there is to say of the ``charts`` below, as far as there is room.
    Progress and time give way to it, and the end of a long name: the list has them too. The
    beginning of the error that ended the run is in between. Of a run in a place in some ``state``,
    which does not answer, it is said how old all that is.
    """
    if summary is None:
        return EMPTY_LINE
    is_sure = state is None or summary.status not in ALIVE
    mark = STATUS_MARKS[summary.status] if is_sure else LAST_KNOWN_MARK
    glyph = Piece(f" {mark.glyph} ", mark.role)
    facts = _facts_of(summary) if is_sure else []
    if state is not None:
        facts = [_last_known(state), *facts]
    least = cell_width(glyph.text) + cell_width(short_name(summary, _LEAST_HEADER))
    least = min(least, _LEAST_HEADER)

    def tail_with(kept: int) -> Line:
        return (
            Piece(f"  {summary.status}{'' if is_sure else '?'}", mark.role),
            *(Piece(f"  {fact}") for fact in facts[:kept]),
            *((Piece(f"  {note}", "muted"),) if note else ()),
        )

    words, tail = next(
        (
            (words, tail_with(kept))
            for words in _ever_fewer(charts)
            for kept in range(len(facts), -1, -1)
            if least + line_width(tail_with(kept)) + cell_width(words) < width
        ),
        ("", tail_with(len(facts))),
    )
    room = max(width - line_width(tail) - cell_width(words) - 1, least) - cell_width(glyph.text)
    name = Piece(short_name(summary, room), "strong", bold=True)
    line = fit_line((glyph, name, *tail), width)
    left = width - line_width(line) - cell_width(words) - len(_NOTE_GAP) - 1
    if summary.error and left >= _LEAST_ERROR:
        line = (*line, Piece(f"{_NOTE_GAP}{fit(safe_text(summary.error), left).rstrip()}", "bad"))
    return spread(line, (Piece(words, "accent"),), width) if words else line


def _facts_of(summary: RunSummary) -> list[str]:
    facts: list[str] = []
    if summary.status is RunStatus.STALLED:
        facts.append(stall_text(summary))
    share, left = progress(summary), eta_seconds(summary)
    if share is not None:
        facts.append(percentage(share))
    if left is not None:
        facts.append(f"{duration(left)} left")
    elif summary.duration_seconds is not None:
        took = duration(summary.duration_seconds)
        facts.append(f"{took} so far" if summary.status in ALIVE else f"took {took}")
    return facts


def _ever_fewer(notes: Sequence[str]) -> Iterator[str]:
    """All notes in one text, then the first ones of them, then none."""
    for count in range(len(notes), 0, -1):
        yield f" {_NOTE_GAP.join(notes[:count])} "
    yield ""


def sections_of(
    summary: RunSummary, pace: Pace | None = None, *, complete: bool = False
) -> tuple[Section, ...]:
    """What is known of a run, what matters most first; empty sections are left out.

    ``pace`` is that of its records as far as they are read, a sample unless ``complete``.
    """
    if summary.status is RunStatus.UNREADABLE:
        return (_file_section(summary),)
    candidates = (
        Section("Results", tuple(_results(summary))),
        _throughput(summary, pace, complete=complete),
        _system(summary),
        Section("Time", tuple(_times(summary))),
        Section("Settings", tuple(_settings(summary))),
        Section("Machine", tuple(_machine(summary))),
        _file_section(summary),
    )
    return tuple(section for section in candidates if section.entries)


def detail_lines(
    summary: RunSummary | None,
    width: int,
    pace: Pace | None = None,
    *,
    complete: bool = False,
    state: PlaceState | None = None,
) -> tuple[Line, ...]:
    """The sections of a run in as many columns as ``width`` holds, with its texts above them.

    ``pace`` is as for :func:`sections_of`, and ``state`` as for :func:`header_line`.
    """
    if summary is None or width < 4:
        return ()
    inner = width - 2
    texts = [
        line
        for title, text, role in _texts(summary, state)
        for line in (
            _title(title),
            *((Piece(part, role),) for part in wrap(text, inner)),
            EMPTY_LINE,
        )
    ]
    columns = max(1, min(3, (inner + _COLUMN_GAP) // (_COLUMN_WIDTH + _COLUMN_GAP)))
    column_width = (inner - _COLUMN_GAP * (columns - 1)) // columns
    sections = sections_of(summary, pace, complete=complete)
    stacks = _balanced([_section_lines(s, column_width) for s in sections], columns)
    widths = [column_width + _COLUMN_GAP] * (columns - 1) + [column_width]
    lines = [*texts, *beside(stacks, widths)]
    while lines and not line_width(lines[-1]):
        lines.pop()
    return tuple((Piece(" "), *line) for line in lines)


def _last_known(state: PlaceState) -> str:
    return f"last known, {span(state.seconds)} ago" if state.seconds else "last known"


def _texts(summary: RunSummary, state: PlaceState | None) -> Iterable[tuple[str, str, Role]]:
    def clean(text: str) -> str:
        return safe_text(text, limit=_LONGEST_TEXT)

    if state is not None:
        yield _last_known(state).capitalize(), clean(state.text), "warn"
    elif summary.status is RunStatus.STALLED:
        yield "Stalled", stall_text(summary), "warn"
    if summary.problem:
        yield "Cannot be read", clean(summary.problem), "bad"
    if summary.error:
        yield "Error", clean(summary.error), "bad"
    if summary.notes:
        yield "Notes", clean(summary.notes), "text"
    added = summary.annotations
    if added.note:
        yield f"Note beside the run{_signature(summary)}", clean(added.note), "text"
    if added.tags or added.archived:
        words = [f"#{clean(tag)}" for tag in added.tags] + ["archived"] * added.archived
        yield f"Tags{'' if added.note else _signature(summary)}", "  ".join(words), "accent"


def _signature(summary: RunSummary) -> str:
    """Who annotated a run last, and when."""
    author, time = summary.annotations.author, parse_time(summary.annotations.time)
    by = f" by {safe_text(author)}" if author else ""
    return f"{by}, {time:%Y-%m-%d %H:%M}" if time is not None else by


def _results(summary: RunSummary) -> Iterable[Entry]:
    for metric in dict.fromkeys((*STANDARD_METRICS, *metrics_of([summary]))):
        last, stats, field = (
            last_value(summary, metric),
            stats_of(summary, metric),
            field_of(metric),
        )
        if last is None:
            continue
        text = field.text(last, _FIGURE_WIDTH)
        # Where that was is known if the last record has it.
        if not math.isfinite(last) and value_in_last_record(summary, metric) is not None:
            text += f" @{si(summary.iteration)}"
        yield Entry(field.words, text, _aside(field, summary))
        if stats is not None and stats.nonfinite:
            yield Entry("", f"{stats.nonfinite:,} × NaN or inf")
    for field in map(field_of, ("final_train_loss", "final_val_loss")):
        final = field.value(summary)
        if final is not None:
            yield Entry(field.words, field.text(final, _FIGURE_WIDTH))


def _aside(field: Field, summary: RunSummary) -> str:
    """The best of a metric and where it was, or the mean of one that is a pace or has no best."""
    metric = field.metric or field.name
    if metric not in PACE and best_value(summary, metric) is not None:
        return f"best {best_text(summary, metric, lambda best: field.text(best, _FIGURE_WIDTH))}"
    mean = None if metric == "learning_rate" else mean_value(summary, metric)
    return "" if mean is None else f"mean {field.text(mean, _FIGURE_WIDTH)}"


def _throughput(summary: RunSummary, pace: Pace | None, *, complete: bool) -> Section:
    """Tokens per second and the time of a step: over all records when they are read."""
    if pace is None:
        means = [mean_value(summary, metric) for metric in PACE]
        title = "Throughput · more once records are read"
        return Section(title, tuple(_pace("mean", *means)))
    entries = (
        entry
        for label, per_second, milliseconds in zip(_PACE_LABELS, *pace, strict=True)
        for entry in _pace(label, per_second, milliseconds)
    )
    return Section("Throughput" if complete else "Throughput · from a sample", tuple(entries))


def _pace(label: str, tokens: float | None, milliseconds: float | None) -> Iterable[Entry]:
    parts = ["" if tokens is None else f"{si(tokens)} tok/s"]
    parts.append("" if milliseconds is None else f"{number(milliseconds, 3)} ms")
    known = [part for part in parts if part]
    if known:
        yield Entry(label, known[0], "".join(known[1:]))


def _system(summary: RunSummary) -> Section:
    title = "System" if summary.status in ALIVE else "System · means"
    return Section(title, tuple(Entry(*line) for line in system_lines(summary)))


def _times(summary: RunSummary) -> Iterable[Entry]:
    started, ended = parse_time(summary.start_time), parse_time(summary.end_time)
    updated = parse_time(summary.updated_at)
    if started is not None:
        yield Entry("started", f"{started:%Y-%m-%d %H:%M:%S}")
    if ended is not None:
        yield Entry("ended", f"{ended:%Y-%m-%d %H:%M:%S}")
    elif updated is not None and summary.status is not RunStatus.RUNNING:
        yield Entry("last sign", f"{updated:%Y-%m-%d %H:%M:%S}")
    if summary.duration_seconds is not None:
        yield Entry("duration", duration(summary.duration_seconds))
    if summary.iterations_per_second:
        yield Entry("pace", f"{si(summary.iterations_per_second)} it/s")
    left = eta_seconds(summary)
    if left is not None:
        yield Entry("time left", duration(left))
    if summary.gradient_step:
        yield Entry("grad steps", f"{summary.gradient_step:,}")
    if summary.count is not None:
        yield Entry("records", f"{summary.count:,}")


def _settings(summary: RunSummary) -> Iterable[Entry]:
    for name, value, aside in settings_with_asides(summary):
        text = setting_text(value, _LONGEST_TEXT)
        if aside == DEFAULT:  # all of it is quiet
            yield Entry(safe_text(name), "", f"{text} ({DEFAULT})")
        else:
            yield Entry(safe_text(name), text, aside)


def _machine(summary: RunSummary) -> Iterable[Entry]:
    known = summary.environment
    first = [name for name in _MACHINE_ORDER if name in known]
    further = [name for name in known if name not in _MACHINE_ORDER and name not in PROCESS_FACTS]
    for name in [*first, *further]:
        value = known[name]
        if value in (None, "", [], {}) or (name in _ALONE and value == _ALONE[name]):
            continue
        if name == "git_commit":
            dirty = known.get("git_dirty")
            state = "with changes" if dirty is True else "clean" if dirty is False else ""
            yield Entry("git commit", safe_text(value)[:_COMMIT_DIGITS], state)
        else:
            yield Entry(safe_text(str(name).replace("_", " ")), _machine_text(value))


def _machine_text(value: object) -> str:
    """A value, or several after one another; those that are alike are counted."""
    if not isinstance(value, list):
        return setting_text(value, _LONGEST_TEXT)
    counts = Counter(setting_text(one, _LONGEST_TEXT) for one in value)
    return ", ".join(f"{count} × {text}" if count > 1 else text for text, count in counts.items())


def _file_section(summary: RunSummary) -> Section:
    entries = [
        Entry("run", safe_text(summary.stem, limit=_LONGEST_TEXT)),
        Entry("in", safe_text(folder_of(summary.id), limit=_LONGEST_TEXT)),
    ]
    if summary.file_size:
        entries.append(Entry("size", file_size(summary.file_size)))
    if summary.left_out:
        names = ", ".join(safe_text(name) for name in summary.left_out)
        entries.append(Entry("left out", names, "metrics: there were too many"))
    if summary.damaged:
        entries.append(Entry("damaged", counted(summary.damaged, "line"), "skipped"))
    return Section("File", tuple(entries))


def _section_lines(section: Section, width: int) -> list[Line]:
    widest = max((cell_width(entry.label) for entry in section.entries), default=0)
    label_width = min(widest, _LONGEST_LABEL, width // 2)
    lines = [fit_line(_title(section.title), width)]
    for entry in section.entries:
        lines += _entry_lines(entry, label_width, width)
    return [*lines, EMPTY_LINE]


def _entry_lines(entry: Entry, label_width: int, width: int) -> Iterable[Line]:
    """The entry on one line where it fits, else with its value on as many as that takes."""
    label = fit(fit_middle(entry.label, label_width), label_width)
    room = max(width - label_width - _COLUMN_GAP, 1)
    parts: list[Line] = [(Piece(text),) for text in wrap(entry.value, room) or [""]]
    if entry.aside:
        aside = Piece(f"  {entry.aside}" if entry.value else entry.aside, "muted")
        if line_width(parts[-1]) + cell_width(aside.text) <= room:
            parts[-1] = (*parts[-1], aside)
        else:
            parts += [(Piece(text, "muted"),) for text in wrap(entry.aside, room)]
    for place, part in enumerate(parts):
        shown = label if place == 0 else " " * label_width
        yield fit_line((Piece(shown, "muted"), Piece(" " * _COLUMN_GAP), *part), width)


def _title(text: str) -> Line:
    return (Piece(text, "accent"),)


def _balanced(blocks: list[list[Line]], columns: int) -> list[list[Line]]:
    """The blocks in reading order, each in the column that is shortest so far."""
    stacks: list[list[Line]] = [[] for _ in range(columns)]
    for block in blocks:
        min(stacks, key=len).extend(block)
    return stacks
