"""CSV logs: what is read, followed, and survived; and which tables are none."""

from __future__ import annotations

import csv
import io
import math
import os
import random
import string
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.runs import rows_of, track_run

from traintop.analysis.export import write_csv
from traintop.model import RunStatus, RunSummary
from traintop.progress import planned_steps
from traintop.store.catalog import RunCatalog
from traintop.store.formats import NotThisFormatError, RunReader
from traintop.store.formats.csv_cells import plain_numbers
from traintop.store.formats.csv_rows import RowDecoder
from traintop.store.history import GrowingHistory, History

FOREIGN = Path(__file__).parents[1] / "foreign"


class Opened:
    """The one run in a directory."""

    def __init__(self, directory: Path) -> None:
        self.catalog = RunCatalog([directory])

    def summary(self) -> RunSummary:
        [run] = self.catalog.refresh().runs
        return run

    def reader(self) -> RunReader:
        return self.catalog.reader(self.summary().id)


def log_file(directory: Path, *lines: str, name: str = "log.csv", ending: str = "\n") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}{ending}" for line in lines).encode())
    return path


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def decoded(data: bytes) -> tuple[History, RowDecoder]:
    decoder, growing = RowDecoder(), GrowingHistory()
    decoder.take(data, growing)
    return growing.history(), decoder


