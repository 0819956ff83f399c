"""JSON of our schema by other programs: a training script's own ``json.dump``, or ``jq`` over ours.

It is one document, indented or not, and is read and decoded whole.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from traintop.logfile import (
    UNREADABLE,
    Head,
    Row,
    Tail,
    WrittenStatus,
    convert_usable,
    is_record,
)
from traintop.logfile.columns import Columns, column_decoder, columns_of_rows
from traintop.metrics import PACE
from traintop.model import EVAL_TRAIN_LOSS, RECORD_FIELDS, ExperimentConfig, RunSummary
from traintop.progress import COUNTED_BY, POSITIONS
from traintop.store.files import Entry, Files
from traintop.store.formats.traintop import is_run_name, summary_of
from traintop.text import counted, safe_text
from traintop.values import Number, as_number

if TYPE_CHECKING:
    from traintop.store.history import History

LARGEST_DOCUMENT = 32 * 1024 * 1024
"""Bytes of a document that is read: some 150,000 records. Decoding takes several times as much."""

LONGEST_MEMBERS = 4 * 1024 * 1024
"""Bytes of settings, notes and results, which stay in memory."""

SNIFFED = 64 * 1024
"""A document names one of its two main keys within this many bytes."""

_ONE_DOCUMENT = threading.Lock()
"""Several threads read; one document at a time is taken apart."""

_PLAIN = frozenset({int, float, bool, type(None)})
_LONGEST_NAME = 40
_MOST_NAMES = 3
"""Of what is not read so many are named."""

BARE_NAMES = re.compile(rb":\s*+(NaN|-?Infinity)")
"""Numbers that Python writes and no JSON has; most of them, for a string may have one too."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_RECORDS = "metrics_history"
_KEYS = (*Head.__struct_encode_fields__, *Tail.__struct_encode_fields__)
_DOCUMENT = msgspec.json.Decoder(
    msgspec.defstruct(
        "Document",
        [(key, msgspec.Raw, msgspec.Raw()) for key in (_RECORDS, *_KEYS)],
    )
)


class Document(NamedTuple):
    """What a document says."""

    head: Head
    tail: Tail  # its `count` and `last` are left to the records
    records: Columns
    unread: str = ""


