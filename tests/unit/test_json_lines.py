"""JSON lines of training loops: what is read, followed, claimed, and survived."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.line_files import history_of, read_in_parts, reader_of, run_of, values
from tests.runs import track_run

from traintop.metrics import last_value
from traintop.model import RunStatus
from traintop.progress import counts_epochs, planned_steps
from traintop.store.catalog import RunCatalog
from traintop.store.formats.json_lines import JsonLinesFormat
from traintop.times import posix_time

START = 1_750_000_000.0


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def losses(steps: Sequence[float], loss: float = 2.0) -> list[dict[str, float]]:
    return [{"step": step, "loss": loss} for step in steps]


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "a.log", "out.txt"])
def test_a_run_is_a_file_of_objects_with_places(tmp_path: Path, name: str) -> None:
    rows = [{"step": step, "loss": 3.0 - step, "lr": 0.5} for step in range(3)]
    write_lines(tmp_path / "sub" / name, rows)
    [run] = RunCatalog([tmp_path]).refresh().runs
    assert run.title == f"sub/{name.partition('.')[0]}"
    assert (run.count, run.iteration, run.problem) == (3, 2, "")
    assert last_value(run, "train_loss") == 1.0
    assert run.environment["written_by"] == "JSON Lines"


@pytest.mark.parametrize("position", ["iteration", "global_step", "iter", "num_updates"])
def test_the_usual_names_of_places_are_known(tmp_path: Path, position: str) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{position: 10 * i, "loss": 1.5} for i in range(3)])
    assert values(history_of(path), "loss") == {0: 1.5, 10: 1.5, 20: 1.5}


def test_a_place_may_be_an_epoch(tmp_path: Path) -> None:
    rows = [{"epoch": i, "epochs": 9, "val_acc": 0.5} for i in range(1, 4)]
    run = run_of(write_lines(tmp_path / "a.jsonl", rows))
    assert (run.iteration, planned_steps(run)) == (3, 9)
    assert counts_epochs(run)
    assert [*run.stats] == ["val_acc"]


def test_nested_numbers_are_read_by_their_paths(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"type": "log", "data": {"step": 0, "train": {"loss": 3.0}, "tags": ["a"]}},
        {"type": "log", "data": {"step": 1, "train": {"loss": "2.5"}, "model": "x"}},
        {"step": 2, "metrics": {"train": {"loss": 2.0}}, "stats": None},
    ]
    history = history_of(write_lines(tmp_path / "a.jsonl", rows))
    assert values(history, "train/loss") == {0: 3.0, 1: 2.5, 2: 2.0}
    assert history.metrics == ("train/loss",)


def test_numbers_may_be_bare_names_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = (
        '{"step": 0, "loss": NaN, "note": "x"}',
        '{"step": "1", "loss": -Infinity}',
        '{"step": 2, "loss": "nan"}',
        '{"step": 3, "loss": "1e-3", "flag": true}',
    )
    path.write_text("\r\n".join(lines))
    run = run_of(path)
    assert (run.stats["loss"].nonfinite, run.stats["loss"].min) == (3, 0.001)
    assert (run.stats["flag"].last, run.iteration, run.problem) == (1.0, 3, "")


def test_sparse_objects_of_one_step_are_one_record(tmp_path: Path) -> None:
    rows = [
        {"step": 0, "loss": 3.0, "val_loss": None},
        {"step": 0, "val_loss": 3.5},
        {"step": 1, "loss": 2.0},
        {"step": 1, "loss": None, "val_loss": 2.5},
    ]
    history = history_of(write_lines(tmp_path / "a.jsonl", rows))
    assert len(history) == 2
    assert values(history, "loss") == {0: 3.0, 1: 2.0}
    assert values(history, "val_loss") == {0: 3.5, 1: 2.5}


def test_what_an_evaluation_measures_is_named_after_it(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "split": "train", "loss": 3.0},
        {"step": 1, "split": "val", "loss": 3.5, "val_acc": 0.5},
        {"step": 2, "split": "train", "loss": 2.0},
    ]
    run = run_of(write_lines(tmp_path / "a.jsonl", rows))
    assert (last_value(run, "train_loss"), last_value(run, "val_loss")) == (2.0, 3.5)
    assert {*run.stats} == {"loss", "val/loss", "val_acc"}


@pytest.mark.parametrize(
    ("field", "times"),
    [
        ("timestamp", [START, START + 5]),
        ("_timestamp", [START * 1000, START * 1000 + 5000]),
        ("time", [f"{text}+00:00" for text in ("2025-06-15T15:06:40", "2025-06-15T15:06:45")]),
    ],
)
def test_times_of_the_day_are_since_the_start(tmp_path: Path, field: str, times: list[Any]) -> None:
    rows = [{"step": i, "loss": 2.0, field: time} for i, time in enumerate(times)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    run = run_of(path)
    assert (posix_time(run.start_time), posix_time(run.updated_at)) == (START, START + 5)
    assert history_of(path).columns["wallclock_time"].tolist() == [0.0, 5.0]
    assert ([*run.stats], run.duration_seconds) == (["loss"], 5.0)


def test_times_of_a_run_are_as_they_are(tmp_path: Path) -> None:
    rows = [{"step": i, "loss": 2.0, "_runtime": 3.0 + i} for i in range(2)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert history_of(path).columns["wallclock_time"].tolist() == [3.0, 4.0]
    assert run_of(path).start_time is None


def test_a_time_that_a_step_takes_is_a_metric(tmp_path: Path) -> None:
    rows = [{"step": i, "loss": 2.0, "time": 0.25} for i in range(2)]
    run = run_of(write_lines(tmp_path / "a.jsonl", rows))
    assert (run.stats["time"].last, run.duration_seconds) == (0.25, None)


def test_what_stands_before_the_records_are_settings(tmp_path: Path) -> None:
    rows = [{"type": "start", "config": {"lr": 0.5, "max_steps": 20}}, {"message": "go"}]
    run = run_of(write_lines(tmp_path / "a.jsonl", [*rows, *losses([0, 1])]))
    assert (run.config, planned_steps(run)) == ({"lr": 0.5, "max_steps": 20}, 20)
    plain = {"batch_size": 8, "optimizer": "adam"}
    assert run_of(write_lines(tmp_path / "b.jsonl", [plain, *losses([0, 1])])).config == plain


def test_planned_steps_in_records_are_a_setting(tmp_path: Path) -> None:
    rows = [{"step": i, "total_steps": 100, "loss": 2.0} for i in range(3)]
    run = run_of(write_lines(tmp_path / "a.jsonl", rows))
    assert (planned_steps(run), [*run.stats]) == (100, ["loss"])


def test_what_has_no_place_is_said(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [*losses(range(3)), {"final": 1.0}, {"done": "yes"}])
    with path.open("a") as file:
        file.write('{"step": 3, "loss"\n{"step": 4, "loss"\n{"step": 4, "loss": 1.0}\n')
    run = run_of(path)
    assert run.problem == (
        "has 2 damaged lines, left out; has 1 record without a number as step, left out"
    )
    assert run.iteration == 4


def test_what_an_epoch_ends_with_is_of_its_last_step(tmp_path: Path) -> None:
    rows = [*losses([10, 20]), {"epoch": 1, "accuracy": 0.5}, *losses([30])]
    assert values(history_of(write_lines(tmp_path / "a.jsonl", rows)), "accuracy") == {20: 0.5}


def test_steps_that_each_epoch_counts_anew_go_on(tmp_path: Path) -> None:
    rows = [
        {"mode": mode, "epoch": epoch, "iter": step, "loss": 2.0}
        for epoch in (1, 2, 3)
        for mode, step in (("train", 50), ("train", 100), ("val", 7))
    ]
    history = history_of(write_lines(tmp_path / "log.json", rows))
    assert [*values(history, "loss")] == [50, 100, 150, 200, 250, 300]
    again = [row for row in rows if row["epoch"] == 2]
    history = history_of(write_lines(tmp_path / "log.json", [*rows, *again]))
    assert [*values(history, "loss")] == [50, 100, 150, 200]


# --------------------------------------------------------------------------- as the file grows


def test_a_run_is_followed_from_where_it_was(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", losses([0, 1]))
    reader = reader_of(path)
    assert len(reader.history()) == 2
    with path.open("a") as file:
        for part in ('{"step": 2, ', '"loss": 1.0}', '\n{"step": 3', ', "loss": 0.5}\n'):
            file.write(part)
            file.flush()
            reader.follow()
    assert values(reader.history(), "loss") == {0: 2.0, 1: 2.0, 2: 1.0, 3: 0.5}
    assert not reader.follow()


def test_a_last_line_counts_once_it_is_whole(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", losses([0, 1]))
    with path.open("a") as file:
        file.write('{"step": 2, "loss": 1.0}')
    assert run_of(path).iteration == 2


def test_a_run_that_starts_anew_voids_the_one_before(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", losses(range(100)))
    reader = reader_of(path)
    reader.history()
    with path.open("a") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in losses(range(3), 1.0))
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 1.0, 1: 1.0, 2: 1.0}
    assert run_of(path).count == 3


def test_a_run_that_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [*losses(range(10)), *losses([6, 7], 1.0)])
    expected = {**dict.fromkeys(range(6), 2.0), 6: 1.0, 7: 1.0}
    assert values(history_of(path), "loss") == expected


def test_times_are_those_of_the_run_that_started_anew(tmp_path: Path) -> None:
    rows = [
        {"step": step, "loss": 2.0, "time": START + 1000 * run + step}
        for run in range(2)
        for step in range(3)
    ]
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert posix_time(run_of(path).start_time) == START + 1000
    assert history_of(path).columns["wallclock_time"].tolist() == [0.0, 1.0, 2.0]


def test_late_values_are_no_restart(tmp_path: Path) -> None:
    late: list[dict[str, float]] = [{"step": 3, "val_loss": 2.5}, {"step": 5, "val_loss": 2.5}]
    rows = [*losses(range(10)), *losses([8]), *losses([10]), *late, *losses([11])]
    history = history_of(write_lines(tmp_path / "a.jsonl", rows))
    assert [*values(history, "loss")] == [*range(12)]
    assert values(history, "val_loss") == {3: 2.5, 5: 2.5}


def test_lines_of_several_ranks_are_merged(tmp_path: Path) -> None:
    steps = [step - rank for step in range(1, 50) for rank in (0, 1)]
    history = history_of(write_lines(tmp_path / "a.jsonl", losses(steps)))
    assert [*values(history, "loss")] == [*range(50)]


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", losses(range(50)))
    reader = reader_of(path)
    reader.history()
    write_lines(path, [{"iteration": i, "loss": 1.0} for i in range(2)])
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 1.0, 1: 1.0}


def test_a_file_is_judged_again_while_it_is_short(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"epoch": 0, "loss": 2.0}])
    reader = reader_of(path)
    assert len(reader.history()) == 1
    write_lines(path, [{"epoch": 0, "loss": 2.0}, *losses(range(5))])
    assert reader.follow()
    assert [*values(reader.history(), "loss")] == [*range(5)]


_ROWS = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(0, 9)},
        optional={
            "epoch": st.integers(0, 2),
            "loss": st.floats(allow_nan=False) | st.none(),
            "val_loss": st.integers(),
            "time": st.floats(START, START + 9),
        },
    ),
    min_size=1,
    max_size=30,
)


@given(_ROWS, st.lists(st.integers(0, 1500), max_size=4))
def test_following_gives_what_a_fresh_read_gives(rows: list[Any], cuts: list[int]) -> None:
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    parts = [*(data[:cut] for cut in sorted(cuts)), data]
    assert read_in_parts(JsonLinesFormat(), parts) == read_in_parts(JsonLinesFormat(), [data])


# ----------------------------------------------------------------- what is no run, and what is odd


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", json.dumps({"name": "x", "step": 1, "loss": 2.0}, indent=2)),
        ("results.json", json.dumps({"step": 1, "loss": 2.0})),
        ("data.jsonl", '{"id": 1, "text": "step 1"}\n{"id": 2, "text": "step 2"}\n'),
        ("scores.jsonl", "".join(f'{{"epoch": {i}, "x": 1}}\n' for i in (3, 1, 2, 1, 3))),
        ("events.log", '{"level": "info", "msg": "up", "step": 1}\n' * 3),
        ("notes.txt", 'As in {"step": 1, "loss": 2.0}:\n{"step": 1, "loss": 2.0}\nand\nso\non\n'),
        ("mostly.jsonl", '{"a": 1}\n' * 5 + "".join(f'{{"step": {i}, "b": 1}}\n' for i in (1, 2))),
        ("list.jsonl", "[1, 2]\n[3, 4]\n"),
        ("steps.jsonl", '{"step": 1}\n{"step": 2}\n'),
        ("empty.jsonl", ""),
        ("binary.log", "\0\1\2{\n{\n{"),
    ],
)
def test_files_that_are_no_runs_are_not_claimed(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert RunCatalog([tmp_path]).refresh().runs == ()


def test_our_own_files_are_never_claimed(tmp_path: Path) -> None:
    path = track_run(tmp_path, "ours")
    write_lines(tmp_path / "experiment_x.json", losses(range(5)))
    data = path.read_bytes()
    (tmp_path / "copy.txt").write_bytes(data)
    runs = RunCatalog([tmp_path]).refresh().runs
    assert {run.status for run in runs} == {RunStatus.FINISHED, RunStatus.UNREADABLE}
    assert len(runs) == 2


def test_a_file_that_a_person_names_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("hello\n")
    assert "JSON object" in run_of(path).problem


def test_a_file_cut_at_any_byte_is_read_to_there(tmp_path: Path) -> None:
    data = "".join(f"{json.dumps(row)}\n" for row in losses(range(4))).encode()
    for cut in range(len(data)):
        whole = data[: cut + 1].count(b"}")
        parts = [data[:cut], data[: cut + 1], data]
        assert read_in_parts(JsonLinesFormat(), parts) == read_in_parts(JsonLinesFormat(), [data])
        path = tmp_path / "a.jsonl"
        path.write_bytes(data[: cut + 1])
        runs = RunCatalog([tmp_path]).refresh().runs
        assert [run.count for run in runs] == ([whole] if whole else [])


def test_flipped_bits_leave_the_rest_readable(tmp_path: Path) -> None:
    whole = "".join(f"{json.dumps(row)}\n" for row in losses(range(40))).encode()
    chosen = random.Random(1)
    for number in range(200):
        data = bytearray(whole)
        for _ in range(3):
            data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(data)
        [run] = RunCatalog([path]).refresh().runs
        assert (run.count or 0) >= 30


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 1' + "0" * 400 + ', "loss": 1}',
        '{"step": 5, "loss": 1' + "0" * 400 + "}",
        '{"step": {"step": []}, "loss": 2}',
        '{"step": null, "loss": "x"}',
        '{"step": true, "loss": [1]}',
        '{"step": NaN, "loss": 1}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"step": 6, "' + "x" * 100_000 + '": 1}',
        '{"loss": {"loss": {"loss": {"loss": {"loss": {"loss": {"step": 1}}}}}}}',
        '{"step": 5, "\\ud800": 1, "\x1b[31m": 2}',
    ],
)
def test_odd_lines_harm_no_other(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in losses(range(4))) + f"{line}\n{line}")
    with path.open("a") as file:
        file.write('\n{"step": 9, "loss": 1.0}\n')
    found = values(history_of(path), "loss")
    assert [place for place in found if place not in (1, 5)] == [0, 2, 3, 9]
    assert run_of(path).iteration == 9


def test_a_line_beyond_all_measure_is_left_out(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", losses(range(4)))
    with path.open("a") as file:
        file.write('{"step": 4, "text": "' + "x" * 3_000_000 + '"}\n{"step": 5, "loss": 1.0}\n')
    run = run_of(path)
    assert (run.iteration, run.count) == (5, 5)
    assert run.problem == "has 1 line of over 1 MB, left out"


def test_a_hole_in_a_file_has_an_end(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", losses(range(4)))
    with path.open("r+") as file:
        file.truncate(10 * 2**30)
    [run] = RunCatalog([path]).refresh().runs
    assert run.status is RunStatus.UNREADABLE
    assert run.problem == "has a line of over 64 MB"


def test_a_name_for_each_record_costs_no_more_memory(tmp_path: Path) -> None:
    rows = [{"step": i, f"metric {i}": 1.0, "loss": 2.0} for i in range(20_000)]
    run = run_of(write_lines(tmp_path / "a.jsonl", rows))
    assert run.stats["loss"].count == 20_000
    assert len(run.stats) <= 1000


def test_restarts_without_end_are_read(tmp_path: Path) -> None:
    steps = [base + offset for base in range(0, 20_000, 4) for offset in (0, 9, 3, 4)]
    history = history_of(write_lines(tmp_path / "a.jsonl", losses(steps)))
    assert math.isfinite(history.columns["iteration"][-1])


def test_a_large_file_is_sampled(tmp_path: Path) -> None:
    rows = [{"step": i, "loss": 1 / (i + 1), "note": "x" * 50} for i in range(20_000)]
    reader = reader_of(write_lines(tmp_path / "a.jsonl", rows))
    sample = reader.sample(50)
    assert 50 < len(sample) < 2000
    found = values(sample, "loss")
    assert all(found[step] == 1 / (step + 1) for step in found)
    assert {min(found), max(found)} == {0, 19_999}