def values(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    return dict(
        zip(
            history.columns["iteration"][rows].tolist(),
            history.columns[metric][rows].tolist(),
            strict=True,
        )
    )


# ------------------------------------------------------------------------------------- the tools

LIGHTNING = ("epoch,step,train_loss,val_loss", "0,9,3.5,", "0,19,3.0,", "0,19,,3.25")


def lightning_run(directory: Path, settings: str = "lr: 0.1\n") -> Path:
    version = directory / "version_0"
    version.mkdir(parents=True)
    (version / "hparams.yaml").write_text(settings)
    return log_file(version, *LIGHTNING, name="metrics.csv")


def test_a_lightning_run_is_its_directory(tmp_path: Path) -> None:
    lightning_run(tmp_path / "mine")
    run = Opened(tmp_path).summary()
    assert (run.title, run.id) == ("mine/version_0", str(tmp_path / "mine" / "version_0"))
    assert (run.count, run.iteration, run.config) == (2, 19, {"lr": 0.1})
    assert (run.stats["train_loss"].last, run.stats["val_loss"].last) == (3.0, 3.25)
    assert run.environment["written_by"] == "Lightning"
    assert run.problem == ""


def test_a_lightning_file_that_gets_a_column_is_read_anew(tmp_path: Path) -> None:
    path = lightning_run(tmp_path)
    run = Opened(tmp_path)
    reader = run.reader()
    reader.history()
    rows = [f"{line}," for line in LIGHTNING[1:]]
    log_file(path.parent, f"{LIGHTNING[0]},acc", *rows, "1,29,,,0.5", name=path.name)
    assert reader.follow()
    assert rows_of(reader.history())[-1] == {"iteration": 29, "epoch": 1, "acc": 0.5}
    assert (run.summary().count, [*run.summary().stats]) == (
        3,
        ["train_loss", "val_loss", "acc", "epoch"],
    )


def test_a_lightning_run_that_takes_the_place_of_another(tmp_path: Path) -> None:
    path = lightning_run(tmp_path)
    run = Opened(tmp_path)
    reader = run.reader()
    reader.history()
    path.unlink()
    log_file(path.parent, LIGHTNING[0], "0,4,9.5,", "0,9,9.0,", "0,14,8.5,", name=path.name)
    (path.parent / "hparams.yaml").write_text("lr: 0.2\n")
    found = run.summary()
    assert (found.iteration, found.config) == (14, {"lr": 0.2})
    assert reader.follow()
    assert values(reader.history(), "train_loss") == {4: 9.5, 9: 9.0, 14: 8.5}


def test_a_file_that_is_being_written_anew_stays_as_it_was(tmp_path: Path) -> None:
    path = lightning_run(tmp_path)
    run = Opened(tmp_path)
    reader = run.reader()
    reader.history()
    for part in (b"", path.read_bytes()[:40]):
        path.write_bytes(part)
        assert run.summary().count == 2
        assert not reader.follow()
        assert len(reader.history()) == 2
    long_ago = path.stat().st_mtime - 60
    os.utime(path, (long_ago, long_ago))  # it stays like that
    assert reader.follow()
    assert len(reader.history()) == run.summary().count == 1


def test_settings_of_objects_are_named_and_left_out(tmp_path: Path) -> None:
    lightning_run(tmp_path, "lr: 0.1\nact: !!python/object/apply:os.getcwd []\n")
    run = Opened(tmp_path).summary()
    assert run.config == {"lr": 0.1}
    assert run.problem == "hparams.yaml: act (python/object/apply:os.getcwd)"


def test_keras_counts_epochs(tmp_path: Path) -> None:
    log_file(tmp_path, "epoch;loss;val_loss", "0;3.5;3.75", "1;3.0;NA", name="training.log")
    run = Opened(tmp_path).summary()
    assert (run.title, run.iteration, run.environment) == ("training", 1, {"counted_by": "epoch"})
    assert (run.stats["val_loss"].count, run.problem) == (1, "")


def test_ultralytics_knows_its_epochs_and_times(tmp_path: Path) -> None:
    header = "                  epoch,       time,   train/box_loss,      lr/pg0"
    log_file(tmp_path / "train", header, "1,10.5,3.5,0.01", "2,20.5,3.0,0.02", name="results.csv")
    (tmp_path / "train" / "args.yaml").write_text("epochs: 4\ntime: null\n")
    run = Opened(tmp_path)
    found = run.summary()
    assert (found.title, found.environment["written_by"]) == ("train", "Ultralytics")
    assert (planned_steps(found), found.iteration, found.duration_seconds) == (4, 2, 20.5)
    assert found.iterations_per_second == 0.1
    assert [*found.stats] == ["lr/pg0", "train/box_loss"]
    append(tmp_path / "train" / "results.csv", "3,5.0,2.5,0.02")  # resumed
    assert run.summary().duration_seconds == 25.5


def test_ultralytics_says_more_than_its_event_files(tmp_path: Path) -> None:
    [events] = (FOREIGN / "tensorboard" / "tensorboardx").glob("*tfevents*")
    log_file(tmp_path, "epoch,metrics/mAP50(B)", "1,0.5", "2,0.25", name="results.csv")
    (tmp_path / "args.yaml").write_text("epochs: 4\n")
    (tmp_path / events.name).write_bytes(events.read_bytes())
    opened = Opened(tmp_path)
    found = opened.summary()
    assert (planned_steps(found), [*found.stats]) == (4, ["metrics/mAP50(B)"])
    assert opened.catalog.other_files(tools_only=True) == ""


# ---------------------------------------------------------------------------------------- cells


@pytest.mark.parametrize(
    "lines",
    [
        ("step,loss,acc", "1,2.5,", "2,2.0,0.5"),
        ("step;loss;acc", "1;2.5;", "2;2.0;0.5"),
        ("step\tloss\tacc", "1\t2.5\t", "2\t2.0\t0.5"),
        ("\ufeffstep,loss,acc", "1,2.5,", "2,2.0,0.5"),
        ('"step","loss","acc"', '"1","2.5",""', '"2","2.0","0.5"'),
        ("  step ,   loss, acc", "  1,   2.5,  ", "2 , 2.0 , 0.5"),
        ("# step, loss, acc", "1, 2.5, NA", "2, 2.0, 0.5"),
        (",Step,loss,acc", "0,1,2.5,", "1,2,2.0,0.5"),  # with the index of pandas
        ("step,loss,acc", "", "1,2.5", "", "2,2.0,0.5,,"),
        ("step,loss,acc,loss", "1,2.5,n/a,7", "2,2.0,0.5,7"),
        ("loss,Global Step,acc", "2.5,1,None", "2.0,2,0.5"),
        ("epoch,loss,step,acc", ",2.5,1,", ",2.0,2,0.5"),
        ("date,training_iteration,loss,acc", "2021-05-01_12-00-00,1,2.5,", "x,2,2.0,0.5"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_ways_to_write_the_same(tmp_path: Path, lines: Sequence[str], ending: str) -> None:
    log_file(tmp_path, *lines, ending=ending)
    run = Opened(tmp_path)
    assert "date" in lines[0] or run.summary().problem == ""
    assert rows_of(run.reader().history()) == [
        {"iteration": 1, "loss": 2.5},
        {"iteration": 2, "loss": 2.0, "acc": 0.5},
    ]


def test_numbers_that_are_none_are_measured(tmp_path: Path) -> None:
    log_file(tmp_path, "step,loss,ok", "0,nan,True", "1,-inf,False", "2,Infinity,", "3,1e999,")
    history = Opened(tmp_path).reader().history()
    assert history.nonfinite("loss").all()
    assert history.columns["loss"][1:].tolist() == [-math.inf, math.inf, math.inf]
    assert values(history, "ok") == {0: 1, 1: 0}


def test_percentages_are_numbers(tmp_path: Path) -> None:
    log_file(tmp_path, "step,progress,loss", "1,0.5%,2", "2, 99 %,%", "3,%%,1")
    run = Opened(tmp_path)
    assert values(run.reader().history(), "progress") == {1: 0.5, 2: 99.0}
    assert run.summary().problem == "no number: progress in 1, loss in 1 of 3 records"


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    rows = ("1,Adam,2.0", "2,Adam,1.5", "x,Adam,1.0", "3,Adam,1.04,Adam,0.5", "5,Adam,")
    log_file(tmp_path, "step,optimizer,loss", *rows)
    run = Opened(tmp_path)
    assert run.summary().problem == (
        "1 of 5 rows with more cells than names; 1 of 5 records without a number as step; "
        "no number: optimizer in 3 of 5 records"
    )
    assert values(run.reader().history(), "loss") == {1: 2.0, 2: 1.5}


def test_rows_say_of_which_part_of_the_data_they_are(tmp_path: Path) -> None:
    rows = ("1,train,2.0,8", "1,Val,2.5,9", "1,test,2.75,", "2,train,1.5,8", "2,Val,1.75,9")
    log_file(tmp_path, "epoch,phase,loss,seconds", *rows)
    run = Opened(tmp_path)
    assert run.summary().problem == ""
    assert rows_of(run.reader().history()) == [
        {"iteration": 1, "loss": 2.0, "seconds": 8}
        | {"test/loss": 2.75, "val/loss": 2.5, "val/seconds": 9},
        {"iteration": 2, "loss": 1.5, "seconds": 8, "val/loss": 1.75, "val/seconds": 9},
    ]


cells = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(repr),
    st.sampled_from(["", " ", "nan", "NaN", "inf", "-inf", "Infinity", "1e-5", " 2", "1.", "-0"]),
    st.sampled_from(["NA", "x", "1 2", "null", "true", ".5", "+1", "01", "0x1", "1\r", '"3"', "]"]),
)


@given(
    st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(cells, min_size=1, max_size=width))),
    st.sampled_from(",;\t"),
)
def test_plain_rows_are_read_as_others_are(rows: list[list[str]], delimiter: str) -> None:
    rows = [row for row in rows if row != [""]]
    lines = "".join(f"{delimiter.join(row)}\n" for row in rows).encode()
    width = len(rows[0]) if rows else 1
    table = plain_numbers(lines, delimiter, width)
    if table is None:
        return
    assert [len(row) for row in rows] == [width] * len(rows)
    for row, wanted in zip(table.tolist(), rows, strict=True):
        for value, cell in zip(row, wanted, strict=True):
            text = cell.strip()
            assert repr(value) == repr(float(text) if text else math.nan)


# --------------------------------------------------------------------------------- following


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_half_a_line_is_never_read(quote: bytes) -> None:
    rows = (b"step,loss", b"10,2.125", b"11,3.375")
    data = b"".join(quote + row.replace(b",", quote + b"," + quote) + quote + b"\n" for row in rows)
    whole = rows_of(decoded(data)[0])
    for length in range(len(data)):
        decoder, growing = RowDecoder(), GrowingHistory()
        taken = decoder.take(data[:length], growing)
        found = rows_of(growing.history())
        assert found == whole[: len(found)]
        decoder.take(data[taken:], growing)
        assert rows_of(growing.history()) == whole


def test_a_last_line_without_an_end_is_read_if_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('"Step","loss"\n"1","2.5"\n"2","2.0"')
    run = Opened(tmp_path)
    assert values(run.reader().history(), "loss") == {1: 2.5, 2: 2.0}
    path.write_text("step,loss\n1,2.5\n2,2.0")
    assert (run.summary().count, run.summary().problem) == (1, "")
    os.utime(path, (1e9, 1e9))  # nobody writes it any more
    assert run.summary().problem == "the last line, which has no end"


row_texts = st.one_of(
    st.tuples(st.integers(0, 9), st.sampled_from(["", "1.5", "nan", "x"]), st.integers(0, 5)).map(
        lambda row: f"{row[0]},{row[1]},{row[2]}"
    ),
    # No header has fewer names than the row in quotes has cells: a part of that would be whole.
    st.sampled_from(["epoch,loss,step", "loss,lr,step", "", "1", "1,2,3,4", '"']),
    st.sampled_from(['"1","2","3"', "\0"]),
)


@settings(max_examples=300)
@example(['"1","2","3"', "4,,0", "0,,0", "0,1.5,0", "3,2.0,1"], [44])
@example(["epoch,loss,step"] * 3 + ['"1","2","3"', "0,,4", "0,,0", "0,1.5,0", '"1","2","3"'], [86])
@given(st.lists(row_texts, max_size=12), st.lists(st.integers(0, 200), max_size=6))
def test_following_reads_what_a_fresh_read_does(lines: list[str], cuts: list[int]) -> None:
    data = "".join(f"{line}\n" for line in ["step,loss,epoch", *lines]).encode()
    fresh, wanted = decoded(data)
    decoder, growing = RowDecoder(), GrowingHistory()
    offset = 0
    for end in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        offset += decoder.take(data[offset:end], growing)
        rows_of(growing.history())
    assert repr(rows_of(growing.history())) == repr(rows_of(fresh))
    assert (decoder.rows, decoder.placeless, decoder.overlong, decoder.no_numbers) == (
        (wanted.rows, wanted.placeless, wanted.overlong, wanted.no_numbers)
    )


def test_a_run_is_followed_from_where_it_was(tmp_path: Path) -> None:
    path = log_file(tmp_path, "step,loss", "0,3.0")
    run = Opened(tmp_path)
    reader = run.reader()
    assert values(reader.history(), "loss") == {0: 3.0}
    with path.open("a") as file:
        file.write("1,2.")
    assert not reader.follow()
    append(path, "5")
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 3.0, 1: 2.5}
    assert run.summary().count == 2


