"""The command line: what it prints, where it prints it, and how it ends when something is wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.runs import new_tracker, records, track_run, write_run

import traintop
from traintop import ExperimentAnalyzer, ExperimentConfig, ExperimentTracker
from traintop.cli import main
from traintop.directory_memory import DirectoryMemory, memory_path
from traintop.settings import settings_path
from traintop.store import formats


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def process(
    *arguments: object, encoding: str = "utf-8", **streams: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "traintop", *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        command, stderr=subprocess.PIPE, text=True, env=environment, timeout=60, **streams
    )


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    directory.mkdir()
    for name in ("small", "large"):
        write_run(directory / f"experiment_{name}.json", records(5), status="finished")
    return directory


def test_list_prints_a_table_or_exactly_one_document(logs: Path) -> None:
    assert "STARTED" in invoke("list", logs).stdout
    as_json = invoke("list", logs, "--json").stdout
    assert json.loads(as_json)["version"] == 1
    assert len(json.loads(as_json)["runs"]) == 2
    assert as_json.endswith("]}\n")
    assert not as_json.endswith("\n\n")
    assert len(list(csv.DictReader(io.StringIO(invoke("list", logs, "--csv").stdout)))) == 2


def test_list_exits_1_for_a_missing_directory_and_shows_others(logs: Path, tmp_path: Path) -> None:
    assert invoke("list", logs).exit_code == 0
    listed = invoke("list", logs, tmp_path / "gone")
    assert listed.exit_code == 1
    assert listed.stdout == invoke("list", logs).stdout
    assert "gone does not exist" in listed.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_directory_does_not_hide_the_others(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    listed = invoke("list", logs, tmp_path / "closed")
    assert listed.exit_code == 1
    assert listed.stdout == invoke("list", logs).stdout
    assert listed.stderr == f"traintop: {tmp_path / 'closed'} cannot be read: permission denied\n"


def test_list_shows_what_it_is_sorted_by(logs: Path) -> None:
    assert "GRAD NORM" not in invoke("list", logs).stdout
    listed = invoke("list", logs, "--sort", "grad_norm").stdout.split("\n")
    assert "GRAD NORM" in listed[0]
    assert "0.50000" in listed[2]
    track_run(logs, "wide", d_model=2048)
    for name in ("config.d_model", "d_model"):
        listed = invoke("list", logs, "--sort", name).stdout.split("\n")
        assert listed[0].count("d_model") == 1


def test_list_says_which_of_two_meanings_it_sorts_by(tmp_path: Path) -> None:
    track_run(tmp_path, "gave", lr=0.1)
    with ExperimentTracker(ExperimentConfig("logged"), tmp_path, quiet=True) as tracker:
        tracker.log_metrics(0, learning_rate=0.2)
    listed = invoke("list", tmp_path, "--sort", "lr")
    assert listed.stderr == (
        "traintop: sorted by setting lr; for the other meaning of lr: --sort learning_rate\n"
    )
    assert re.search(r"BEST TRAIN .* lr", listed.stdout)
    assert "42 (default)" in invoke("list", tmp_path, "--sort", "config.seed").stdout
    assert invoke("list", tmp_path, "--sort", "learning_rate").stderr == ""


def test_list_as_json_holds_every_metric(logs: Path) -> None:
    with new_tracker(logs) as tracker:
        for iteration, loss in enumerate((3.0, 1.0, 2.0)):
            tracker.log_metrics(iteration, metrics={"loss": loss, "temperature": loss})
    runs = json.loads(invoke("list", logs, "--json").stdout)["runs"]
    [found] = [run["metrics"] for run in runs if run["run"] == "baseline"]
    assert found["train_loss"] == {"last": 2.0, "best": 1.0, "best_iteration": 1, "mean": 2.0}
    unknown = {"last": 2.0, "best": None, "best_iteration": None, "mean": 2.0}
    assert found == {"train_loss": found["train_loss"], "temperature": unknown}


def test_commands_and_scripts_know_what_was_answered_in_the_ui(logs: Path) -> None:
    for name, alpha in (("low", 1.0), ("high", 2.0)):
        with new_tracker(logs, name) as tracker:
            tracker.log_metrics(0, alpha=alpha, beta=alpha)
    assert "alpha best" not in invoke("compare", logs, "low", "high").stdout
    settings_path().write_text('[directions]\nalpha = "lower"\nbeta = "lower"')
    DirectoryMemory(memory_path(), [logs]).remember({"directions": [["alpha", "higher"]]})
    try:
        compared = invoke("compare", logs, "low", "high", "--json").stdout
        listed = invoke("list", logs, "--sort", "alpha").stdout
        best = [ExperimentAnalyzer(logs).get_best_experiment(name) for name in ("alpha", "beta")]
    finally:
        settings_path().unlink()
        DirectoryMemory(memory_path(), [logs]).remember({})
    rows = {(r["section"], r["row"]): r for r in json.loads(compared)["rows"]}
    assert [cell["best"] for cell in rows["alpha", "best"]["cells"]] == [False, True]
    assert [cell["best"] for cell in rows["beta", "best"]["cells"]] == [True, False]
    assert [line.split()[0] for line in listed.split("\n")[2:4]] == ["high", "low"]
    assert "2.0000*" in listed
    assert best == [("high", 2.0), ("low", 1.0)]


def test_an_unknown_sort_key_is_answered_with_the_nearest_ones(logs: Path) -> None:
    refused = invoke("list", logs, "--sort", "best_val")
    assert refused.exit_code == 2
    assert "'best_val_loss'" in refused.stderr
    assert invoke("list", logs, "--sort", "best_val_loss").exit_code == 0


def test_a_misspelled_command_is_no_directory_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = invoke("lst")
    assert refused.exit_code == 2
    assert "did you mean `traintop list`?" in refused.stderr
    named = invoke("shwo", "baseline", "--json")
    assert "did you mean `traintop show`?" in named.stderr
    for directory in ("./lst", "logs", "runs", "experiments"):
        assert "needs a terminal" in invoke(directory).stderr
    assert "there is no format 'nope'" in invoke("--format", "nope", "logs").stderr
    (tmp_path / "lst").mkdir()
    assert "needs a terminal" in invoke("lst").stderr


def test_the_csv_of_no_runs_has_its_headings(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    headings, *runs = invoke("list", tmp_path / "none", "--csv").stdout.splitlines()
    assert runs == []
    assert invoke("list", logs, "--csv").stdout.splitlines()[0].startswith(headings)
    assert headings.startswith("run,run_id,path,experiment_name,status,")


def test_documents_are_utf_8_and_text_printable_in_any_locale(tmp_path: Path) -> None:
    for name, file_name in (("日本語", b"experiment_\xff.json"), ("naïve", b"experiment_1.json")):
        path = write_run(tmp_path / "run", records(2), config={"experiment_name": name})
        os.rename(path, os.fsencode(tmp_path) + b"/" + file_name)
    for command in ("list", "compare"):
        for style in ("--json", "--csv"):
            done = process(command, tmp_path, style, encoding="latin-1", stdout=subprocess.PIPE)
            assert (done.returncode, done.stderr) == (0, "")
            assert "日本語" in done.stdout
            assert "naïve" in done.stdout
    for command in ("list", "compare", "plot"):
        done = process(command, tmp_path, encoding="latin-1", stdout=subprocess.DEVNULL)
        assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "table").open("wb") as table:
        process("list", tmp_path, encoding="latin-1", stdout=table)
    _, rule, *runs = (tmp_path / "table").read_text("latin-1").splitlines()
    assert set(rule) == {"-"}
    assert any("naïve" in run for run in runs)


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="needs a name of the output")
def test_what_is_written_to_the_output_of_a_pipe_is_printed(logs: Path) -> None:
    for command, option, start in (
        ("report", "--output", "# Experiment log\n"),
        ("export", "--output", "run,iteration,"),
        ("plot", "--svg", "<svg "),
    ):
        done = process(command, logs, option, "/dev/stdout", stdout=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(start)
        assert done.stderr.endswith(" /dev/stdout\n")


def test_help_and_version_are_no_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in ("help", "version"):
        assert f"did you mean `traintop --{word}`?" in invoke(word).stderr


def test_a_closed_pipe_is_no_error(logs: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed_pipe:
        assert process("list", logs, "--json", stdout=closed_pipe).stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_os_error_is_one_line(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "wb") as full:
        listed = process("list", logs, stdout=full)
    assert (listed.returncode, listed.stderr) == (1, "Error: No space left on device\n")
    notebook = tmp_path / "gone" / "LOG.md"
    report = invoke("report", logs, "--output", notebook)
    assert report.exit_code == 1
    assert report.stderr == f"Error: {notebook}: No such file or directory\n"
    (tmp_path / "file").touch()
    demo = invoke("demo", "--headless", "--dir", tmp_path / "file" / "logs")
    assert demo.exit_code == 1
    assert demo.stderr == f"Error: {tmp_path / 'file' / 'logs'}: Not a directory\n"


def test_list_says_how_many_lines_are_damaged(tmp_path: Path) -> None:
    path = track_run(tmp_path, "harmed")
    path.write_bytes(path.read_bytes().replace(b'{"iteration":1,', b'{"iteration"!1,'))
    result = invoke("list", tmp_path)
    assert result.exit_code == 0
    assert "has 1 damaged line, left out" in result.output


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"no events in this")
    listed = invoke("list", tmp_path)
    assert listed.exit_code == 1
    assert "not read: 1 TensorBoard event file (" in listed.stderr
    assert "traintop reads what `traintop formats` lists" in listed.stderr
    diagnosed = invoke("doctor", tmp_path, "--json")
    assert "not read: 1 TensorBoard event file (" in diagnosed.stdout


def test_the_file_of_a_run_is_as_good_as_its_directory(logs: Path) -> None:
    path = min(logs.glob("*.json"))
    listed = invoke("list", path)
    assert len(listed.stdout.splitlines()) == 3
    for name in ("a.csv", "a.bin"):
        (logs / name).write_text("")
    for wrong, words in (
        ("gone.json", "there is no file"),
        ("a.bin", "is not the log of a run"),
        ("a.csv", "is empty"),
    ):
        refused = invoke(logs / wrong)
        assert refused.exit_code == 1
        assert words in refused.stderr


@pytest.mark.parametrize("command", ["doctor", "report"])
def test_who_needs_a_directory_asks_for_it(logs: Path, command: str) -> None:
    done = invoke(command, min(logs.glob("*.json")))
    assert done.exit_code == 1
    assert "is not a directory" in done.output
    assert "name the" in done.output


@pytest.fixture
def _any_format():
    yield
    formats._forced = None
    formats.run_formats.cache_clear()


@pytest.mark.usefixtures("_any_format")
def test_a_file_of_any_name_is_read_in_the_format_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "weird.dat").write_text("epoch,loss\n0,3.0\n1,2.5\n")
    assert "No runs in" in invoke("list", tmp_path / "weird.dat").stdout
    listed = invoke("list", tmp_path / "weird.dat", "--format", "csv").stdout
    assert "2.5000" in listed
    assert "No runs in" in invoke("list", tmp_path, "--format", "csv").stdout
    refused = invoke("list", tmp_path, "--format", "excel")
    assert refused.exit_code == 2
    assert "there is no format 'excel'" in refused.stderr


def test_former_names_of_options_go_on_with_a_hint(logs: Path) -> None:
    done = CliRunner().invoke(main, ["export", "-d", str(logs), "--out", "-"])
    assert (done.exit_code, done.stderr) == (0, "traintop: --out is --output now\n")
    both = CliRunner().invoke(main, ["export", "-d", str(logs), "--output", "-", "--out", "x"])
    assert both.stdout == done.stdout
    assert not Path("x").exists()
    assert "--log-dir is --dir now" in invoke("demo", "--headless", "--log-dir", __file__).stderr
    assert "--out " not in CliRunner().invoke(main, ["export", "--help"]).stdout


@pytest.mark.parametrize("command", ["doctor", "report", "list", "mcp -d"])
def test_a_root_that_is_none_is_a_mistake_in_the_command(command: str) -> None:
    for root in ("ssh://", "s3://", "@nope"):
        done = CliRunner().invoke(main, [*command.split(), root])
        assert done.exit_code in (1, 2)
        assert done.stderr.startswith(("Usage:", "Error:"))
        assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    "command", ["http://box/runs", "list sftp://box/runs", "show -d @lab", "show -d S3://lab"]
)
def test_an_address_of_no_known_place_is_refused(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[roots]\nlab = ["http://box/runs"]')
    monkeypatch.setenv("TRAINTOP_CONFIG", str(settings))
    done = CliRunner().invoke(main, command.split())
    assert (done.exit_code, "an address begins with ssh://" in done.stderr) == (2, True)
    with pytest.raises(ValueError, match="an address begins with ssh://"):
        traintop.open_runs("http://box/runs")


@pytest.mark.parametrize(
    "command",
    [
        "run -d ssh://box/runs -- true",
        "demo --headless -d s3://lab/runs",
        "export --output ssh://box/runs.csv",
        "export --parquet s3://lab/runs",
        "pull s3://lab/runs ssh://box/runs",
    ],
)
def test_an_address_is_no_path_to_write_to(
    logs: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(logs.parent)
    before = {*logs.parent.iterdir()}
    done = CliRunner().invoke(main, command.split())
    assert (done.exit_code, "is elsewhere; name a path" in done.stderr) == (2, True)
    assert {*logs.parent.iterdir()} == before


def test_the_page_of_commands_is_made_from_the_program() -> None:
    maker = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "make_commands.py"))
    assert maker["PAGE"].read_text(encoding="utf-8") == maker["page"](), (
        "run: python docs/make_commands.py"
    )
