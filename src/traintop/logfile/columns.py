"""Records as columns: how a reader decodes very many of them."""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

import msgspec

from traintop.logfile import Row
from traintop.model import RECORD_FIELDS
from traintop.values import as_number

Columns = dict[str, list[Any]]
"""The values of records by their keys: numbers, names of non-finite numbers, or ``None`` for no
value; all of equal length."""

_MOST_KEYS = 1000
_FEWEST_KEYS = 64
_MOST_CELLS = 1 << 24
_NONFINITE = Literal["NaN", "Infinity", "-Infinity"]
_UNUSABLE = re.compile(r'["\\\x00-\x1f]')


def most_keys(records: int) -> int:
    """How many keys a reader keeps of so many records: those it met first.

    Columns take records times keys in memory, whatever a file holds: one whose every record has a
    key of its own would cost the square of its length.
    """
    return min(_MOST_KEYS, max(_MOST_CELLS // max(records, 1), _FEWEST_KEYS))


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


def field_names(columns: Columns) -> tuple[str, ...]:
    """The keys that msgspec takes; records with others are decoded one by one."""
    return tuple(key for key in columns if not _UNUSABLE.search(key))


@functools.lru_cache(maxsize=64)
def column_decoder(
    keys: tuple[str, ...], texts: Any = _NONFINITE
) -> tuple[Callable[[bytes], list[Any]], dict[str, operator.attrgetter[Any]]]:
    """A decoder for records of these keys, and a getter for each key's value.

    ``texts`` is the type of values that are no numbers.
    """
    names = {key: f"value_{index}" for index, key in enumerate(keys)}
    others = [name for key, name in names.items() if key != "iteration"]
    value = float | texts | None
    record = msgspec.defstruct(
        "Record",
        [(names["iteration"], float), *((name, value, None) for name in others)],
        rename={name: key for key, name in names.items()},
        forbid_unknown_fields=True,
        gc=False,
    )
    getters = {key: operator.attrgetter(name) for key, name in names.items()}
    decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
    return decoder.decode, getters