def test_a_file_becomes_a_run_with_its_first_row(tmp_path: Path) -> None:
    path = log_file(tmp_path, "step,loss")
    catalog = RunCatalog([tmp_path])
    assert not catalog.refresh().runs
    append(path, "0,3.0")
    assert len(catalog.places[0].refresh_files([str(path)]).runs) == 1


def test_a_file_with_other_rows_is_read_anew(tmp_path: Path) -> None:
    path = log_file(tmp_path, "step,loss", "0,3.0", "1,2.0")
    run = Opened(tmp_path)
    reader = run.reader()
    reader.history()
    log_file(tmp_path, "step,loss", "0,5.0", "1,2.0", "2,1.0", name=path.name)
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 5.0, 1: 2.0, 2: 1.0}
    assert run.summary().stats["loss"].max == 5.0


# ----------------------------------------------------------------------------- counting anew


@pytest.mark.parametrize("again", [(), ("step,loss,val_loss",)])
def test_a_restart_counts_from_its_first_step_on(tmp_path: Path, again: Iterable[str]) -> None:
    path = log_file(tmp_path, "step,loss,val_loss", *(f"{step},3.0," for step in range(10)))
    append(path, "9,,4.0", *again, "5,2.0,", "6,1.0,")
    for history in (Opened(tmp_path).reader().history(), decoded(path.read_bytes())[0]):
        assert values(history, "loss") == {0: 3, 1: 3, 2: 3, 3: 3, 4: 3, 5: 2, 6: 1}
        assert values(history, "val_loss") == {}


