"""CSV files: exact, harmless, and whole or not there at all."""

from __future__ import annotations

import csv
import io
import math
import os
import stat
from pathlib import Path

import pytest

from traintop.analysis import export
from traintop.analysis.export import (
    replacing_file,
    write_csv,
    write_new,
    write_runs,
)
from traintop.store.history import History

HEADER = (
    "iteration,gradient_step,wallclock_time,train_loss,val_loss,"
    "learning_rate,tokens_per_sec,iter_time_ms"
)


def history(**columns: list[object]) -> History:
    length = len(columns["iteration"])
    fields = HEADER.split(",")
    return History.from_columns({**{field: [None] * length for field in fields}, **columns})


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_header_is_as_documented_with_extra_metrics_after(tmp_path: Path) -> None:
    written = write_csv(history(iteration=[0], grad_norm=[1.5]), tmp_path / "run.csv")
    assert written.read_text().splitlines()[0] == f"{HEADER},grad_norm"


def test_an_empty_run_has_a_header_alone(tmp_path: Path) -> None:
    path = write_csv(history(iteration=[]), tmp_path / "run.csv")
    assert path.read_text() == f"{HEADER}\n"


def test_numbers_keep_full_precision_and_counts_stay_integers(tmp_path: Path) -> None:
    losses = [0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, math.pi]
    run = history(iteration=[0, 1, 2, 3, 4.5], gradient_step=[1, 2, 3, 4, 5], train_loss=losses)
    rows = rows_of(write_csv(run, tmp_path / "run.csv"))
    assert [float(row["train_loss"]) for row in rows] == losses
    assert [row["iteration"] for row in rows] == ["0", "1", "2", "3", "4.5"]
    assert [row["gradient_step"] for row in rows] == ["1", "2", "3", "4", "5"]


def test_not_measured_is_empty_and_differs_from_nan(tmp_path: Path) -> None:
    values = [None, "NaN", "Infinity", "-Infinity", 1.0]
    run = history(iteration=[0, 1, 2, 3, 4], val_loss=values)
    rows = rows_of(write_csv(run, tmp_path / "run.csv"))
    assert [row["val_loss"] for row in rows] == ["", "nan", "inf", "-inf", "1.0"]
    assert {row["train_loss"] for row in rows} == {""}


def test_pandas_reads_it_as_it_was(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas reads the file here; it is optional")
    losses = [2.5, 1 / 3, 1e-12]
    run = history(iteration=[0, 1, 2], train_loss=losses, val_loss=[None, "Infinity", 2.0])
    path = write_csv(run, tmp_path / "run.csv")
    frame = pandas.read_csv(path)
    assert frame["iteration"].dtype == "int64"
    assert frame["train_loss"].tolist() == pytest.approx(losses, rel=1e-15)
    assert frame["val_loss"].isna().tolist() == [True, False, False]
    assert frame["val_loss"].tolist()[1:] == [math.inf, 2.0]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "＝", "\x1b="])
def test_text_cannot_be_a_formula(tmp_path: Path, start: str) -> None:
    metric = f"{start}HYPERLINK(1)"
    path = write_csv(history(iteration=[0], **{metric: [1.0]}), tmp_path / "run.csv")
    name = next(csv.reader(io.StringIO(path.read_text())))[-1]
    assert name.startswith("'")
    assert name.isprintable()


def test_several_runs_stand_below_one_another(tmp_path: Path) -> None:
    runs = {
        "baseline": history(iteration=[0, 1], train_loss=[3.0, 2.0]),
        "=evil": history(iteration=[5], grad_norm=[1.0]),
    }
    path = tmp_path / "runs.csv"
    with replacing_file(path) as file:
        write_runs(file, runs.items, ["train_loss", "grad_norm"])
    rows = rows_of(path)
    assert [row["run"] for row in rows] == ["baseline", "baseline", "'=evil"]
    assert [row["iteration"] for row in rows] == ["0", "1", "5"]
    assert [row["grad_norm"] for row in rows] == ["", "", "1.0"]


def test_an_older_file_stays_whole_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("old")

    def fail_halfway() -> None:
        with replacing_file(path) as file:
            file.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["run.csv"]


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("old, and longer than what comes\n" * 100)
    write_csv(history(iteration=[0]), path)
    assert path.read_text().splitlines()[0] == HEADER
    assert os.listdir(tmp_path) == ["run.csv"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = write_csv(history(iteration=[0]), tmp_path / "run.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_symbolic_link_keeps_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "there" / "run.csv")
    write_csv(history(iteration=[0]), link)
    assert link.is_symlink()
    assert (tmp_path / "there" / "run.csv").read_text().startswith(HEADER)


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_csv(history(iteration=[0]), Path(os.devnull))
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_long_file_name_fits(tmp_path: Path) -> None:
    path = write_csv(history(iteration=[0]), tmp_path / ("n" * 251 + ".csv"))
    assert path.exists()


def test_a_missing_directory_is_named_as_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "run.csv"
    with pytest.raises(FileNotFoundError) as caught:
        write_csv(history(iteration=[0]), path)
    assert caught.value.filename == str(path)


def test_a_new_file_takes_the_first_free_name(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_text("mine")
    (tmp_path / "run_2.csv").symlink_to(tmp_path / "nowhere")
    written = write_new(tmp_path, "run", ".csv", lambda file: file.write("x"))
    assert written == tmp_path / "run_3.csv"
    assert written.read_text() == "x"
    assert (tmp_path / "run.csv").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["run.csv", "run_2.csv", "run_3.csv"]


def test_a_new_file_needs_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(export.os, "link", refuse)
    (tmp_path / "run.csv").write_text("mine")
    written = write_new(tmp_path, "run", ".csv", lambda file: file.write("x"))
    assert written.name == "run_2.csv"
    assert sorted(os.listdir(tmp_path)) == ["run.csv", "run_2.csv"]


def test_a_new_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def fail(file: io.TextIOBase) -> None:
        file.write("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_new(tmp_path, "run", ".csv", fail)
    assert os.listdir(tmp_path) == []


def test_late_metrics_make_the_export_start_anew(tmp_path: Path) -> None:
    runs = {"a": history(iteration=[0], a=[1.0]), "b": history(iteration=[1], b=[2.0])}
    path = write_new(tmp_path, "all", ".csv", lambda file: write_runs(file, runs.items, ["a"]))
    rows = rows_of(path)
    assert [(row["run"], row["a"], row["b"]) for row in rows] == [
        ("a", "1.0", ""),
        ("b", "", "2.0"),
    ]
    assert os.listdir(tmp_path) == ["all.csv"]


def test_long_runs_are_written_in_portions_with_progress(tmp_path: Path) -> None:
    count = 20_000
    run = history(iteration=list(range(count)), train_loss=[0.5] * count)
    told: list[int] = []
    with (tmp_path / "run.csv").open("w") as file:
        export.write_records(file, run, told.append)
    assert sum(told) == count
    assert len(told) > 1
    assert [row["iteration"] for row in rows_of(tmp_path / "run.csv")] == list(
        map(str, range(count))
    )
