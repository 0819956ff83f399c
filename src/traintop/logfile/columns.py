"""Records as columns: how a reader decodes very many of them."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from traintop.logfile import SEPARATORS, UNREADABLE, Row, is_record, line_count, whole_rows
from traintop.logfile.tolerance import decode_tolerantly
from traintop.model import RECORD_FIELDS
from traintop.values import as_number

Columns = dict[str, list[Any]]
"""The values of records by their keys; all of equal length."""

_MOST_KEYS = 1000
_FEWEST_KEYS = 32
_MOST_CELLS = 1 << 26


class RecordDecoder:
    """Decodes regions of records into columns of equal length, quickly for a stable set of keys.

    It remembers the keys it has met, so that the usual region, whose records have the same keys
    as those before, is decoded without a dictionary for each record.
    """

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = RECORD_FIELDS

    def decode(self, region: bytes) -> Columns:
        """Values by key: numbers, strings (names of non-finite numbers), or ``None`` for no value.

        Stops before the first line that is not a record.
        """
        try:
            rows, columns = _column_decoder(self._keys)
            decoded = rows(b"[" + region.strip(SEPARATORS) + b"]")
        except UNREADABLE:
            return self._decode_loosely(region)
        if len(decoded) != line_count(region):  # one of them is not in a line of its own
            return self._decode_loosely(region)
        return {key: list(map(column, decoded)) for key, column in columns.items()}

    def decode_list(self, array: bytes) -> Columns:
        """As :meth:`decode`, of a JSON list; what is no record in it is left out.

        Raises ``ValueError`` when it is no JSON.
        """
        try:
            rows, columns = _column_decoder(self._keys)
            decoded = rows(array)
        except UNREADABLE:
            found = decode_tolerantly(array)
            return columns_of_list(found if isinstance(found, list) else [])
        return {key: list(map(column, decoded)) for key, column in columns.items()}

    def _decode_loosely(self, region: bytes) -> Columns:
        return self._columns_of(whole_rows(region))

    def _columns_of(self, rows: list[Row]) -> Columns:
        columns = columns_of_rows(rows, self._keys)
        self._keys = tuple(filter(_can_name_a_field, columns))
        return columns


def most_keys(records: int) -> int:
    """How many keys a reader keeps of so many records: those it met first.

    Columns take records times keys in memory, whatever a file holds: one whose every record has a
    key of its own would cost the square of its length.
    """
    return min(_MOST_KEYS, max(_MOST_CELLS // max(records, 1), _FEWEST_KEYS))


def columns_of_list(values: list[Any]) -> Columns:
    """Columns of the records among decoded JSON values."""
    return columns_of_rows(list(filter(is_record, values)))


def columns_of_rows(rows: list[Row], known: Iterable[str] = RECORD_FIELDS) -> Columns:
    """Columns of equal length from decoded records; what is no number becomes ``None``.

    The first ones are those of the ``known`` keys; of very many keys only the first are kept.
    """
    met = dict.fromkeys((*known, *(key for row in rows for key in row)))
    kept = itertools.islice(met, most_keys(len(rows)))
    columns: Columns = {key: [None] * len(rows) for key in kept}
    for place, row in enumerate(rows):
        for key, value in row.items():
            if key in columns:
                columns[key][place] = as_number(value)
    return columns


def _can_name_a_field(key: str) -> bool:
    """Whether msgspec takes the key; records with others are decoded one by one."""
    return not any(character in '"\\' or character < " " for character in key)


@functools.lru_cache(maxsize=64)
def _column_decoder(
    keys: tuple[str, ...],
) -> tuple[Callable[[bytes], list[Any]], dict[str, operator.attrgetter[Any]]]:
    """A decoder for records of these keys, and a getter for each key's value."""
    names = {key: f"value_{index}" for index, key in enumerate(keys)}
    others = [name for key, name in names.items() if key != "iteration"]
    record = msgspec.defstruct(
        "Record",
        [(names["iteration"], float), *((name, float | str | None, None) for name in others)],
        rename={name: key for key, name in names.items()},
        forbid_unknown_fields=True,
        gc=False,
    )
    getters = {key: operator.attrgetter(name) for key, name in names.items()}
    decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
    return decoder.decode, getters