def test_a_restart_may_have_other_columns(tmp_path: Path) -> None:
    path = log_file(tmp_path, "step,loss", "0,3.0", "1,2.0", "2,1.5")
    append(path, "acc,loss,step", "0.5,1.0,1")
    history = Opened(tmp_path).reader().history()
    assert values(history, "loss") == {0: 3.0, 1: 1.0}
    assert values(history, "acc") == {1: 0.5}


def test_a_late_evaluation_voids_nothing(tmp_path: Path) -> None:
    rows = (*(f"{step},3.0," for step in range(10)), "5,,4.0", "10,2.0,", "8,,3.5")
    log_file(tmp_path, "step,loss,val_loss", *rows)
    history = Opened(tmp_path).reader().history()
    assert len(values(history, "loss")) == 11
    assert values(history, "val_loss") == {5: 4.0, 8: 3.5}


def test_steps_within_epochs_count_on(tmp_path: Path) -> None:
    rows = [f"{epoch},{step},{epoch}.{step}" for epoch in range(3) for step in (0, 10, 20)]
    path = log_file(tmp_path, "epoch,iter,loss", *rows)
    run = Opened(tmp_path)
    reader = run.reader()
    assert values(reader.history(), "loss") == {
        0: 0.0,
        10: 0.1,
        20: 0.2,
        30: 1.0,
        40: 1.1,
        50: 1.2,
        60: 2.0,
        70: 2.1,
        80: 2.2,
    }
    append(path, "3,0,3.0", "1,10,9.0", "1,20,8.0")  # a restart in the second epoch
    assert reader.follow()
    assert [*values(reader.history(), "loss").values()] == [0.0, 0.1, 0.2, 1.0, 9.0, 8.0]