class JsonDocumentFormat:
    """One JSON document a run."""

    name = "json"
    marks = '*.json with "config" and "metrics_history"'
    patterns = ("*.json",)
    heartbeat = False
    records_end = True
    owns_directories = False

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files by our name, and those of another that name both main keys, the first one early."""
        if is_run_name(entry.id):
            return entry.id
        data = start()
        early = data[:1024]
        named = b'"metrics_history"'
        return entry.id if named in early or (b'"config"' in early and named in data) else None

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """Each document is a run."""
        return run_id

    def summary(
        self, files: Files, entries: Sequence[Entry], known: RunSummary | None
    ) -> RunSummary:
        """What the document says, and what it lacks computed from its records."""
        from traintop.store.statistics import completed_tail

        (head, tail, _, unread), history = _read(files, entries[0])
        summary = summary_of(entries[0], head, completed_tail(tail, history))
        return msgspec.structs.replace(summary, problem=unread)

    def reader(self, files: Files, entries: Sequence[Entry]) -> _Reader:
        """A reader that reads the document again when it changed."""
        return _Reader(files, entries[0])


class _Reader:
    def __init__(self, files: Files, entry: Entry) -> None:
        self._files = files
        self._entry = entry
        self._history: History | None = None

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        if self._history is None:
            self._load(self._files.stat(self._entry.id))
        assert self._history is not None
        return self._history

    def follow(self) -> bool:
        before, entry = self._entry, self._files.stat(self._entry.id)
        if self._history is not None and entry[1:3] == before[1:3]:
            return False
        return self._load(entry)

    def sample(self, points: int) -> History:
        return self.history()

    def _load(self, entry: Entry) -> bool:
        history = _read(self._files, entry)[1]
        before, self._history, self._entry = self._history, history, entry
        return before is None or len(before) > 0 or len(history) > 0


def _read(files: Files, entry: Entry) -> tuple[Document, History]:
    """The document in a file. Raises ``ValueError`` with the reason."""
    start = files.read(entry.id, 0, SNIFFED)
    if not start:
        raise ValueError("is empty")
    if b'"metrics_history"' not in start and b'"config"' not in start and entry.size > len(start):
        raise ValueError(
            f'is not the log of a run: its first {SNIFFED // 1024} KiB name neither "config" nor '
            '"metrics_history"'
        )
    if entry.size > LARGEST_DOCUMENT:
        raise ValueError(
            f"is one JSON document of {entry.size / 1e6:.0f} MB; the limit is "
            f"{LARGEST_DOCUMENT / 1e6:.0f} MB"
        )
    from traintop.store.history import GrowingHistory

    growing = GrowingHistory()
    data = files.read(entry.id, 0, LARGEST_DOCUMENT)  # others may be looked at meanwhile
    with _ONE_DOCUMENT:
        document = parse_document(data)
        growing.extend(document.records)
    return document, growing.history()


def parse_document(data: bytes) -> Document:
    """Any JSON document of this schema, however it is indented, with bare NaN and Infinity.

    What is no record is left out, and said to be unread. Optional keys may be missing or of a wrong
    type. Raises ``ValueError`` with the reason when the bytes are no such document.
    """
    found, records = _decoded(data.removeprefix(_BYTE_ORDER_MARK))
    if records is None and not isinstance(found.get("config"), dict):
        raise ValueError('has neither "config" nor "metrics_history"')
    found = {key: value for key, value in found.items() if value is not None}
    if found.get("status") not in get_args(WrittenStatus):
        found["status"] = "finished" if found.get("end_time") else "running"
    columns, position, unread = records or _records_of([])
    last = found.get("last")
    if isinstance(last, dict) and is_record(
        last
    ):  # of a copy of our file, which has no line for it
        for name in {**columns, **last}:
            values = columns.setdefault(name, [None] * len(columns["iteration"]))
            values.append(as_number(last.get(name)))
    config = found.get("config")
    if isinstance(config, dict):
        found["config"] = _take_settings(columns) | config
    _take_out_placeholders(columns)
    if position != "iteration":
        run = found.get("run")
        found["run"] = (run if isinstance(run, dict) else {}) | {COUNTED_BY: position}
    found |= {"count": 0, "last": {}}
    return Document(convert_usable(found, Head), convert_usable(found, Tail), columns, unread)


def _take_settings(records: Columns) -> Row:
    """Settings that stand in each record, such as the batch size, taken out of the records."""
    settings: Row = {}
    for name in ExperimentConfig._field_defaults.keys() & records.keys():
        values = {*records[name]}
        if len(values) == 1 and None not in values:  # one that changes is measured
            [settings[name]] = values
            del records[name]
    return settings


def _take_out_placeholders(records: Columns) -> None:
    """Take out what stands for "not measured" where a program writes a number in each field.

    A throughput or a step time of 0 is none, nor is a learning rate that is 0 throughout. A record
    with an evaluation and without these is of the evaluation alone: a learning rate of 0 in it is
    none, and its train loss is an estimate of its own, which takes the place of no step's.
    """
    for name in PACE:
        records[name] = [value or None for value in records[name]]
    rates, losses = records["learning_rate"], records["train_loss"]
    evaluated = [
        value is not None and rate == 0 and tokens is None and milliseconds is None
        for value, rate, tokens, milliseconds in zip(
            records["val_loss"], rates, *(records[name] for name in PACE), strict=True
        )
    ]
    was_logged = any(rates)
    records["learning_rate"] = [
        rate if was_logged and not alone else None
        for alone, rate in zip(evaluated, rates, strict=True)
    ]
    rows = [*zip(records["iteration"], losses, evaluated, strict=True)]
    stepped = {iteration for iteration, loss, alone in rows if not alone and loss is not None}
    beside = [alone and iteration in stepped for iteration, _, alone in rows]
    if any(beside):
        pairs = [*zip(losses, beside, strict=True)]
        records[EVAL_TRAIN_LOSS] = [loss if is_beside else None for loss, is_beside in pairs]
        records["train_loss"] = [None if is_beside else loss for loss, is_beside in pairs]


def _decoded(data: bytes) -> tuple[Row, _Records | None]:
    """The members of a head and a tail, and the records; ``None`` where there is no list."""
    strict = data
    if b"NaN" in data or b"Infinity" in data:
        # Within a string, the quotes around a name end it and leave no JSON: then json decides.
        strict = BARE_NAMES.sub(rb':"\1"', data)
    try:
        document = _DOCUMENT.decode(strict)
    except UNREADABLE:
        found = decode_tolerantly(data)
        if not isinstance(found, dict):
            raise ValueError(f"holds a JSON {type(found).__name__}, not an object") from None
        rows = found.get(_RECORDS)
        return found, _records_of(rows) if isinstance(rows, list) else None
    members = {key: bytes(getattr(document, key)) for key in _KEYS}
    size = sum(map(len, members.values()))
    if size > LONGEST_MEMBERS:
        raise ValueError(
            f"has settings or notes of {size / 1e6:.0f} MB; up to {LONGEST_MEMBERS / 1e6:.0f} MB "
            "are read"
        )
    found = {key: decode_tolerantly(value) for key, value in members.items() if value}
    array = bytes(getattr(document, _RECORDS)).lstrip()
    return found, _decode_records(array) if array.startswith(b"[") else None


class _Records(NamedTuple):
    """The records of a list, what they call their place, and what was not read of them."""

    columns: Columns
    position: str = "iteration"
    unread: str = ""


def _decode_records(array: bytes) -> _Records:
    """The records in a JSON list. Raises ``ValueError`` when it is no JSON."""
    rows, columns = column_decoder(RECORD_FIELDS)
    try:
        decoded = rows(array)
    except UNREADABLE:
        found = decode_tolerantly(array)
        return _records_of(found if isinstance(found, list) else [])
    return _Records({key: list(map(column, decoded)) for key, column in columns.items()})


def _records_of(values: list[Any]) -> _Records:
    """The records among decoded JSON values, by whatever name they call their place.

    Numbers may be written as texts. A record that makes others void does so here too.
    """
    objects = [value for value in values if isinstance(value, dict)]
    position = position_of(objects)
    placeless = len(values) - len(objects)
    others: Counter[str] = Counter()
    rows: list[Row] = []
    for row in objects:
        place = number_in(row.get(position))
        if place is None or not math.isfinite(place):
            placeless += 1
        elif row.get("rewind") is True and len(row) == 2:
            rows = [one for one in rows if one["iteration"] <= place]
        elif position == "iteration" and _PLAIN.issuperset(map(type, row.values())):
            rows.append(row)  # as most are, and there may be many
        else:
            numbers = {name: number_in(row[name]) for name in row if name != position}
            others.update(name for name in numbers if numbers[name] is None is not row[name])
            rows.append({**numbers, "iteration": place})
    unread = "; ".join(unread_records(len(values), placeless, position, others))
    return _Records(columns_of_rows(rows), position, unread)


def position_of(rows: Sequence[Row]) -> str:
    """What at least half of the records call their place, or else any; "iteration" if none does."""
    known = []
    for name in POSITIONS:
        count = sum(number_in(row.get(name)) is not None for row in rows)
        if count and 2 * count >= len(rows):
            return name
        known += [name] if count else []
    return (known or ["iteration"])[0]


def unread_records(
    records: int, placeless: int, position: str, others: Mapping[str, int]
) -> Iterator[str]:
    """What was not read of so many records, and why: how many have no place, and what is no number
    in how many of them.
    """
    if placeless:
        known = position if placeless < records else f"{', '.join(POSITIONS[:3])} or epoch"
        yield f"{placeless:,} of {counted(records, 'record')} without a number as {known}"
    if others:
        shown = (f"{safe_text(name, _LONGEST_NAME)} in {others[name]:,}" for name in others)
        more = f" and {len(others) - _MOST_NAMES:,} more" if len(others) > _MOST_NAMES else ""
        names = ", ".join(itertools.islice(shown, _MOST_NAMES))
        yield f"no number: {names}{more} of {counted(records, 'record')}"


def number_in(value: object) -> Number | None:
    """A number, which a program may have written as a text; ``None`` for anything else."""
    if not isinstance(value, str):
        return as_number(value)
    try:
        return float(value) if value.isascii() and "_" not in value else None
    except ValueError:
        return None


def decode_tolerantly(data: bytes) -> object:
    """A JSON value, with bare NaN and Infinity, and with U+FFFD for half a character.

    Raises ``ValueError`` with the reason, as words that follow the name of the file.
    """
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    import json  # the slow path only: accepts bare NaN, Infinity and numbers out of range

    try:
        found = json.loads(data.decode("utf-8-sig"))
        if b"\\ud" in data.lower():  # it may be one half of a pair
            found = json.loads(_SURROGATES.sub("\ufffd", json.dumps(found, ensure_ascii=False)))
        return found
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
