"""Event files of TensorBoard: what is read, followed, joined, and survived."""

from __future__ import annotations

import math
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.event_files import START, event, field, record, scalar_event, version_event, write_events
from tests.sidecars import annotate

from traintop.model import RunSummary
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.formats import RunReader
from traintop.store.formats.crc32c import are_whole, crc32c
from traintop.store.formats.tensorboard_events import MOST_TAGS, EventDecoder
from traintop.store.history import History


def runs_in(directory: Path) -> dict[str, RunSummary]:
    return {run.title: run for run in RunCatalog([directory]).refresh().runs}


def reader_of(directory: Path) -> RunReader:
    catalog = RunCatalog([directory])
    [run] = catalog.refresh().runs
    return catalog.reader(run.id)


def values(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    return dict(zip(history.columns["iteration"][rows], history.columns[metric][rows], strict=True))


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, appendix B.4


def test_checksums_of_many_records_are_those_of_each() -> None:
    data = record(b"first") + record(b"other") + record(b"wrong")
    damaged = data[:-7] + b"!" + data[-6:]
    assert are_whole(damaged, [12, 33, 54], 5).tolist() == [True, True, False]


def test_a_run_is_a_directory_of_event_files(tmp_path: Path) -> None:
    write_events(tmp_path / "a", {"train/loss": [(0, 3.0), (10, 2.0)], "val/loss": [(10, 2.5)]})
    write_events(tmp_path / "b" / "c", {"loss": [(1, math.inf)]})
    runs = runs_in(tmp_path)
    assert runs.keys() == {"a", "b/c"}
    assert runs["a"].count == 2
    assert runs["a"].stats["train/loss"].min == 2.0
    assert runs["a"].best_val_loss is None  # which is what the file says; metrics find it
    assert runs["a"].environment == {"written_by": "TensorBoard", "host": "box"}
    assert runs["b/c"].stats["loss"].nonfinite == 1


@pytest.mark.parametrize("root", [".", "..", "../run"])
def test_a_directory_that_is_a_run_is_annotated_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    write_events(tmp_path / "run", {"loss": [(0, 1.0)]})
    (tmp_path / "run" / "below").mkdir()
    monkeypatch.chdir(tmp_path / "run" / ("below" if root == ".." else ""))
    catalog = RunCatalog([Path(root)])
    [run] = catalog.refresh().runs
    assert run.title == "run"
    assert run.path is not None
    annotate(run.path, AnnotationChange(note="a note"))
    [run] = catalog.refresh().runs
    assert run.annotations.note == "a note"
    assert (tmp_path / ".traintop").is_dir()


def test_a_run_is_followed_from_where_it_was(tmp_path: Path) -> None:
    path = write_events(tmp_path, {"loss": [(0, 3.0)]})
    reader = reader_of(tmp_path)
    assert values(reader.history(), "loss") == {0: 3.0}
    more = scalar_event("loss", 1, 2.0)
    for part in (more[:7], more[7:30], more[30:]):
        with path.open("ab") as file:
            file.write(part)
        reader.follow()
    assert values(reader.history(), "loss") == {0: 3.0, 1: 2.0}
    assert not reader.follow()


def test_a_restart_counts_from_its_first_step_on(tmp_path: Path) -> None:
    write_events(tmp_path, {"loss": [(step, 1.0) for step in range(10)], "old": [(9, 1.0)]})
    write_events(tmp_path, {"loss": [(5, 2.0), (6, 2.0)]}, start=START + 100)
    history = reader_of(tmp_path).history()
    assert values(history, "loss") == {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 2, 6: 2}
    assert "old" not in history.metrics


def test_files_that_are_written_beside_each_other_are_merged(tmp_path: Path) -> None:
    write_events(tmp_path, {"loss": [(step, 1.0) for step in range(10)]})
    write_events(tmp_path, {"loss": [(3, 2.0)]}, start=START + 1)  # the first one goes on
    write_events(tmp_path, {"test": [(0, 5.0)]}, start=START + 100)  # shares no tag with them
    history = reader_of(tmp_path).history()
    assert len(values(history, "loss")) == 10
    assert values(history, "test") == {0: 5.0}


def test_what_is_purged_counts_no_more(tmp_path: Path) -> None:
    write_events(tmp_path, {"loss": [(step, 1.0) for step in range(10)]})
    path = write_events(tmp_path, {}, start=START + 1)
    session_start = event(START + 1, 4, field(7, b"\x08\x01"))
    path.write_bytes(version_event() + session_start + scalar_event("loss", 8, 3.0))
    assert values(reader_of(tmp_path).history(), "loss") == {0: 1, 1: 1, 2: 1, 3: 1, 8: 3}


def test_a_reader_sees_a_restart_in_a_known_directory(tmp_path: Path) -> None:
    write_events(tmp_path, {"loss": [(step, 1.0) for step in range(10)]})
    catalog = RunCatalog([tmp_path])
    [run] = catalog.refresh().runs
    reader = catalog.reader(run.id)
    reader.history()
    write_events(tmp_path, {"loss": [(5, 2.0)]}, start=START + 100)
    [run] = catalog.refresh().runs
    assert run.iteration == 5
    assert reader.follow()
    assert len(values(reader.history(), "loss")) == 6


def test_epochs_among_batches_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_events(tmp_path, {"batch": [(step, 1.0) for step in range(5000)]})
    catalog = RunCatalog([tmp_path])
    catalog.refresh()
    taken: list[int] = []
    take = EventDecoder.take
    monkeypatch.setattr(
        EventDecoder, "take", lambda self, data: taken.append(len(data)) or take(self, data)
    )
    for epoch in range(5):
        with path.open("ab") as file:
            file.write(scalar_event("epoch", epoch, float(epoch)))
        [run] = catalog.refresh().runs
        assert run.stats["epoch"].count == epoch + 1
    assert sum(size > 1000 for size in taken) <= 2  # the file, and again for the first epoch


@pytest.mark.parametrize("below", ["main_loss", "main/loss"])
def test_directories_of_add_scalars_are_joined(tmp_path: Path, below: str) -> None:
    write_events(tmp_path / "run", {"main": [(0, 1.0)], "train/loss": [(0, 1.0)]})
    write_events(tmp_path / "run" / below, {"main": [(0, 7.0)]})
    for _ in range(2):  # also when the same process looks again
        [(name, run)] = runs_in(tmp_path).items()
        assert name == "run"
        assert run.stats["main/loss"].last == 7.0


def test_parts_of_the_data_are_joined(tmp_path: Path) -> None:
    for part, loss in (("train", 1.0), ("val", 2.0)):
        write_events(tmp_path / "run" / part, {"loss": [(0, loss)]})
    write_events(tmp_path / "other" / "train", {"loss": [(0, 1.0)]})
    runs = runs_in(tmp_path)
    assert runs.keys() == {"run", "other/train"}
    assert {name: stats.last for name, stats in runs["run"].stats.items()} == {
        "loss": 1.0,
        "val/loss": 2.0,
    }


def test_a_run_below_another_stays_a_run(tmp_path: Path) -> None:
    write_events(tmp_path / "run", {"loss": [(0, 1.0)]})
    write_events(tmp_path / "run" / "second", {"loss": [(0, 1.0)]})
    assert runs_in(tmp_path).keys() == {"run", "run/second"}


def tensor_event(tag: str, step: int, tensor: bytes, plugin: bytes = b"scalars") -> bytes:
    metadata = field(9, field(1, field(1, plugin)))
    return event(
        START, step, field(5, field(1, field(1, tag.encode()) + field(8, tensor) + metadata))
    )


def test_numbers_in_tensors_are_read(tmp_path: Path) -> None:
    tensors = {
        "float": b"\x08\x01\x12\x00" + field(5, np.float32(1.5).tobytes()),
        "content": b"\x08\x01\x12\x00" + field(4, np.float32(2.5).tobytes()),
        "double": b"\x08\x02" + field(6, np.float64(3.5).tobytes()),
        "integer": b"\x08\x03\x38\x07",
        "long": b"\x08\x09" + field(10, b"\x2a"),
    }
    path = write_events(tmp_path, {})
    with path.open("ab") as file:
        for step in (0, 1):  # the second one is read by what was learned from the first
            for tag, tensor in tensors.items():
                file.write(tensor_event(tag, step, tensor))
    history = reader_of(tmp_path).history()
    expected = {"float": 1.5, "content": 2.5, "double": 3.5, "integer": 7.0, "long": 42.0}
    for tag, value in expected.items():
        assert values(history, tag) == {0: value, 1: value}, tag


def test_texts_are_notes_and_objects_are_settings(tmp_path: Path) -> None:
    path = write_events(tmp_path, {"loss": [(0, 1.0)]})
    with path.open("ab") as file:
        for tag, text in (("hello/text_summary", b"a note"), ("args/text_summary", b'{"lr": 0.1}')):
            tensor = b"\x08\x07" + field(8, text)
            file.write(tensor_event(tag, 0, tensor, b"text"))
    [run] = runs_in(tmp_path).values()
    assert run.notes == "hello: a note"
    assert run.config == {"lr": 0.1}


def test_a_damaged_event_is_skipped_and_counted(tmp_path: Path) -> None:
    path = write_events(tmp_path, {"loss": [(step, 1.0) for step in range(9)]})
    data = bytearray(path.read_bytes())
    data[-30] ^= 1  # the last event's data
    data[data.index(scalar_event("loss", 4, 1.0)) + 1] ^= 1  # another one's length
    path.write_bytes(data)
    [run] = runs_in(tmp_path).values()
    assert run.problem == "has 2 damaged events, left out"
    assert run.count == 7


def test_large_events_are_left_unread(tmp_path: Path) -> None:
    path = write_events(tmp_path, {"loss": [(0, 1.0)]})
    picture = record(b"\x09" + bytes(8) + field(5, bytes(3_000_000)))
    path.write_bytes(path.read_bytes() + picture + scalar_event("loss", 1, 2.0))
    assert len(reader_of(tmp_path).history()) == 2


def test_a_sample_of_a_long_run_has_both_ends(tmp_path: Path) -> None:
    write_events(tmp_path, {"loss": [(step, step / 2) for step in range(100_000)]})
    sample = reader_of(tmp_path).sample(50)
    steps = sample.columns["iteration"]
    assert 500 < len(sample) < 10_000
    assert (steps[0], steps[-1]) == (0, 99_999)
    assert (sample.columns["loss"] == steps / 2).all()


EVENTS = version_event() + b"".join(
    scalar_event(tag, step, step / 3) for step in range(6) for tag in ("loss", "a_longer/tag")
)


def decoded(data: bytes, sizes: list[int]) -> tuple[dict[str, list[float]], int]:
    """What is read of a file that comes in parts of some sizes, and how many bytes are left."""
    decoder, waiting, found = EventDecoder(), b"", {}
    for size in (*sizes, len(data)):
        waiting, data = waiting + data[:size], data[size:]
        waiting = waiting[decoder.take(waiting) :]
        for columns in decoder.columns():
            for name, column in columns.items():
                found.setdefault(name, []).extend(column[~np.isnan(column)].tolist())
    return found, len(waiting)


@given(st.lists(st.integers(0, 90), max_size=30))
def test_any_parts_give_the_same_events(sizes: list[int]) -> None:
    found, left = decoded(EVENTS, sizes)
    assert left == 0
    assert found["loss"] == pytest.approx([step / 3 for step in range(6)])
    assert found["a_longer/tag"] == pytest.approx([step / 3 for step in range(6)])


def test_every_cut_gives_the_events_before_it() -> None:
    whole = decoded(EVENTS, [])[0]["loss"]
    for cut in range(len(EVENTS)):
        losses = decoded(EVENTS[:cut], [])[0].get("loss", [])
        assert losses == whole[: len(losses)]
        assert len(losses) >= EVENTS[:cut].count(b"\x04loss\x15") - 1


def test_no_flipped_bit_makes_another_number() -> None:
    whole = {tag: set(found) for tag, found in decoded(EVENTS, [])[0].items()}
    randomness = random.Random(5)
    for _ in range(500):
        data = bytearray(EVENTS)
        data[randomness.randrange(len(data))] ^= 1 << randomness.randrange(8)
        for tag, found in decoded(bytes(data), [])[0].items():
            assert set(found) <= whole[tag]


@given(st.binary(max_size=400))
def test_any_bytes_in_a_whole_record_are_survived(data: bytes) -> None:
    decoder = EventDecoder()
    decoder.take(version_event() + record(data) + scalar_event("loss", 3, 1.0))
    [columns] = decoder.columns()
    assert columns["loss"][-1] == 1.0


def test_a_tag_for_each_step_takes_little_memory(tmp_path: Path) -> None:
    path = write_events(tmp_path, {"loss": [(0, 3.0)]})
    with path.open("ab") as file:
        file.writelines(scalar_event(f"tag_{step}", step, 1.0) for step in range(1, MOST_TAGS + 9))
        file.write(scalar_event("loss", 1, 2.0))
    tracemalloc.start()
    [run] = runs_in(tmp_path).values()
    assert tracemalloc.get_traced_memory()[1] < 300_000_000  # a history alone may take 130 MB
    tracemalloc.stop()
    assert run.problem == "has over 10,000 tags, of which some are left out"
    assert run.stats["loss"].count == 2


def test_a_file_of_zeros_is_given_up(tmp_path: Path) -> None:
    path = write_events(tmp_path, {"loss": [(0, 1.0)]})
    with path.open("ab") as file:
        file.truncate(10_000_000_000)
    [run] = runs_in(tmp_path).values()
    assert run.problem == "has no events in 16 MB"
