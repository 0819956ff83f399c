"""Names, notes, tags, metrics and settings that attack whoever shows them, in every place."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from tests.e2e.terminal_session import TerminalSession
from tests.sidecars import annotate

from traintop import ExperimentAnalyzer, ExperimentConfig, ExperimentTracker
from traintop.cli import main
from traintop.logfile import LONGEST_NAME
from traintop.store.annotations import AnnotationChange
from traintop.store.sidecars import CONSOLE, sidecar_of

ZERO_WIDTH_JOINER = "\u200d"
"""Of many an emoji; it commands nothing."""

HOSTILE = {
    "path": "../../../etc/passwd",
    "absolute": "/etc/passwd",
    "dots": "..",
    "nul": "a\0b",
    "newlines": "a\nb\r\nc\x0bd\x85e\u2028f",
    "right-to-left": "a\u202egnp.exe\u2066b\u200f",
    "long": "x" * 10_000,
    "emoji": "🚀👩\u200d🔬é\u0301",
    "markup": "[@click=app.quit]x[/] [red]y[/red] [/",
    "ansi": "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
    "osc": "\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x07\x1b]8;;http://x\x1b\\link",
    "c1": "\x9b31m\x90q\x9c\x9d0;t\x9c",
    "formula": '=HYPERLINK("http://x","y")',
    "formulas": "@SUM(A1)\t+1-2",
    "markdown": "a | b\n| --- |\n# heading <script>alert(1)</script> ![](http://x)",
    "report markers": "<!-- traintop:begin --> <!-- traintop:end -->",
    "surrogate": "\ud800",
    "shell": "$(touch pwned); `touch pwned` && touch pwned",
    "format": "{0.__class__} %s %n",
    "json": '"],\n]},"status":"finished","last":{}',
}

KEPT = {text.encode("utf-8", "replace").decode() for text in HOSTILE.values()}
"""The texts as files can hold them."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose ``logs`` has a run for each hostile text, in all its parts."""
    place = tmp_path_factory.mktemp("hostile")
    for text in HOSTILE.values():
        config = ExperimentConfig(experiment_name=text, optimizer=text, **{text: text})
        with ExperimentTracker(config, place / "logs", quiet=True) as tracker:
            for i in range(3):
                tracker.log_metrics(i, 1.0, metrics={text[:LONGEST_NAME]: 0.5})
            tracker.log_eval(2, val_loss=1.0)
            tracker.finish(notes=text)
    return place


def loaded(place: Path) -> ExperimentAnalyzer:
    analyzer = ExperimentAnalyzer(place / "logs")
    analyzer.load_all()
    assert len(analyzer.logs) == len(HOSTILE)
    return analyzer


def traintop(place: Path, *arguments: str) -> str:
    """What a command prints; it must be text, whatever the terminal."""
    with contextlib.chdir(place):
        done = CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert done.exit_code in (0, 1, 2), done.stderr
    for printed in (done.stdout_bytes, done.stderr_bytes):
        assert_is_text(printed.decode())
    return done.stdout


def assert_is_text(text: str) -> None:
    """Nothing in it tells a terminal to do anything."""
    strange = {character for character in text if not character.isprintable()}
    assert strange <= {"\r", "\n", ZERO_WIDTH_JOINER}


def test_no_file_is_made_outside_of_the_log_directory(place: Path) -> None:
    assert [path.name for path in place.iterdir()] == ["logs"]
    files = list((place / "logs").iterdir())
    assert len(files) == len(HOSTILE)
    for file in files:
        assert file.is_file()
        assert len(os.fsencode(file.name)) <= 255
        assert_is_text(file.name)
        assert file.name.startswith("experiment_")


def test_texts_are_kept_as_they_are(place: Path) -> None:
    analyzer = loaded(place)
    kept = {log.config.experiment_name for log in analyzer.logs.values()}
    assert kept == KEPT
    for log in analyzer.logs.values():
        text = log.config.experiment_name
        assert (log.notes, log.config.optimizer) == (text, text)
        assert log.metrics_history[0].metrics == {text[:LONGEST_NAME]: 0.5}
        assert str(log.status) == "finished"


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "--sort", "optimizer"],
        ["doctor"],
        ["compare"],
        ["compare", "--seeds"],
        ["compare", "--markdown"],
        ["plot"],
    ],
    ids=lambda command: " ".join(command).encode("ascii", "backslashreplace").decode(),
)
def test_a_command_prints_text_only(place: Path, command: list[str]) -> None:
    printed = traintop(place, command[0], "logs", *command[1:])
    assert printed.count("\n") >= 5


