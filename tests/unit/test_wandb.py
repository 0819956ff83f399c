"""Files of W&B: what is read, followed, joined, and survived."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.event_files import field, write_events
from tests.wandb_files import (
    BLOCK,
    HEADER,
    START,
    end,
    errors,
    item,
    log_of,
    row,
    rows,
    run,
    write_run,
)

from traintop.model import RunStatus, RunSummary
from traintop.progress import planned_steps, steps_done
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.formats import RunReader
from traintop.store.formats.wandb import WandbFormat
from traintop.store.formats.wandb_records import HistoryDecoder, RecordLog
from traintop.store.history import History


def only_run(directory: Path) -> RunSummary:
    [found] = RunCatalog([directory]).refresh().runs
    return found


def reader_of(directory: Path) -> RunReader:
    catalog = RunCatalog([directory])
    [found] = catalog.refresh().runs
    return catalog.reader(found.id)


def values(history: History, metric: str) -> dict[float, float]:
    if metric not in history.metrics:
        return {}
    measured = history.measured(metric)
    return dict(
        zip(history.columns["iteration"][measured], history.columns[metric][measured], strict=True)
    )


def test_a_run_has_its_name_settings_facts_and_metrics(tmp_path: Path) -> None:
    write_run(
        tmp_path,
        [
            run({"lr": 0.1, "opt": {"name": "adam"}, "_wandb": {}}, "first", "a note", ["a", "b"]),
            *rows(range(3), **{"train/loss": 1.0}),
            row(3, {("eval", "deep", "acc"): 0.5, ("is_best",): True}),
            field(5, field(1, item("late", 2)) + field(1, item(("opt", "beta"), 0.9))),
            field(5, field(2, item("lr", None))),
            end(runtime=10),
        ],
    )
    found = only_run(tmp_path)
    assert (found.title, found.status, found.notes) == ("first", "finished", "a note")
    assert found.config == {
        "opt": {"name": "adam", "beta": 0.9},
        "late": 2,
        "experiment_name": "first",
    }
    assert (found.count, found.stats["train/loss"].max) == (4, 3.0)
    assert (found.stats["eval.deep.acc"].last, found.stats["is_best"].last) == (0.5, 1)
    assert found.environment == {
        "written_by": "W&B",
        "host": "box",
        "git_commit": "c0ffee",
        "project": "the project",
        "group": "the group",
        "tags": ["a", "b"],
    }
    assert found.tags == ("a", "b")
    assert found.start_time == "2023-11-14T22:13:20"
    assert found.end_time == "2023-11-14T22:13:30"


def test_objects_of_older_versions_are_nested_metrics(tmp_path: Path) -> None:
    write_run(tmp_path, [row(0, {"eval": {"acc": 0.5, "by": {"class": 1}}, "loss": 2.0})])
    history = reader_of(tmp_path).history()
    assert history.metrics == ("eval.acc", "eval.by.class", "loss")
    assert values(history, "eval.by.class") == {0: 1.0}


def test_texts_lists_and_media_are_no_metrics(tmp_path: Path) -> None:
    picture = {"_type": "image-file", "width": 4, "path": "a.png"}
    for_each = {("loss",): 1.0, ("text",): "hello", ("list",): [1, 2], ("none",): None}
    write_run(
        tmp_path,
        [
            row(0, {**for_each, "picture": picture}),
            row(1, {**for_each, **{("table", name): one for name, one in picture.items()}}),
            row(2, for_each),
        ],
    )
    history = reader_of(tmp_path).history()
    assert history.metrics == ("loss",)
    assert len(history) == 3


def test_a_row_may_have_no_step_of_its_own(tmp_path: Path) -> None:
    items = field(1, item(("_step",), 7)) + field(1, item(("loss",), 1.5))
    write_run(tmp_path, [field(2, items) + field(19, b"what follows")])
    assert values(reader_of(tmp_path).history(), "loss") == {7: 1.5}


def test_any_names_and_numbers_are_read_as_they_are(tmp_path: Path) -> None:
    numbers = [math.nan, math.inf, -math.inf, 1e308, -0.0, 2**70, -1.5e-7, True]
    names = ["a/b", "c.d", "\u0402\u00c2", "tab\tand\x82\x01", "n" * 130, "\x12\x01", "{", "_type_"]
    logged = {(name,): one for name, one in zip(names, numbers, strict=True)}
    write_run(tmp_path, [row(step, logged) for step in range(2)])
    history = reader_of(tmp_path).history()
    for name, one in zip(names, numbers, strict=True):
        found = values(history, name)
        assert list(found) == [0, 1]
        assert np.array_equal([*found.values()], [float(one)] * 2, equal_nan=True), name


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [(1, "failed", "ValueError: no"), (255, "interrupted", ""), (0, "finished", "")],
)
def test_the_exit_code_says_how_a_run_ended(
    tmp_path: Path, code: int, status: str, error: str
) -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
    write_run(tmp_path, [run(), errors(trace), errors("ValueError: no\nmore of it\n"), end(code)])
    found = only_run(tmp_path)
    assert (found.status, found.error) == (status, error)


def test_a_failure_without_exception_has_its_exit_code(tmp_path: Path) -> None:
    write_run(tmp_path, [run(), errors("42%|####\n"), end(3)])
    assert only_run(tmp_path).error == "exit code 3"


def test_a_run_of_which_nothing_is_written_yet_is_running(tmp_path: Path) -> None:
    write_run(tmp_path, [], stamp="20260102_030405")
    found = only_run(tmp_path)
    assert (found.status, found.start_time) == (RunStatus.RUNNING, "2026-01-02T03:04:05")
    assert found.pauses is not None
    assert found.pauses.longest == 600.0


def test_a_run_is_granted_the_time_that_a_block_takes(tmp_path: Path) -> None:
    write_run(tmp_path, [run(), *rows(range(2000), loss=1.0)])  # a second a row
    found = only_run(tmp_path)
    assert found.pauses is not None
    assert found.pauses.usual == 1.0
    assert found.pauses.longest == pytest.approx(2000 * BLOCK / found.file_size, rel=0.01)


def test_a_run_that_is_resumed_is_one_run(tmp_path: Path) -> None:
    write_run(tmp_path, [run({"lr": 1}, "one", tags=["a"]), *rows(range(10), loss=0.0)])
    more = [row(step, {("loss",): 9.0}, START + 100 + step) for step in (7, 8)]
    later = write_run(tmp_path, [run({"lr": 2}, start=START + 99), *more], stamp="20260103_000000")
    write_run(tmp_path, [run(), *rows([0], loss=0.0)], wandb_id="abcd", stamp="20260103_000000")
    (tmp_path / "wandb" / "latest-run").symlink_to(later.parent.name)
    runs = {found.id: found for found in RunCatalog([tmp_path]).refresh().runs}
    assert runs.keys() == {
        str(tmp_path / "wandb" / name)
        for name in ("run-20260102_030405-abc", "run-20260103_000000-abcd")
    }
    found = runs[str(tmp_path / "wandb" / "run-20260102_030405-abc")]
    assert (found.title, found.config["lr"], found.count) == ("one", 2, 9)
    assert (found.stats["loss"].max, found.duration_seconds) == (9.0, 108.0)
    later.unlink()
    assert RunCatalog([later.parents[1]]).refresh().runs[-1].count == 10


def test_processes_that_write_one_run_together_are_merged(tmp_path: Path) -> None:
    first = [run(name="one"), *rows(range(10), loss=0.0)]
    path = write_run(tmp_path, first[:6])
    other = [row(step, {("loss_2",): 1.0}, START + step + 5.5) for step in range(3, 12)]
    write_run(tmp_path, [run(), *other], stamp="20260102_030406")
    assert only_run(tmp_path).stats["loss"].count == 3  # of which the later one makes void two
    path.write_bytes(log_of(first))  # it did not resume it after all
    stats = only_run(tmp_path).stats
    assert (stats["loss"].count, stats["loss_2"].count) == (10, 9)


def test_a_file_that_is_deleted_takes_its_rows_along(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path, rows([step], loss=0.0), stamp=f"20260102_00000{step}")
        for step in (1, 2)
    ]
    files, wandb = LocalFiles(), WandbFormat()
    entries = [files.stat(str(path)) for path in paths]
    assert wandb.summary(files, entries).count == 2
    assert wandb.summary(files, entries[:1]).count == 1


def test_files_elsewhere_are_runs_of_their_own(tmp_path: Path) -> None:
    for name in ("run-a.wandb", "run-b.wandb"):
        (tmp_path / name).write_bytes(log_of([run(), *rows([0], loss=0.0)]))
    names = {found.title for found in RunCatalog([tmp_path]).refresh().runs}
    assert names == {"run-a", "run-b"}


def test_output_is_part_of_its_run(tmp_path: Path) -> None:
    path = write_run(tmp_path, [run(name="one"), *rows([0], loss=0.0)])
    output = path.parent / "files" / "output.log"
    output.parent.mkdir()
    output.write_text("".join(f'{{"step": {step}, "loss": 1.0}}\n' for step in range(9)))
    assert only_run(tmp_path).title == "one"
    assert len(reader_of(tmp_path).history()) == 1


def metadata_beside(log: Path, text: str) -> None:
    (log.parent / "files").mkdir()
    (log.parent / "files" / "wandb-metadata.json").write_text(text)


def test_copies_of_the_files_of_other_tools_are_part_of_a_run(tmp_path: Path) -> None:
    path = write_run(tmp_path, [run(name="one"), *rows([0], loss=0.0)])
    elsewhere = write_events(tmp_path / "tensorboard", {"loss": [(0, 0.0)]})
    (path.parent / "files" / "logs").mkdir(parents=True)
    (path.parent / "files" / "logs" / elsewhere.name).symlink_to(elsewhere)
    (path.parent / "files" / "rows.jsonl").write_text('{"step": 1, "loss": 1}\n' * 9)
    titles = sorted(found.title for found in RunCatalog([tmp_path]).refresh().runs)
    assert titles == ["one", "tensorboard"]
    assert values(reader_of(path.parent).history(), "loss") == {0: 0.0}


def test_what_a_run_keeps_beside_its_records_is_not_unread(tmp_path: Path) -> None:
    path = write_run(tmp_path, rows([0], loss=0.0))
    metadata_beside(path, "{}")
    catalog = RunCatalog([tmp_path])
    catalog.refresh()
    assert catalog.other_files() == ""
    (tmp_path / "package.json").write_text("{}")
    assert catalog.other_files().startswith("1 JSON file (")


def test_older_versions_have_facts_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = write_run(tmp_path, [run(), *rows([0], loss=0.0)])
    known = {"program": "a b.py", "args": ["--x"], "gpu": "A100", "gpu_count": 2, "docker": None}
    known |= {"python": "3.11.7", "git": {"commit": "beef"}}
    metadata_beside(path, json.dumps(known))
    facts = only_run(tmp_path).environment
    assert (facts["command"], facts["gpus"]) == ("'a b.py' --x", ["A100", "A100"])
    assert (facts["python"], facts["git_commit"]) == ("3.11.7", "beef")


@pytest.mark.parametrize("text", ["", "{", '{"program": 1}', "[]", '{"host": "é', "[" * 60_000])
def test_facts_that_cannot_be_read_are_left_out(tmp_path: Path, text: str) -> None:
    metadata_beside(write_run(tmp_path, [run(), *rows([0], loss=0.0)]), text)
    found = only_run(tmp_path)
    assert (found.count, found.problem, found.environment["git_commit"]) == (1, "", "c0ffee")


def test_a_step_over_which_all_metrics_are_is_the_place(tmp_path: Path) -> None:
    star = field(12, field(2, b"*") + field(4, b"train/global_step"))
    logged = [{("loss",): 1.0, ("train/global_step",): step} for step in (10, 20)]
    records = [row(0, logged[0]), row(1, {("extra",): 5.0}), row(2, logged[1])]
    write_run(tmp_path, [run({"max_steps": 100}), star, *records])
    history = reader_of(tmp_path).history()
    assert values(history, "loss") == {10: 1.0, 20: 1.0}
    assert values(history, "extra") == {10: 5.0}  # at the step before it, as W&B has it
    found = only_run(tmp_path)
    assert (steps_done(found), planned_steps(found)) == (20, 100)


# Following and damage.

LONG = ("text",), "x" * 9000
RECORDS = [
    run({"lr": 1}, "a run"),
    *(row(step, {("loss",): step / 3, **dict([LONG] * (step % 7 == 0))}) for step in range(60)),
    end(),
]
LOG = log_of(RECORDS)


def decoded(data: bytes, sizes: list[int]) -> tuple[dict[float, float], int, int]:
    """The losses in a file that comes in parts of some sizes; bytes left, and parts left out."""
    log, waiting, found = RecordLog(), b"", {}
    decoder = HistoryDecoder(lambda number, data: None)
    for size in (*sizes, len(data)):
        waiting, data = waiting + data[:size], data[size:]
        records, taken = log.take(waiting)
        waiting = waiting[taken:]
        decoder.take(records)
        columns = decoder.columns()
        if columns:
            found |= dict(zip(columns["iteration"], columns["loss"], strict=True))
    return found, len(waiting), log.damaged + decoder.damaged


WHOLE = {step: step / 3 for step in range(60)}


@given(st.lists(st.integers(0, 20_000), max_size=20))
def test_any_parts_give_the_same_rows(sizes: list[int]) -> None:
    assert len(LOG) > 2 * BLOCK
    assert decoded(LOG, sizes) == (WHOLE, 0, 0)


def test_every_cut_gives_the_rows_before_it() -> None:
    before = 0
    for cut in range(0, len(LOG), 97):
        found, _, damaged = decoded(LOG[:cut], [])
        assert found == {step: WHOLE[step] for step in range(len(found))}
        assert len(found) >= before
        assert damaged == 0
        before = len(found)


def test_no_flipped_bit_makes_another_number() -> None:
    randomness = random.Random(5)
    for _ in range(300):
        data = bytearray(LOG)
        data[randomness.randrange(len(HEADER), len(data))] ^= 1 << randomness.randrange(8)
        found, _, _ = decoded(bytes(data), [])
        assert found.items() <= WHOLE.items()


def test_behind_damage_the_next_records_are_read(tmp_path: Path) -> None:
    path = write_run(tmp_path, [run(), *rows(range(1000), loss=0.0), end()])
    data = bytearray(path.read_bytes())
    for place in (1000, BLOCK + 5000):  # each in a row
        data[data.index(b"_step", place)] ^= 1
    path.write_bytes(data)
    found = only_run(tmp_path)
    assert found.problem == "has 2 damaged parts, left out"
    assert (found.count, found.status) == (998, "finished")


def test_a_lost_block_costs_its_own_rows(tmp_path: Path) -> None:
    path = write_run(tmp_path, [run(), *rows(range(2000), loss=0.0), end()])
    data = path.read_bytes()
    path.write_bytes(data[:BLOCK] + bytes(BLOCK) + data[2 * BLOCK :])
    found = only_run(tmp_path)
    assert found.problem == "has 1 damaged part, left out"
    assert found.status == "finished"
    steps = reader_of(tmp_path).history().columns["iteration"]
    [gap] = np.flatnonzero(np.diff(steps) > 1)
    assert 200 < steps[gap + 1] - steps[gap] < 600
    assert steps[-1] == 1999


def test_damage_at_the_end_is_told_and_tried_again(tmp_path: Path) -> None:
    path = write_run(tmp_path, [run(), *rows(range(9), loss=0.0)])
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"?")
    catalog = RunCatalog([tmp_path])
    assert catalog.refresh().runs[0].problem == "has 1 damaged part, left out"
    path.write_bytes(data)
    [found] = catalog.refresh().runs
    assert (found.problem, found.count) == ("", 9)


@given(st.binary(max_size=300), st.integers(1, 30))
def test_any_bytes_in_a_record_are_survived(data: bytes, kind: int) -> None:
    log = log_of([run(), data, field(kind, data), field(2, field(1, data)), *rows([3], loss=1.0)])
    decoder = HistoryDecoder(lambda number, data: None)
    decoder.take(RecordLog().take(log)[0])
    assert decoder.columns()["loss"][-1] == 4.0


@given(st.binary(max_size=300), st.sampled_from([4, 5, 12, 13, 17, 18, 26]))
def test_any_bytes_in_facts_leave_the_rows(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, [run(), field(kind, data), *rows([3], loss=1.0)])
    assert only_run(folder).count == 1


def test_values_that_are_no_json_are_left_out(tmp_path: Path) -> None:
    odd = [b"1,2", b"[1", b"1]", b"", b"\xff", b"1_000", b"0x1", b'"' + b"\xc3"]
    for count, value in enumerate(odd):
        logged = field(1, field(2, b"loss") + field(16, value)) + field(1, item("_step", count))
        folder = tmp_path / str(count)
        write_run(folder, [field(2, logged + field(2, b"")), row(9, {("loss",): 1.0})])
        assert values(reader_of(folder).history(), "loss") == {9: 1.0}, value


def test_a_million_names_and_deep_objects_are_survived(tmp_path: Path) -> None:
    many = [row(step, {(f"m{step}.{each}",): 1.0 for each in range(1000)}) for step in range(30)]
    deep = field(2, field(1, field(1, b"deep") + field(16, b'{"a":' * 50_000)))
    nested: object = 1.0
    for _ in range(100):
        nested = {"a": nested}
    write_run(tmp_path, [run({"deep": nested}), *many, deep, row(40, {"b": nested, "loss": 2.0})])
    found = only_run(tmp_path)
    assert found.status == "running"
    assert found.stats["loss"].last == 2.0
    assert len(found.stats) <= 1000


@pytest.mark.parametrize(
    "history",
    [b"\n" * 100_000, field(1, b"\x12\0" * 100_000), b"\n\0" * 100_000, b"\xff" * 100_000],
)
def test_a_hostile_record_does_not_hold_up_the_next(tmp_path: Path, history: bytes) -> None:
    write_run(tmp_path, [field(2, history), *rows([3], loss=1.0)])
    assert only_run(tmp_path).problem == "has 1 damaged part, left out"
    assert values(reader_of(tmp_path).history(), "loss") == {3: 4.0}


def test_a_record_beyond_all_measure_is_left_out(tmp_path: Path) -> None:
    huge = row(1, {("text",): "x" * 5_000_000})
    write_run(tmp_path, [*rows([0], loss=0.0), huge, *rows([2], loss=0.0)])
    assert values(reader_of(tmp_path).history(), "loss") == {0: 0.0, 2: 2.0}


def test_a_file_of_zeros_is_given_up(tmp_path: Path) -> None:
    path = write_run(tmp_path, rows(range(9), loss=0.0))
    with path.open("ab") as file:
        file.truncate(10_000_000_000)
    assert only_run(tmp_path).problem == "has no records in 16 MB"


def test_another_version_of_the_files_is_not_read(tmp_path: Path) -> None:
    path = write_run(tmp_path, rows(range(9), loss=0.0))
    path.write_bytes(path.read_bytes().replace(HEADER, HEADER[:-1] + b"\1", 1))
    found = only_run(tmp_path)
    assert (found.status, found.problem) == ("unreadable", "does not begin as files of W&B do")


def test_a_run_is_followed_as_it_is_read_anew(tmp_path: Path) -> None:
    path = write_run(tmp_path, [])
    catalog = RunCatalog([tmp_path])
    reader = catalog.reader(catalog.refresh().runs[0].id)
    assert len(reader.history()) == 0
    for size in (100, BLOCK, BLOCK + 3, 50_000, 2 * BLOCK, len(LOG)):
        path.write_bytes(LOG[:size])
        reader.follow()
        [found] = catalog.refresh().runs
        assert found == only_run(tmp_path)
        fresh = reader_of(tmp_path).history()
        assert values(reader.history(), "loss") == values(fresh, "loss")
    assert found.status == "finished"
    assert not reader.follow()


def test_a_sample_of_a_long_run_has_both_ends(tmp_path: Path) -> None:
    write_run(tmp_path, [run(), *rows(range(30_000), loss=0.0)])
    sample = reader_of(tmp_path).sample(50)
    steps = sample.columns["iteration"]
    assert 500 < len(sample) < 10_000
    assert (steps[0], steps[-1]) == (0, 29_999)
    assert (sample.columns["loss"] == steps).all()
    assert (sample.columns["wallclock_time"] == steps).all()