def test_batches_within_epochs_count_on(tmp_path: Path) -> None:
    log_file(tmp_path, "epoch,batch,loss", "0,0,4.0", "0,1,3.0", "1,0,2.0", "1,1,1.0")
    history = Opened(tmp_path).reader().history()
    assert values(history, "loss") == {0: 4.0, 1: 3.0, 2: 2.0, 3: 1.0}


def test_the_size_of_a_batch_is_no_position(tmp_path: Path) -> None:
    log_file(tmp_path, "epoch,batch,loss", "0,32,4.0", "1,32,3.0")
    assert values(Opened(tmp_path).reader().history(), "loss") == {0: 4.0, 1: 3.0}


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("time", ("2025-02-22T14:00:00+00:00", "2025-02-22 14:00:30.5+00:00")),
        ("timestamp", ("1740232800", "1740232830.5")),
        ("Wall time", ("1740232800000", "1740232830500")),
    ],
)
def test_times_say_when_a_run_began(tmp_path: Path, name: str, times: Sequence[str]) -> None:
    log_file(tmp_path, f"{name},Step,Value", *(f"{time},{i},1.5" for i, time in enumerate(times)))
    run = Opened(tmp_path)
    found = run.summary()
    assert found.start_time is not None
    assert found.duration_seconds == 30.5
    assert run.reader().history().columns["wallclock_time"].tolist() == [0, 30.5]
    assert [*found.stats] == ["Value"]


# -------------------------------------------------------------------------- what is no log


@pytest.mark.parametrize(
    "lines",
    [
        ("",),
        ("step,loss",),
        ("a,b", "1,2"),
        ("step", "1"),
        ("step,text", "1,a", "2,b"),
        ("step,epoch", "1,1", "2,1"),
        ("image,label,step", "a.png,1,0", "b.png,1,1"),  # the first column names what the row is
        ("step,prompt,score", *(f"{i},what is {i}?,0.5" for i in range(9))),
        ("x,y,step", *(f"1,2,{step}" for _ in range(9) for step in range(5))),  # episodes
        ("epoch,price", *(f"{1740232800 + day},1.5" for day in range(9))),  # of 1970
        ("step,x", *(f"3,{row}" for row in range(99))),
        ("step,x", *(f"{row * 7919 % 100},{row}" for row in range(99))),
        ("date,steps", *(f"2025-01-{day:02d},{day * 7919 % 100}" for day in range(1, 30))),
        ("step,x", "-5,2"),
        ("step,event,x", *(f"{step},{event},1" for step, event in enumerate("abcdefgh"))),
        ("step,x", *(f"{step},1" for step in range(9) for _ in range(99))),
    ],
)
def test_tables_of_something_else_are_no_runs(tmp_path: Path, lines: Sequence[str]) -> None:
    log_file(tmp_path, *lines)
    assert not RunCatalog([tmp_path]).refresh().runs


@pytest.mark.parametrize("data", [b"\0" * 5000, "step,loss\n1,2\n".encode("utf-16"), b"\xff\xfe,"])
def test_files_that_are_no_text_are_no_runs(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "log.csv").write_bytes(data)
    assert not RunCatalog([tmp_path]).refresh().runs


def test_a_file_that_a_person_names_is_read_or_explained(tmp_path: Path) -> None:
    path = log_file(tmp_path, "step,x", *(f"3,{row}" for row in range(99)))
    assert Opened(path).summary().stats["x"].last == 98
    log_file(tmp_path, "a,b", "1,2")
    run = Opened(path).summary()
    assert run.status is RunStatus.UNREADABLE
    assert run.problem == "has no first line that names an epoch, step or iteration"


