"""What a place elsewhere is asked, and what is kept of its answers."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.store.files import Entry, FileError, Span
from traintop.store.files.remote import LARGEST_BATCH, MOST_KEPT, RemoteFiles


class Elsewhere(RemoteFiles):
    """Files that are bytes in memory, and a count of the questions."""

    place, interval, traffic = "elsewhere", 1.0, ""

    def __init__(self, **files: bytes) -> None:
        super().__init__()
        self.files = files
        self.requests: list[Sequence[Span]] = []

    def _list(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        return iter([Entry(name, len(data), 0, 0.0, False) for name, data in self.files.items()])

    def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        self.requests.append(spans)
        return [self._part(*span) for span in spans]

    def _part(self, file_id: str, start: int, length: int) -> bytes | FileError:
        if file_id not in self.files:
            return FileError("does not exist")
        return self.files[file_id][start : start + length]

    def look(self) -> None:
        for _ in self.walk([], ()):
            pass


def bytes_of(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(251)) * (size // 251 + 1)


def test_what_was_announced_comes_in_one_request() -> None:
    files = Elsewhere(**{f"run_{number}": b"%d" % number for number in range(500)})
    files.prefetch([(name, 0, len(data)) for name, data in files.files.items()])
    assert [files.read(name, 0, 4096) for name in files.files] == [*files.files.values()]
    assert len(files.requests) == 1


def test_nothing_is_got_that_nobody_reads() -> None:
    size = 1 << 20
    files = Elsewhere(**{f"run_{number}": bytes_of(size)[:size] for number in range(40)})
    files.prefetch([(name, 0, size // 2) for name in files.files])
    assert not files.requests
    files.read("run_3", 0, 100)
    [spans] = files.requests
    assert spans[0][0] == "run_3"
    assert sum(length for *_, length in spans) <= LARGEST_BATCH + size


def test_only_what_is_missing_is_asked_for() -> None:
    files = Elsewhere(a=bytes_of(5000), b=bytes_of(5000))
    files.prefetch([("a", 0, 1000)])
    wanted = [("a", 0, 3000), ("b", 100, 50), ("a", 10, 20)]
    assert files.read_many(wanted) == [files.files[name][at : at + n] for name, at, n in wanted]
    assert files.requests == [[("a", 0, 1001), ("b", 100, 50)], [("a", 0, 3000)]]


def test_what_is_read_at_once_is_of_one_moment() -> None:
    files = Elsewhere(a=b"old" * 1000)
    files.prefetch([("a", 0, 1000)])
    assert files.read("a", 0, 1000) == (b"old" * 1000)[:1000]
    files.files["a"] = b"new" * 1000
    assert files.read("a", 500, 2000) == (b"new" * 1000)[500:2500]
    assert files.read("a", 700, 1000) == (b"new" * 1000)[700:1700]


def test_a_file_that_ended_is_not_asked_for_more() -> None:
    files = Elsewhere(a=b"0123456789")
    files.prefetch([("a", 2, 8)])
    assert files.read("a", 4, 1000) == b"456789"
    assert files.read("a", 50, 10) == b""
    assert len(files.requests) == 1


def test_a_walk_forgets_what_was_kept() -> None:
    files = Elsewhere(a=b"old")
    files.prefetch([("a", 0, 3)])
    assert files.read("a", 0, 10) == b"old"
    files.files["a"] = b"newer"
    files.look()
    assert files.read("a", 0, 10) == b"newer"


def test_an_answer_from_before_a_walk_is_not_kept() -> None:
    class WalkedMeanwhile(Elsewhere):
        def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
            answer = super()._fetch(spans)
            if len(self.requests) == 1:
                self.files["a"] = b"newer"
                self.look()
            return answer

    files = WalkedMeanwhile(a=b"old")
    files.prefetch([("a", 0, 3)])
    assert files.read("a", 0, 10) == b"old"
    assert files.read("a", 0, 10) == b"newer"


def test_a_file_read_on_and_on_comes_in_large_pieces() -> None:
    chunk, size = 256 * 1024, 40 << 20
    files = Elsewhere(a=bytes_of(size)[:size])
    place, read = 0, []
    while data := files.read("a", max(place - 64, 0), chunk + min(place, 64)):
        read.append(data[min(place, 64) :])
        place += len(read[-1])
        if not read[-1]:
            break
    assert b"".join(read) == files.files["a"]
    assert len(files.requests) <= 15


def test_a_file_that_cannot_be_read_fails_alone() -> None:
    files = Elsewhere(a=b"a", c=b"c")
    files.prefetch([("a", 0, 1), ("b", 0, 1), ("c", 0, 1)])
    assert files.read("a", 0, 1) == b"a"
    with pytest.raises(FileError, match="does not exist"):
        files.read("b", 0, 1)
    assert files.read("c", 0, 1) == b"c"
    assert len(files.requests) == 1
    with pytest.raises(FileError, match="does not exist"):
        files.read("d", 0, 1)


def test_what_is_kept_is_bounded() -> None:
    size = 1 << 20
    content = bytes_of(size)  # longer, so that a part of it is a copy
    names = [f"run_{number}" for number in range(150)]
    files = Elsewhere(**dict.fromkeys(names, content))
    files.prefetch([(name, 0, size) for name in names])
    tracemalloc.start()
    try:
        for name in names:
            assert files.read(name, 0, size) == content[:size]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_KEPT + 4 * LARGEST_BATCH


def test_threads_read_and_walk_at_once() -> None:
    names = [f"run_{number}" for number in range(20)]
    files = Elsewhere(**{name: bytes_of(300_000) for name in names})
    wrong: list[str] = []

    def read() -> None:
        for _ in range(30):
            for name in names:
                spans = [(name, 5, 10), (name, 100_000, 250_000)]
                content = files.files[name]
                if files.read_many(spans) != [content[5:15], content[100_000:350_000]]:
                    wrong.append(name)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    while any(reader.is_alive() for reader in readers):
        files.look()
        files.prefetch([(name, 0, 100_000) for name in names])
    assert not wrong


_POSITIONS = st.integers(0, 300)
_SPANS = st.lists(st.tuples(st.sampled_from("ab"), _POSITIONS, _POSITIONS), max_size=4)
_STEPS = st.one_of(
    st.tuples(st.sampled_from(["read", "prefetch"]), _SPANS),
    st.tuples(st.just("grow"), st.tuples(st.sampled_from("ab"), st.integers(1, 100))),
    st.tuples(st.just("walk"), st.none()),
)


@given(st.lists(_STEPS, max_size=30))
def test_reads_are_those_of_a_growing_file(steps: list[tuple[str, object]]) -> None:
    """Whatever is kept: a read is what the file had at some moment since the last walk."""
    files = Elsewhere(a=bytes_of(20)[:20], b=b"")
    at_walk = dict(files.files)
    for name, what in steps:
        if name == "grow":
            file_id, size = what  # type: ignore[misc]
            before = len(files.files[file_id])
            files.files[file_id] = bytes_of(before + size)[: before + size]
        elif name == "walk":
            files.look()
            at_walk = dict(files.files)
        elif name == "prefetch":
            files.prefetch(what)  # type: ignore[arg-type]
        else:
            for (file_id, start, length), data in zip(what, files.read_many(what), strict=True):  # type: ignore[call-overload,arg-type]
                now = files.files[file_id][start : start + length]
                assert now.startswith(data)
                assert len(data) >= len(at_walk[file_id][start : start + length])