@pytest.mark.parametrize(
    "command",
    [["best"], ["best", "--importance"], ["best", "--markdown"], ["brief"], ["brief", "--json"]],
    ids=" ".join,
)
def test_what_is_found_out_of_all_runs_is_text(place: Path, command: list[str]) -> None:
    printed = traintop(place, *command, "-d", "logs")
    if "--importance" not in command:
        assert printed.count("\n") >= 4


@pytest.mark.parametrize("kind", ["markup", "ansi", "osc", "c1", "markdown", "long"])
def test_what_sets_hostile_runs_apart_is_text(place: Path, kind: str) -> None:
    text = HOSTILE[kind]
    assert "WHAT DIFFERS" in traintop(place, "why", "-d", "logs", "--", text, HOSTILE["newlines"])
    metric = text[:LONGEST_NAME]
    assert "2 0.5" in traintop(place, "curve", "-d", "logs", "--", text, metric)


@pytest.mark.parametrize("arguments", [["list", "--sort"], ["plot", "--metric"], ["compare"]])
@pytest.mark.parametrize("kind", ["newlines", "ansi", "osc", "c1", "right-to-left"])
def test_an_answer_to_a_hostile_question_is_text(
    place: Path, kind: str, arguments: list[str]
) -> None:
    traintop(place, arguments[0], "logs", *arguments[1:], f"no such {HOSTILE[kind]}")


def test_json_says_what_the_files_say(place: Path) -> None:
    rows = json.loads(traintop(place, "list", "logs", "--json"))["runs"]
    assert {row["experiment_name"] for row in rows} == KEPT
    comparison = json.loads(traintop(place, "compare", "logs", "--json"))
    assert {column["name"] for column in comparison["columns"]} == KEPT
    traintop(place, "doctor", "logs", "--json")


def test_a_table_has_one_row_for_each_run(place: Path) -> None:
    analyzer = loaded(place)
    table = analyzer.get_comparison_table()
    assert_is_text(table)
    assert sum("finished" in line for line in table.splitlines()) == len(HOSTILE)


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


def assert_is_neutral(cell: str) -> None:
    """A spreadsheet does not take it for a formula."""
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        float(cell)


def test_csv_is_text_and_no_formula(place: Path, tmp_path: Path) -> None:
    analyzer = loaded(place)
    for number, name in enumerate(analyzer.logs):
        target = tmp_path / f"{number}.csv"
        analyzer.export_csv(name, target)
        with target.open(newline="") as file:
            text = file.read()
        assert_is_text(text)
        for cell in cells(text):
            assert_is_neutral(cell)
    target = tmp_path / "all.csv"
    traintop(place, "export", "logs", "--output", str(target))
    for text in (
        target.read_text(),
        traintop(place, "list", "logs", "--csv"),
        traintop(place, "compare", "logs", "--csv"),
        traintop(place, "best", "-d", "logs", "--csv"),
        traintop(place, "curve", "-d", "logs", "--csv", "--", HOSTILE["ansi"], HOSTILE["ansi"]),
    ):
        assert_is_text(text)
        for cell in cells(text):
            assert_is_neutral(cell)


@pytest.mark.parametrize("kind", ["markup", "ansi", "osc", "c1", "markdown", "long"])
def test_a_chart_is_text_on_the_terminal(place: Path, kind: str) -> None:
    text = HOSTILE[kind]
    metric = text[:LONGEST_NAME]
    assert "│" in traintop(place, "plot", "--metric", metric, "--", "logs", text)


