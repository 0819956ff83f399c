"""Records as columns: how a reader decodes very many of them."""

from __future__ import annotations

import functools
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from traintop.logfile import Row
from traintop.model import RECORD_FIELDS
from traintop.system_metrics import is_of_one_gpu
from traintop.values import as_number

Columns = dict[str, list[Any]]
"""The values of records by their keys: numbers, names of non-finite numbers, or ``None`` for no
value; all of equal length."""

_MOST_KEYS = 1000
_FEWEST_KEYS = 64
_MOST_CELLS = 1 << 24
_LOSSES_OF_A_FAMILY = 64
_RARE = 16  # one record of so many has a value
_DIGITS = re.compile(r"\d+")
_NONFINITE = Literal["NaN", "Infinity", "-Infinity"]
_UNUSABLE = re.compile(r'["\\\x00-\x1f]')


class SparseColumn(list[Any]):
    """A column in which few records have a value, with their places, so that nobody looks for them.

    System metrics are in one record of many, and there may be very many of them.
    """

    def __init__(self, length: int, values: Mapping[int, Any]) -> None:
        super().__init__([None] * length)
        self.places = [*values]
        for place, value in values.items():
            self[place] = value


def most_keys(records: int) -> int:
    """How many keys a reader keeps of so many records, by :func:`kept_names`.

    Columns take records times keys in memory, whatever a file holds: one whose every record has a
    key of its own would cost the square of its length.
    """
    return min(_MOST_KEYS, max(_MOST_CELLS // max(records, 1), _FEWEST_KEYS))


def name_family(name: str) -> str:
    """What a name has in common with those that differ from it in digits only, "layers.#.norm"."""
    return _DIGITS.sub("#", name)


def kept_names(names: Iterable[str], most: int) -> dict[str, None]:
    """So many of the names, in their order, where there are more.

    Families of like names give way first, the later members before the earlier ones: a thousand
    layers must not hide the loss that is logged after them. Single names and losses give way last.
    """
    met = dict.fromkeys(names)
    if len(met) <= most:
        return met
    members = Counter[str]()
    ranks: dict[str, tuple[int, bool]] = {}
    for name in met:
        family, is_loss = name_family(name), "loss" in name.lower()
        rank = members[family]
        members[family] += 1
        if name in RECORD_FIELDS:
            rank = -1
        elif is_of_one_gpu(name):
            rank += _MOST_KEYS  # what a loop logs comes first
        elif is_loss and rank < _LOSSES_OF_A_FAMILY:
            rank = 0
        ranks[name] = rank, not is_loss
    first = {*sorted(met, key=ranks.__getitem__)[:most]}
    return {name: None for name in met if name in first}


def columns_of_rows(rows: list[Row], known: Iterable[str] = RECORD_FIELDS) -> Columns:
    """Columns of equal length from decoded records; what is no number becomes ``None``.

    The first ones are those of the ``known`` keys; of very many keys only some are kept.
    """
    met = (*known, *(key for row in rows for key in row))
    kept = kept_names(met, most_keys(len(rows)))
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
    names = _attributes(keys)
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


@functools.lru_cache(maxsize=64)
def _values_getter(keys: tuple[str, ...], wanted: tuple[str, ...]) -> Callable[[Any], tuple[Any]]:
    """The values of two or more keys of a record that :func:`column_decoder` made."""
    names = _attributes(keys)
    return operator.attrgetter(*(names[key] for key in wanted))


def _attributes(keys: tuple[str, ...]) -> dict[str, str]:
    return {key: f"value_{index}" for index, key in enumerate(keys)}


def rare_keys(columns: Columns) -> tuple[str, ...]:
    """The keys of which few records have a value, where there are several such."""
    rare = [
        key
        for key, values in columns.items()
        if (len(values) - values.count(None)) * _RARE <= len(values)
    ]
    return (*rare,) if len(rare) > 1 else ()


def rare_columns(
    records: Sequence[Any], keys: tuple[str, ...], rare: tuple[str, ...]
) -> dict[str, SparseColumn]:
    """The columns of keys that few records have: a look at each record, not at each value."""
    if not rare:
        return {}
    nothing = (None,) * len(rare)
    each = enumerate(map(_values_getter(keys, rare), records))
    given = [(place, values) for place, values in each if values != nothing]
    columns = {}
    for index, key in enumerate(rare):
        known = {place: values[index] for place, values in given if values[index] is not None}
        columns[key] = SparseColumn(len(records), known)
    return columns
