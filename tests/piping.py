"""Pipes to helpers for tests: one that counts what goes through it, and ones that lie.

``python piping.py count LOG COMMAND…`` runs the command, and notes each piece of data that goes to
it or comes back; ``python piping.py lie KIND …`` answers as no helper does, and ``slow SECONDS``
one that needs so long for a look.
"""

from __future__ import annotations

import json
import os
import shlex
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

READY = b"\0traintop helper 1\n"


def python() -> str:
    """The address of this machine by way of a helper, but for the path."""
    return f"pipe:{sys.executable} -/"


def counting(log: Path) -> str:
    """The same by way of a count."""
    return f"pipe:{sys.executable} {__file__} count {log} {sys.executable} -/"


def lying(kind: str) -> str:
    """The same by a helper that is none."""
    return f"pipe:{sys.executable} {__file__} lie {shlex.quote(kind)} -/"


def slow(seconds: float) -> str:
    """The same by a helper that takes so long for each look."""
    return f"pipe:{sys.executable} {__file__} slow {seconds} -/"


def exchanges(log: Path) -> list[tuple[int, int]]:
    """The round trips so far, without that of the beginning: bytes there, and bytes back."""
    trips: list[list[int]] = []
    before = ""
    for line in log.read_text().splitlines():
        way, size = line.split()
        if way == ">" and before != ">":
            trips.append([0, 0])
        if trips:
            trips[-1][way == "<"] += int(size)
        before = way
    return [(there, back) for there, back in trips[1:]]


def _count(log: str, command: list[str]) -> None:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    back = threading.Thread(target=_pump, args=(log, "<", process.stdout.fileno(), 1))
    back.start()
    _pump(log, ">", 0, process.stdin.fileno())
    process.stdin.close()
    back.join()
    os._exit(process.wait())


def _pump(log: str, way: str, source: int, target: int) -> None:
    with open(log, "a") as notes:
        while data := os.read(source, 1 << 16):
            notes.write(f"{way} {len(data)}\n")
            notes.flush()
            while data:
                data = data[os.write(target, data) :]


def _lie(kind: str) -> None:
    sys.stdin.buffer.readline()
    sys.stdin.buffer.readline()
    sys.stdin.buffer.readline()
    _say(READY)
    while request := _request(sys.stdin.buffer):
        for piece in _lies(kind, request):
            _say(piece)


def _be_slow(seconds: float) -> None:
    from traintop.store.files import far_side
    from traintop.store.files.directories import DirectoryWalk
    from traintop.store.files.local import LocalFiles

    def listed(walk: DirectoryWalk) -> Iterator[object]:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(0.01)
        return at_once(walk)

    at_once, DirectoryWalk.__call__ = DirectoryWalk.__call__, listed  # type: ignore[method-assign]
    far_side._STILL_AT_IT = 0.2
    for _ in range(3):
        while os.read(0, 1) != b"\n":
            pass
    far_side.Helper(LocalFiles(), 0, 1).serve()


def _say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _request(source: IO[bytes]) -> list[object]:
    start = source.read(5)
    return json.loads(zlib.decompress(source.read(struct.unpack(">I?", start)[0])).split(b"\0")[0])


def _lies(kind: str, request: list[object]) -> Iterator[bytes]:
    entry = ["/runs/a.json", 0.0, 100, [1, 1], False, 1, False, ""]
    if request[0] == "read" and kind != "true":
        yield from _false_parts(kind)
    elif kind in ("true", "long_part", "short_part", "more_parts", "fewer_parts", "loose_bytes"):
        yield _frame([0.0, 0.0, [entry], [], []])
    elif kind == "gigabytes":
        yield struct.pack(">I?", 0xFFFFFFFF, False)
        while True:
            yield bytes(1 << 20)
    elif kind == "bomb":
        packed = zlib.compress(bytes(1 << 28), 9)
        yield struct.pack(">I?", len(packed), False) + packed
    elif kind == "many":
        for number in range(0, 10_000_000, 5000):
            names = [f"/runs/{number + one}.json" for one in range(5000)]
            yield _frame([0.0, 0.0, [[name, *entry[1:]] for name in names], [], []], more=True)
    elif kind == "long_names":
        for number in range(100_000):
            names = [f"/runs/{number}/{one}{'x' * 4000}" for one in range(1000)]
            yield _frame([0.0, 0.0, [[name, *entry[1:]] for name in names], [], []], more=True)
    elif kind == "empty_frames":
        while True:
            yield _frame([0.0, 0.0, [], [], []], more=True)
    elif kind == "noise":
        yield struct.pack(">I?", 100, False) + os.urandom(100)
    elif kind == "no_json":
        packed = zlib.compress(b"[" * 1_000_000)
        yield struct.pack(">I?", len(packed), False) + packed
    elif kind == "an_error":
        yield _frame("RuntimeError: \x1b[2Jboom")
    elif kind == "ends":
        yield _frame([0.0, 0.0, [entry], [], []])[:9]
        os._exit(3)
    else:
        yield _frame(json.loads(kind))


def _false_parts(kind: str) -> Iterator[bytes]:
    heads = {
        "long_part": ([1000], bytes(1000)),
        "short_part": ([10], b"short"),
        "more_parts": ([1, 1], b"ab"),
        "fewer_parts": ([], b""),
        "loose_bytes": ([1], b"abc"),
    }
    yield _frame(*heads[kind])


def _frame(head: object, data: bytes = b"", *, more: bool = False) -> bytes:
    packed = zlib.compress(json.dumps(head).encode() + b"\0" + data)
    return struct.pack(">I?", len(packed), more) + packed


if __name__ == "__main__":
    # Its last words are the options of a Python, and the dash.
    if sys.argv[1] == "count":
        _count(sys.argv[2], sys.argv[3:])
    elif sys.argv[1] == "slow":
        _be_slow(float(sys.argv[2]))
    else:
        _lie(sys.argv[2])
