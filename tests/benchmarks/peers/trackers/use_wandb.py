"""W&B offline. Its reader of such files is ``wandb leet inspect``, one run at a time."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import wandb
from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, log_run, loss
from wandb.proto.wandb_internal_pb2 import Record

_HEADER = b":W&B\xe1\xbe\x00"
_BLOCK = 32 * 1024
_BYTES_OF_CHUNK_HEADER = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def begin(home: Path, name: str) -> OpenRun:
    run = wandb.init(
        mode="offline",
        dir=str(home),
        project="project",
        name=name,
        settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
    )

    def log(step: int, values: Scalars) -> None:
        run.log(values, step=step)

    return OpenRun(log, run.finish)


def write_runs(home: Path, count: int) -> None:
    file = _logged(home, "run-00000", RECORDS_OF_LISTED_RUN)
    for number in range(1, count):
        folder = home / "wandb" / f"offline-run-20260101_000000-{number:08d}"
        folder.mkdir()
        shutil.copyfile(file, folder / f"run-{number:08d}.wandb")


def last_losses(home: Path) -> Iterator[float | None]:
    for file in _files(home):
        yield json.loads(_inspect(file, "--summary"))["summary"].get("loss")


def write_curve(home: Path, count: int) -> None:
    """The records of a real run, with as many records of the history between them."""
    file = _logged(home, "long-run", 1)
    records = list(_records(file.read_bytes()))
    place = next(place for place, record in enumerate(records) if record.HasField("history"))
    with open(file, "wb") as out:
        chunks = _Chunks(out)
        for record in records[:place]:
            chunks.write(record.SerializeToString())
        for step in range(count):
            chunks.write(_history(step).SerializeToString())
        for record in records[place + 1 :]:
            chunks.write(record.SerializeToString())


def curve(home: Path) -> int:
    (file,) = _files(home)
    found = 0
    for line in _inspect(file).splitlines():
        if b'"type":"history"' in line:
            found += "loss" in json.loads(line)["history"]["item"]
    return found


def _logged(home: Path, name: str, count: int) -> Path:
    """The file of a run. Another process writes it, at times a little longer than ``finish``."""
    log_run(TOOL, home, name, count)
    (file,) = _files(home)
    while not any(record.HasField("exit") for record in _records(file.read_bytes())):
        time.sleep(0.1)
    return file


def _files(home: Path) -> Iterator[Path]:
    return home.glob("wandb/offline-run-*/*.wandb")


def _inspect(file: Path, *options: str) -> bytes:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(file)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _history(step: int) -> Record:
    record = Record(num=step + 10)
    record.history.step.num = step
    for name, value in (
        ("loss", loss(step)),
        ("_step", step),
        ("_runtime", step / 10),
        ("_timestamp", 1.7e9 + step / 10),
    ):
        record.history.item.add(nested_key=[name], value_json=json.dumps(value))
    return record


def _records(content: bytes) -> Iterator[Record]:
    place, record = len(_HEADER), b""
    while place + _BYTES_OF_CHUNK_HEADER <= len(content):
        if (left := _BLOCK - place % _BLOCK) < _BYTES_OF_CHUNK_HEADER:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        place += _BYTES_OF_CHUNK_HEADER
        if place + length > len(content):
            return
        record += content[place : place + length]
        place += length
        if kind in (_WHOLE, _LAST):
            yield Record.FromString(record)
            record = b""


class _Chunks:
    """Writes records as LevelDB's logs have them: in chunks that fit into blocks."""

    def __init__(self, file) -> None:
        self._file = file
        file.write(_HEADER)

    def write(self, record: bytes) -> None:
        is_first = True
        while is_first or record:
            room = _BLOCK - self._file.tell() % _BLOCK - _BYTES_OF_CHUNK_HEADER
            if room < 0:
                self._file.write(bytes(room + _BYTES_OF_CHUNK_HEADER))
                continue
            part, record = record[:room], record[room:]
            kind = (_FIRST if record else _WHOLE) if is_first else _MIDDLE if record else _LAST
            checksum = zlib.crc32(bytes([kind]) + part)
            self._file.write(struct.pack("<IHB", checksum, len(part), kind) + part)
            is_first = False


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