def test_what_we_export_is_no_run(tmp_path: Path) -> None:
    [run] = RunCatalog([track_run(tmp_path, "ours")]).refresh().runs
    catalog = RunCatalog([tmp_path])
    catalog.refresh()
    write_csv(catalog.reader(run.id).history(), tmp_path / "ours.csv")
    assert [found.id for found in RunCatalog([tmp_path]).refresh().runs] == [run.id]


# ---------------------------------------------------------------------------- large and hostile


def test_a_sample_of_a_large_file_has_both_ends(tmp_path: Path) -> None:
    rows = [f"{step},{step / 7},{step * 2}" for step in range(20_000)]
    log_file(tmp_path, "step,loss,tokens", *rows)
    sample = Opened(tmp_path).reader().sample(50)
    steps = sample.columns["iteration"]
    assert 50 <= len(sample) < 10_000
    assert (steps[0], steps[-1]) == (0, 19_999)
    assert np.diff(steps).max() < 1000
    assert (sample.columns["loss"] == steps / 7).all()


def test_steps_of_epochs_are_not_sampled(tmp_path: Path) -> None:
    rows = [f"{epoch},{step},{step / 7}" for epoch in range(50) for step in range(400)]
    log_file(tmp_path, "epoch,step,loss", *rows)
    assert len(Opened(tmp_path).reader().sample(50)) == 20_000


def test_very_many_names_take_bounded_memory(tmp_path: Path) -> None:
    names = ",".join(f"m{number}" for number in range(8000))
    log_file(tmp_path, f"step,loss,{names}", f"0,3.0{',1' * 8000}", "1,2.0", "2,1.0")
    run = Opened(tmp_path)
    assert len(run.summary().stats) < 1100
    assert values(run.reader().history(), "loss") == {0: 3.0, 1: 2.0, 2: 1.0}


def test_very_many_names_leave_the_position(tmp_path: Path) -> None:
    names = [f"{one}{other}" for one in string.ascii_letters for other in string.ascii_letters]
    log_file(tmp_path, ",".join([*names, "step"]), f"{'1,' * len(names)}7")
    assert Opened(tmp_path).summary().iteration == 7


def test_names_that_change_all_the_time_take_bounded_time(tmp_path: Path) -> None:
    rows = (line for number in range(5000) for line in (f"step,m{number}", f"{number},1"))
    log_file(tmp_path, "step,loss", "0,3.0", *rows)
    run = Opened(tmp_path).summary()
    assert run.problem == "4,001 of 9,002 records without a number as step"


def test_short_rows_below_many_names_take_bounded_memory() -> None:
    names = ",".join(f"m{number}" for number in range(900))
    rows = "".join(f"{step}\n" for step in range(20_000))
    tracemalloc.start()
    history, _ = decoded(f"step,{names}\n0{',1' * 900}\n{rows}".encode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(history) == 20_000
    assert peak < 300e6


def test_random_damage_hides_no_more_than_it_touches(tmp_path: Path) -> None:
    rows = [f"{step},{3.0 + step},0.5" for step in range(200)]
    data = "\n".join(["step,loss,acc", *rows, ""]).encode()
    random_bytes = random.Random(7)
    for _ in range(200):
        damaged = bytearray(data)
        at = random_bytes.randrange(20, len(data) - 1)
        damaged[at] ^= 1 << random_bytes.randrange(8)
        history, _ = decoded(bytes(damaged))
        assert len(history) > 0


def test_a_row_of_all_bytes_is_survived() -> None:
    for byte in {*range(256)} - {*b"0123456789"}:
        data = b"step,loss\n1,2.0\n" + bytes([byte]) * 3 + b"," + bytes([byte]) + b"\n3,1.0\n"
        history, _ = decoded(data)
        assert {1, 3} <= values(history, "loss").keys()


def test_a_file_that_begins_with_no_names_is_refused() -> None:
    with pytest.raises(NotThisFormatError, match="names an epoch"):
        decoded(b"1,2\n3,4\n")


def test_python_writes_what_is_read(tmp_path: Path) -> None:
    file = io.StringIO()
    writer = csv.DictWriter(file, ["step", "loss", 'a "name", quoted'])
    writer.writeheader()
    writer.writerow({"step": 1, "loss": 0.1 + 0.2, 'a "name", quoted': 1e-300})
    log_file(tmp_path, file.getvalue())
    history = Opened(tmp_path).reader().history()
    assert history.columns["loss"].tolist() == [0.1 + 0.2]
    assert history.columns['a "name", quoted'].tolist() == [1e-300]