@pytest.mark.parametrize("kind", ["markup", "ansi", "osc", "c1", "markdown", "long"])
def test_an_svg_is_well_formed_and_only_text_in_it_is_hostile(
    place: Path, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "chart.svg"
    text = HOSTILE[kind]
    traintop(
        place, "plot", "--svg", str(target), "--metric", text[:LONGEST_NAME], "--", "logs", text
    )
    assert_is_text(target.read_text())
    elements = list(ElementTree.parse(target).iter())
    drawn = {"svg", "title", "rect", "clipPath", "g", "path", "polyline", "text"}
    assert {element.tag.rpartition("}")[2] for element in elements} <= drawn
    attributes = {name for element in elements for name in element.attrib}
    assert not any(name.startswith("on") or "href" in name for name in attributes)


def test_the_notebook_is_text_and_nothing_in_it_is_interpreted(place: Path, tmp_path: Path) -> None:
    notebook = tmp_path / "EXPERIMENT_LOG.md"
    traintop(place, "report", "logs", "--output", str(notebook))
    text = notebook.read_text()
    assert_is_text(text)
    assert "<script>" not in text
    again = traintop(place, "report", "logs", "--output", str(notebook))
    assert "Nothing new" in again, "the hostile markers are not taken for its own"
    assert notebook.read_text() == text


# Keys, what they bring to the screen, and the keys that take it away again.
VISITS = [
    ("G", "Cannot be read", ""),
    ("k", "train loss ─", ""),
    ("\r", "l output", ""),
    ("l", "the end of the output", "q"),
    ("", "l output", "q"),
    ("/no such [/] word", "means nothing here", "\x1b"),
    ("o", "columns of the list", "\x1b"),
    ("O", "charts to show", "\x1b"),
    ("zm", "esc back", "\x1b"),
    ("E", "export the chart as", "\r"),
    ("e", "export runs as CSV", "j\r"),
    ("n", "enter saves", "\x1b"),
    ("t", "enter saves", "\x1b"),
    ("y", "Copied", ""),
    ("N", "newest first", "\x1b"),
    ("b", "lowest", "\x1b"),
    ("*c", "21 marked runs", ""),
    ("e", "export the comparison as", "j\r"),
    ("", "21 marked runs", "\x1b"),
    ("\x10", "What do you want to do?", "\x1b"),
    ("?", "traintop · keys", "\x1b"),
]

# What a full-screen program needs to say, and desktop notices and the clipboard with plain text.
SPOKEN = re.compile(
    r"\x1b\[[0-9;:?<>=$]*[A-Za-z]|\x1b[()][AB0]|\x1b[=>78]|\x1b\]22;[a-z]+\x07"
    r"|\x1b\](?:9|777);[^\x00-\x1f\x7f-\x9f]*\x07|\x1b\]52;c;[A-Za-z0-9+/=]*\x07"
)


def test_no_screen_sends_a_hostile_byte_to_the_terminal(place: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    shutil.copytree(place / "logs", logs)
    for path, text in zip(sorted(logs.iterdir()), sorted(KEPT), strict=True):
        annotate(path, AnnotationChange(note=text, added_tags=(text,)))
        printed = f"{''.join(KEPT)}\nthe end of the output"
        sidecar_of(path, CONSOLE).write_text(printed, errors="surrogatepass")
    (logs / f"experiment_{HOSTILE['ansi'].replace('/', '')}.json").write_text("no run")
    (tmp_path / "settings.toml").write_text("desktop_notices = true\nbell = true\n")
    work = tmp_path / "work"
    work.mkdir()
    attack = "".join(HOSTILE[kind] for kind in ("osc", "c1", "ansi", "markup"))
    with TerminalSession(
        logs,
        columns=160,
        lines=48,
        working_directory=work,
        environment={"TRAINTOP_CONFIG": str(tmp_path / "settings.toml")},
    ) as terminal:
        terminal.wait_for("21 runs")
        terminal.wait_for("train loss ─")
        with (
            contextlib.suppress(RuntimeError),
            ExperimentTracker(ExperimentConfig(experiment_name=attack), logs, quiet=True) as run,
        ):
            run.log_metrics(0, float("nan"))
            raise RuntimeError(attack)
        terminal.wait_for("22 runs")
        terminal.wait_for("RuntimeError")
        exports = 0
        for keys, shown, back in VISITS:
            terminal.press(keys)
            terminal.wait_for(shown)
            if back:
                terminal.press(back)
                terminal.wait_for(lambda shown=shown: shown not in terminal.text())
            if back.endswith("\r"):  # one that takes a second opens a dialog, which takes keys
                exports += 1
                terminal.wait_for(lambda n=exports: len([*work.glob("[!.]*")]) == n)
        terminal.wait_for(
            lambda: {path.suffix for path in work.iterdir()} == {".svg", ".csv", ".md"}
        )
        terminal.press("q")
        assert terminal.exit_code() == 0
        received = terminal.received.decode()
    assert "\x1b]777;notify;traintop: " in received
    for raw in ("\x1b[31mred", "\x1b]0;", "\x1b]8;", "cm0gLXJm\x07", "\x9b", "\u202e", "\u2066"):
        assert raw not in received
    assert_is_text(SPOKEN.sub("", received).replace("\x07", ""))  # the bell is switched on
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "work", "settings.toml"}
