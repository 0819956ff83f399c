"""How runs are named on the command line, and chosen from Python: the same way everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import traintop
from traintop.analysis.run import UnknownNameError
from traintop.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "logs"
    for name, loss in (("lr_1", 3.0), ("lr_2", 1.0), ("base", 2.0)):
        with traintop.ExperimentTracker(
            traintop.ExperimentConfig(name), directory, quiet=True
        ) as tracker:
            tracker.log_metrics(0, train_loss=9.0)
            tracker.log_metrics(5, train_loss=loss, val_loss=loss + 1, metrics={"acc": 1 / loss})
    return directory


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def exported(*arguments: object) -> list[str]:
    """The names of the runs that `traintop export` takes, in their order."""
    done = invoke("export", *arguments, "--output", "-")
    assert done.exit_code == 0, done.output
    return [*dict.fromkeys(line.split(",")[0] for line in done.stdout.splitlines()[1:])]


def test_a_run_is_found_by_any_of_its_names(made: Path) -> None:
    file = next(made.glob("*lr_2*"))
    for reference in ("lr_2", file.stem, file.name, "experiment_lr_2", file, "@best"):
        assert exported("-d", made, reference) == ["lr_2"], reference
    assert exported("-d", made, "b", "@latest") == ["base"]


def test_a_beginning_of_several_names_is_refused(made: Path) -> None:
    done = invoke("plot", "-d", made, "lr")
    assert done.exit_code == 1
    assert "no run named 'lr': 2 runs begin so: lr_2, lr_1" in done.stderr


def test_files_and_directories_are_runs_too(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(next(made.glob("*base*")), other / "experiment_copy_20250101_000000.json")
    assert exported(next(made.glob("*lr_1*")), other) == ["lr_1", "base"]
    monkeypatch.chdir(made.parent)
    assert exported("-d", "logs", "lr_1", other) == ["lr_1", exported("-d", "logs", other)[0]]
    # A directory that is called like a run is not meant by its name.
    (made.parent / "base").mkdir()
    assert exported("-d", "logs", "base") == ["base"]


def test_roots_may_be_several(made: Path, tmp_path: Path) -> None:
    with traintop.ExperimentTracker(
        traintop.ExperimentConfig("elsewhere"), tmp_path, quiet=True
    ) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
    listed = invoke("list", "-d", made, tmp_path)
    assert "elsewhere" in listed.stdout
    assert "lr_1" in listed.stdout
    assert exported("-d", made, "-d", tmp_path, "elsewhere", "lr_1") == ["elsewhere", "lr_1"]


def test_a_directory_before_names_goes_on_to_work(made: Path) -> None:
    done = invoke("compare", made, "lr_1", "lr_2")
    assert done.exit_code == 0
    assert done.stdout == invoke("compare", "-d", made, "lr_1", "lr_2").stdout
    assert f"directories are named with -d now: -d {made} lr_1" in done.stderr


def test_a_filter_keeps_the_runs_that_match(made: Path) -> None:
    assert exported("-d", made, "--filter", "val_loss < 3.5") == ["base", "lr_2"]
    assert exported("-d", made, "lr_1", "lr_2", "-f", "acc > 0.5") == ["lr_2"]
    listed = invoke("list", made, "-f", "acc > 0.5 and lr")
    assert "lr_2" in listed.stdout
    assert "base" not in listed.stdout
    nothing = invoke("list", made, "-f", "acc > 5")
    assert (nothing.exit_code, nothing.stdout) == (1, "None of 3 runs matches.\n")
    mistake = invoke("export", "-d", made, "-f", "acc >", "--output", "-")
    assert mistake.exit_code == 2
    assert "none of" not in mistake.stderr


def test_columns_are_chosen_by_any_name(made: Path) -> None:
    columns = ("-c", "status, val_loss,config.seed,acc")
    headings, _, first, *_ = invoke("list", made, *columns).stdout.splitlines()
    assert headings.split() == ["RUN", "STATUS", "VAL", "LOSS", "seed", "ACC"]
    assert first.split()[:3] == ["lr_2", "finished", "2.0000*"]
    document = json.loads(invoke("list", made, *columns, "--json").stdout)
    assert document["version"] == 1
    assert [*document["runs"][0]] == ["run", "status", "val_loss", "config.seed", "acc"]
    [heading, *_] = invoke("list", made, *columns, "--csv").stdout.splitlines()
    assert heading == "run,status,val_loss,config.seed,acc"
    unknown = invoke("list", made, "-c", "vl_loss")
    assert unknown.exit_code == 2
    assert "no run has 'vl_loss': " in unknown.stderr


def test_runs_are_listed_in_groups(made: Path) -> None:
    options = ("--group-by", "status", "--sort", "name", "-c", "acc")
    lines = invoke("list", made, *options).stdout.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["RUN", "──", "base", "lr_1", "lr_2"]
    assert lines[1].startswith("── finished  3 runs: 3 finished")


@pytest.mark.parametrize("command", ["list --sort acc -f first", "best -n 1"])
def test_a_column_may_be_empty_where_other_runs_have_it(tmp_path: Path, command: str) -> None:
    for name, loss, metrics in (("first", 1.0, {}), ("second", 2.0, {"acc": 0.5})):
        config = traintop.ExperimentConfig(name)
        with traintop.ExperimentTracker(config, tmp_path, quiet=True) as tracker:
            tracker.log_metrics(0, train_loss=loss, metrics=metrics)
    done = invoke(*command.split(), "-d", tmp_path, "-c", "acc,train_loss", "--csv")
    assert done.exit_code == 0, done.output
    assert "first,,1.0" in done.stdout
    none = invoke("best", "acc", "-d", tmp_path, "-f", "first")
    assert (none.exit_code, none.stderr) == (1, "Error: none of 1 run has a finite acc\n")
    assert traintop.open_runs(tmp_path).filter("first").best("acc") is None
    assert invoke("best", "nothing", "-d", tmp_path).exit_code == 2
    assert invoke("curve", "first", "acc", "-d", tmp_path).exit_code == 1


@pytest.mark.parametrize("command", ["list", "compare"])
def test_a_paper_gets_its_table_in_latex(made: Path, command: str) -> None:
    done = invoke(command, made, "--latex")
    assert done.stdout.startswith("\\begin{tabular}{l")
    assert r"\textbf{" in done.stdout
    refused = invoke(command, made, "--latex", "--csv")
    assert (refused.exit_code, refused.stderr.count("--csv and --latex cannot be")) == (2, 1)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("plot -d {} lr", {"lr_1", "lr_2"}),
        ("plot -d {} --metric ac", {"acc"}),
        ("list {} --sort best_v", {"best_val_loss"}),
        ("list -d {} -c name,best_v", {"name,best_val_loss"}),
        ("ta", {"tag"}),
    ],
)
def test_a_shell_completes_what_is_known(
    made: Path, monkeypatch: pytest.MonkeyPatch, line: str, offered: set[str]
) -> None:
    words = f"traintop {line.format(made)}"
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    monkeypatch.setenv("_TRAINTOP_COMPLETE", "bash_complete")
    done = CliRunner().invoke(main, prog_name="traintop")
    found = [line.partition(",") for line in done.stdout.split()]
    assert {name for kind, _, name in found if kind == "plain"} == offered


@pytest.mark.parametrize("place", ["ssh://gpu07/runs", "pipe:touch asked//runs"])
def test_completion_asks_no_other_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAINTOP_DIR", place)
    monkeypatch.setenv("COMP_WORDS", f"traintop show -d '{place}' ")
    monkeypatch.setenv("COMP_CWORD", "4")
    monkeypatch.setenv("_TRAINTOP_COMPLETE", "bash_complete")
    done = CliRunner().invoke(main, prog_name="traintop")
    assert {line.partition(",")[2] for line in done.stdout.split()} == {"@latest", "@best"}
    assert not [*tmp_path.iterdir()]


def test_show_prints_all_that_is_known(made: Path) -> None:
    latest = invoke("show", "-d", made)
    assert latest.stdout.splitlines()[0] == "Run base"
    assert latest.stdout == invoke("show", "-d", made, "@latest").stdout
    both = invoke("show", "-d", made, "-f", "lr").stdout
    assert [line for line in both.splitlines() if line.startswith("Run ")] == [
        "Run lr_2",
        "Run lr_1",
    ]
    document = json.loads(invoke("show", "-d", made, "lr_1", "--json").stdout)
    listed = json.loads(invoke("list", made, "-f", "lr_1", "--json").stdout)
    for each in (document, listed):
        each["runs"][0].pop("eta_seconds")
    assert document == listed
    refused = invoke("show", "-d", made, "lr_1", "--log")
    assert "no output of lr_1 is kept: `traintop run` does that" in refused.stderr


# -- from Python


def test_runs_are_chosen_as_on_the_command_line(made: Path) -> None:
    runs = traintop.open_runs(made)
    assert [run.name for run in runs] == ["base", "lr_2", "lr_1"]
    assert [run.name for run in runs.filter("val_loss < 3.5").sort("val_loss")] == ["lr_2", "base"]
    assert runs["experiment_lr_1"].name == runs[-1].name == "lr_1"
    assert [run.name for run in runs[:2]] == ["base", "lr_2"]
    best = runs.best("acc")
    assert best is not None
    assert (best.name, best.value("acc")) == ("lr_2", 1.0)
    worst = runs.best("acc", "min")
    assert worst is not None
    assert worst.name == "lr_1"


def test_a_run_gives_its_records(made: Path) -> None:
    run = traintop.open_runs(made)["lr_2"]
    assert run.metrics == ("val_loss", "train_loss", "acc")
    iterations, losses = run["train_loss"]
    np.testing.assert_array_equal(iterations, [0, 5])
    np.testing.assert_array_equal(losses, [9.0, 1.0])
    assert len(run["val_loss"].values) == 1
    assert run["val/loss"].values.tolist() == [2.0]
    assert run.config["experiment_name"] == "lr_2"
    with pytest.raises(KeyError, match="no metric 'los'"):
        run["los"]


def test_an_unknown_run_is_a_key_error(made: Path) -> None:
    runs = traintop.open_runs(made)
    with pytest.raises(UnknownNameError, match="no run named 'bse': "):
        runs["bse"]
    assert runs.filter("lr_2").best("acc") is not None
    with pytest.raises(ValueError, match="no run has the metric 'nope'"):
        runs.best("nope")


def test_no_runs_are_no_error(tmp_path: Path) -> None:
    runs = traintop.open_runs(tmp_path)
    assert (len(runs), runs.best(), [*runs.sort()]) == (0, None, [])
    with pytest.raises(KeyError):
        runs["@latest"]


# -- annotations


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "own"))


def test_tags_notes_and_archive_are_written_beside_the_runs(own: Path) -> None:
    before = {path: path.read_bytes() for path in own.glob("*.json")}
    done = invoke("tag", "paper", "-d", own, "lr_1", "base")
    assert done.stdout == "added 'paper' to 2 runs: lr_1, base\n"
    assert exported("-d", own, "-f", "paper") == ["base", "lr_1"]
    invoke("tag", "paper", "-d", own, "--remove", "-f", "base")
    assert exported("-d", own, "-f", "paper") == ["lr_1"]
    assert invoke("note", "-d", own, "lr_1", "warmup\ntoo short").exit_code == 0
    assert invoke("note", "-d", own, "lr_1").stdout == "warmup\ntoo short\n"
    nothing = invoke("note", "-d", own, "base")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert invoke("archive", "-d", own, "-f", "val_loss > 3.5").stdout == "archived 1 run: lr_1\n"
    assert {path: path.read_bytes() for path in own.glob("*.json")} == before


def test_archived_runs_are_left_out_unless_asked_for(own: Path) -> None:
    invoke("archive", "-d", own, "lr_1", "lr_2")
    assert exported("-d", own) == ["base"]
    assert exported("-d", own, "lr_1") == ["lr_1"]
    assert exported("-d", own, "-f", "archived") == ["lr_2", "lr_1"]
    assert "lr_1" not in invoke("list", own).stdout
    assert invoke("list", own, "-f", "archived", "-c", "name").stdout.count("lr_") == 4
    assert "2 are archived: -f archived" in invoke("list", own, "-f", "lr_1").stdout
    invoke("archive", "-d", own, "--restore", "-f", "archived")
    assert len(exported("-d", own)) == 3


@pytest.mark.parametrize("command", [("tag", "x"), ("archive",)])
def test_no_run_is_annotated_because_none_was_named(own: Path, command: tuple[str, ...]) -> None:
    done = invoke(*command, "-d", own)
    assert done.exit_code == 2
    assert "name runs, or choose them with --filter" in done.stderr
    assert not (own / ".traintop").exists()


def test_a_note_that_cannot_be_beside_its_run_is_kept(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # other tests have no such note
    (own / ".traintop").write_text("a file")
    done = invoke("note", "-d", own, "base", "x")
    assert done.exit_code == 0
    assert f"for you alone, on this machine: {own}/.traintop: cannot be written" in done.stdout
    assert invoke("note", "-d", own, "base").stdout == "x\n"


def test_a_note_that_cannot_be_written_is_an_error(own: Path, no_state_folder: Path) -> None:
    (own / ".traintop").write_text("a file")
    done = invoke("note", "-d", own, "base", "x")
    assert done.exit_code == 1
    assert f"cannot save what is said of {own}" in done.stderr
