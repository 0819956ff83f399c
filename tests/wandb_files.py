"""Files of W&B, as far as tests make their own; those of the real ones are in ``tests/foreign``."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.event_files import field, varint

HEADER = b":W&B\xe1\xbe\x00"
START = 1_700_000_000
BLOCK = 32 * 1024


def number(name: int, value: int) -> bytes:
    """A field that is a number."""
    return varint(name << 3) + varint(value)


def log_of(records: Iterable[bytes]) -> bytes:
    """A file with some records, in chunks as W&B writes them."""
    data = bytearray(HEADER)
    for count, record in enumerate(records, 1):
        _append(data, number(1, count) + record)
    return bytes(data)


def _append(data: bytearray, record: bytes) -> None:
    is_first = True
    while is_first or record:
        room = BLOCK - len(data) % BLOCK - 7
        if room < 0:
            data += bytes(room + 7)
            continue
        part, record = record[:room], record[room:]
        kind = (2 if record else 1) if is_first else (3 if record else 4)
        checksum = zlib.crc32(bytes([kind]) + part)
        data += struct.pack("<IHB", checksum, len(part), kind) + part
        is_first = False


def item(path: str | tuple[str, ...], value: object) -> bytes:
    """A named value; of a path, the parts are names within each other."""
    names = (
        [field(1, path.encode())]
        if isinstance(path, str)
        else [field(2, each.encode()) for each in path]
    )
    return b"".join(names) + field(16, json.dumps(value).encode())


def row(step: int, values: Mapping[Any, object], time: float | None = None) -> bytes:
    """A row of the history, with what W&B adds to it."""
    time = START + step if time is None else time
    added = {("_step",): step, ("_timestamp",): time, ("_runtime",): time - START}
    items = (field(1, item(path, value)) for path, value in {**added, **values}.items())
    return field(2, b"".join(items) + field(2, number(1, step)))


def rows(steps: Iterable[int], **metrics: float) -> list[bytes]:
    """Rows in which each metric is that value plus the step."""
    return [row(step, {(name,): value + step for name, value in metrics.items()}) for step in steps]


def run(
    settings: Mapping[str, object] | None = None,
    name: str = "",
    notes: str = "",
    tags: Iterable[str] = (),
    start: int = START,
) -> bytes:
    """The record of a run."""
    config = b"".join(field(1, item(key, value)) for key, value in (settings or {}).items())
    texts = {3: "the project", 4: config, 6: "the group", 8: name, 9: notes, 13: "box"}
    known = b"".join(
        field(kind, one if isinstance(one, bytes) else one.encode()) for kind, one in texts.items()
    )
    known += b"".join(field(10, tag.encode()) for tag in tags)
    return field(17, known + field(17, number(1, start)) + field(21, field(2, b"c0ffee")))


def errors(text: str) -> bytes:
    """A record of the standard error."""
    return field(13, field(3, text.encode()))


def end(code: int = 0, runtime: int = 0) -> bytes:
    """The last record of a process that ended."""
    return field(18, number(1, code) + number(2, runtime))


def write_run(
    folder: Path, records: Iterable[bytes], wandb_id: str = "abc", stamp: str = "20260102_030405"
) -> Path:
    """A run's directory with its file, which is returned."""
    path = folder / "wandb" / f"run-{stamp}-{wandb_id}" / f"run-{wandb_id}.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(log_of(records))
    return path
