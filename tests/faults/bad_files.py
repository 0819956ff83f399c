"""Files that should not be in a log directory: each with the reason that a person should see."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

HEAD = b'{"config":{"experiment_name":"bad"},"start_time":null,"run":{},"metrics_history":['
RECORD = b'\n{"iteration":0,"gradient_step":1,"wallclock_time":0.5,"train_loss":2.5}'
TAIL = b'\n],"end_time":null,"status":"running","last":{"iteration":0,"train_loss":2.5}}\n'

_MEGABYTE = 1_000_000
_NESTING = b"[" * 100_000
_OWN_KEYS = [b'\n{"iteration":%d,"key_%d":1.0}' % (i, i) for i in range(4000)]


def write_bad_files(directory: Path) -> dict[str, str]:
    """Write every kind; returns the reason by file name, empty for a readable file."""
    reasons = {}
    for name, (write, problem) in _KINDS.items():
        path = directory / f"experiment_{name}.json"
        write(path)
        reasons[path.name] = problem
    return reasons


def _bytes(*parts: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(b"".join(parts))


def _document(document: object) -> Callable[[Path], object]:
    return _bytes(json.dumps(document).encode())


def _sparse(start: bytes, end: bytes = b"", megabytes: int = 5000) -> Callable[[Path], object]:
    """A large file, nearly all of it a hole."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(megabytes * _MEGABYTE)
            file.seek(0, os.SEEK_END)
            file.write(end)

    return write


def _socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    here = os.open(".", os.O_RDONLY)
    try:  # a socket's path may have 107 bytes only
        os.chdir(path.parent)
        server.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)
        server.close()


def _without_permission(path: Path) -> None:
    path.write_bytes(HEAD + RECORD + TAIL)
    path.chmod(0)


def _symlink_loop_of_directories(path: Path) -> None:
    path.mkdir()
    (path / "again").symlink_to(path, target_is_directory=True)
    (path / "above").symlink_to("..", target_is_directory=True)


_WRONG_TYPES = {
    "config": {"experiment_name": {"a": []}, "max_iters": "many"},
    "start_time": 17,
    "run": [],
    "end_time": {},
    "duration_seconds": "long",
    "best_train_loss": [1],
    "notes": {"a": 1},
    "status": 5,
    "error": [],
    "resumed": {"pid": "x"},
    "count": "three",
    "stats": {"train_loss": {"count": "x", "last": []}},
    "last": 3,
}
_WRONG_RECORDS = [None, 1, "x", [], {}, {"iteration": "x"}, {"iteration": [1]}, {"train_loss": 1}]

_KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (_bytes(), "is empty"),
    "zeros": (_bytes(bytes(100_000)), "is not the log of a run"),
    "zeros_at_the_end": (_bytes(HEAD, RECORD, bytes(5000)), ""),
    "random": (lambda path: path.write_bytes(os.urandom(300_000)), "is not the log of a run"),
    "text": (_bytes(b"hello"), "is not JSON"),
    "list": (_document([1, 2]), "holds a JSON list"),
    "number": (_bytes(b"1"), "holds a JSON int"),
    "other_json": (_document({"a": 1}), 'has neither "config" nor "metrics_history"'),
    "sparse": (_sparse(b""), "is not the log of a run"),
    # All of these two is read, many times over: so they are only longer than memory may grow.
    "sparse_after_a_record": (_sparse(HEAD + RECORD, megabytes=400), ""),
    "sparse_with_a_tail": (_sparse(HEAD + RECORD, TAIL, megabytes=400), ""),
    "sparse_document": (_sparse(b'{ "config": {}, "metrics_history": ['), "is one JSON document"),
    "one_long_line": (
        _bytes(HEAD, RECORD, b',\n{"iteration":1,"x":', b"9" * 200 * _MEGABYTE, b"}", TAIL),
        "",
    ),
    "one_long_document": (
        _bytes(b'{ "config": {"x": "', b"x" * 200 * _MEGABYTE, b'"}, "metrics_history": []}'),
        "is one JSON document",
    ),
    "long_settings": (
        _bytes(b'{ "config": {"x": "', b"x" * 20 * _MEGABYTE, b'"}, "metrics_history": []}'),
        "has settings or notes of",
    ),
    "nested_document": (_bytes(b'{ "config": ', _NESTING), "is nested too deeply"),
    "nested_settings": (
        _bytes(b'{"config":{"x":', _NESTING, b'},"metrics_history":[', RECORD, TAIL),
        "is nested too deeply",
    ),
    "nested_record": (_bytes(HEAD, RECORD, b',\n{"iteration":1,"x":', _NESTING, TAIL), ""),
    "nested_tail": (_bytes(HEAD, RECORD, b'\n],"stats":', _NESTING), ""),
    "own_keys": (_bytes(HEAD, b",".join(_OWN_KEYS)), ""),
    "own_keys_in_a_document": (
        _bytes(b'{ "config": {}, "metrics_history": [', b",".join(_OWN_KEYS), b"]}"),
        "",
    ),
    "own_keys_in_one_record": (
        _bytes(HEAD, b'\n{"iteration":0,', b",".join(b'"k%d":1' % i for i in range(100_000)), b"}"),
        "",
    ),
    "wrong_types": (_document({**_WRONG_TYPES, "metrics_history": _WRONG_RECORDS}), ""),
    "wrong_types_in_lines": (
        _bytes(
            b'{"config":{"experiment_name":["x"]},"start_time":17,"run":[],"metrics_history":[',
            *(b"\n" + json.dumps(record).encode() + b"," for record in _WRONG_RECORDS),
            RECORD,
            b"\n]," + json.dumps(_WRONG_TYPES).encode()[1:],
        ),
        "",
    ),
    "wrong_roots": (_document({"config": 3, "metrics_history": "x"}), 'has neither "config"'),
    "invalid_utf8": (
        _bytes(b'{ "config": {"experiment_name": "\xff\xfe"}, "metrics_history": []}'),
        "is not UTF-8 text",
    ),
    "invalid_utf8_in_the_head": (
        _bytes(HEAD.replace(b"bad", b"b\xffd"), RECORD, TAIL),
        "is not UTF-8 text",
    ),
    "invalid_utf8_in_a_record": (
        _bytes(HEAD, RECORD, b',\n{"iteration":1,"\xff":1}', TAIL),
        "",
    ),
    "byte_order_mark": (_bytes(b"\xef\xbb\xbf", HEAD, RECORD, TAIL), ""),
    "utf16": (lambda path: path.write_text('{"config": {}}', "utf-16"), "is not UTF-8 text"),
    "directory": (lambda path: path.mkdir(), "is a directory"),
    "named_pipe": (os.mkfifo, "is a named pipe"),
    "socket": (_socket, "is a socket"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "is a device"),
    "link_to_nothing": (lambda path: path.symlink_to("nothing"), "broken symbolic link"),
    "link_to_itself": (lambda path: path.symlink_to(path.name), "broken symbolic link"),
    "loop": (_symlink_loop_of_directories, "is a directory"),
    "forbidden": (_without_permission, "permission denied"),
}
