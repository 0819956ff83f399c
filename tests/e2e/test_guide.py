"""Everything that the guide shows is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from traintop import load_experiment_log

GUIDE = Path(__file__).parents[2] / "EXPERIMENT_TRACKING_GUIDE.md"
PATIENCE_SECONDS = 60.0


class Block(NamedTuple):
    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that a block is, by its first line."""
        named = re.match(r"# (\S+\.py)\n", self.text)
        return named[1] if named else None


def blocks() -> list[Block]:
    text = GUIDE.read_text()
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]


def of_language(language: str) -> list[Block]:
    return [block for block in blocks() if block.language == language]


def run_python(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )


def with_diff_applied(text: str, diff: str) -> str:
    """A file after a diff that shows the whole of it."""
    lines = diff.splitlines()
    assert {line[:1] for line in lines} <= {" ", "+", "-"}
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    assert before == text.partition("\n")[2].rstrip("\n")  # without the line that names the file
    return "\n".join(line[1:] for line in lines if not line.startswith("-"))


def run_until_killed(directory: Path) -> None:
    """Starts the preemptible training, and kills it after its first checkpoint."""
    process = subprocess.Popen([sys.executable, "preemptible.py"], cwd=directory)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (directory / "checkpoint.npz").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in which the guide was followed from its beginning to its end."""
    directory = tmp_path_factory.mktemp("guide")
    environment, path = dict(os.environ), list(sys.path)
    os.environ.pop("TRAINTOP_DIR", None)
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    try:
        follow(directory)
        yield directory
    finally:
        os.chdir(GUIDE.parent)
        sys.path[:] = path
        sys.modules.pop("bigram", None)
        os.environ.clear()
        os.environ.update(environment)


def follow(directory: Path) -> None:
    environment = dict(os.environ)
    for block in blocks():
        if block.language == "diff":
            changed = with_diff_applied((directory / "train.py").read_text(), block.text)
            (directory / "train.py").write_text(changed)
            run_python(directory, "train.py")
        elif block.language == "python" and block.file:
            file = directory / block.file
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
            if block.file == "preemptible.py":
                run_until_killed(directory)
            if file.parent == directory:
                run_python(directory, block.file)
        elif block.language == "python":
            if "pandas" in block.text or "to_dataframe" in block.text:
                try:
                    import pandas  # noqa: F401
                except ImportError:
                    continue
            if "RANK" not in block.text:  # the section on distributed runs is over, or to come
                os.environ.clear()
                os.environ.update(environment)
            # Padded, so that a traceback names the line of the guide.
            code = compile("\n" * (block.line - 1) + block.text, str(GUIDE), "exec")
            exec(code, {"__name__": "__main__"})


def logs(directory: Path, name: str) -> list[dict[str, Any]]:
    paths = sorted((directory / "experiment_logs").glob(f"experiment_{name}_2*.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_the_guide_runs_from_its_beginning_to_its_end(workplace: Path) -> None:
    assert len(of_language("python")) > 10
    assert len(logs(workplace, "hello")[0]["metrics_history"]) == 100


def test_the_changed_loop_records_what_it_should(workplace: Path) -> None:
    [run] = logs(workplace, "baseline")
    records = run["metrics_history"]
    assert [record["iteration"] for record in records] == list(range(200))
    assert [record["gradient_step"] for record in records] == list(range(1, 201))
    evaluated = [record["iteration"] for record in records if record["val_loss"] is not None]
    assert evaluated == [49, 99, 149, 199]
    assert records[-1]["train_loss"] < records[0]["train_loss"]
    assert all(record["tokens_per_sec"] > 0 for record in records)
    assert run["status"] == "finished"
    assert run["notes"] == "The loop of the guide."


def test_a_killed_training_goes_on_in_its_own_file(workplace: Path) -> None:
    [path] = (workplace / "experiment_logs").glob("experiment_preemptible_*.json")
    log = load_experiment_log(path)
    assert [record.iteration for record in log.metrics_history] == list(range(1500))
    assert [record.gradient_step for record in log.metrics_history] == list(range(1, 1501))
    assert log.status == "finished"
    assert len(json.loads(path.read_text())["resumed"]) == 1


def test_only_ranks_that_should_write_do(workplace: Path) -> None:
    assert logs(workplace, "two_nodes") == []
    [run] = logs(workplace, "two_nodes_rank3")
    assert run["run"]["rank"] == 3


def test_the_imports_work_in_a_package_of_ones_own(workplace: Path) -> None:
    package = workplace / "cs336_basics"
    with (package / "__init__.py").open("a") as file:
        file.write('owner = "the student"\n')
    script = """
import cs336_basics
from cs336_basics.experiment_log import ExperimentConfig, ExperimentTracker
from cs336_basics.experiment_analysis import ExperimentAnalyzer
analyzer = ExperimentAnalyzer()
analyzer.load_all()
print(cs336_basics.owner, ExperimentTracker.__module__, len(analyzer.logs) > 5)
"""
    printed = run_python(workplace, "-c", script).stdout.split()
    assert printed == ["the", "student", "cs336_basics.experiment_log", "True"]


def shell_lines(program: str) -> list[str]:
    lines = [line for block in of_language("sh") for line in block.text.splitlines()]
    return [line for line in lines if line.startswith(f"{program} ")]


@pytest.mark.parametrize("line", [*shell_lines("jq"), *shell_lines("grep")])
def test_other_tools_read_the_files(workplace: Path, line: str) -> None:
    if shutil.which(line.split()[0]) is None:
        pytest.skip(f"{line.split()[0]} is not installed")
    done = subprocess.run(
        line, shell=True, cwd=workplace, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip()


@pytest.mark.parametrize("line", shell_lines("traintop"))
def test_the_command_line_knows_what_the_guide_says(workplace: Path, line: str) -> None:
    arguments = shlex.split(line, comments=True)[1:]
    if arguments[0] not in ("demo", "experiment_logs"):
        command = [sys.executable, "-m", "traintop", *arguments]
        done = subprocess.run(
            command, cwd=workplace, capture_output=True, text=True, check=False, timeout=60
        )
        # The guide's own runs give the doctor something to say.
        assert done.returncode in ((0, 1) if arguments[0] == "doctor" else (0,)), done.stderr
        assert done.stdout.strip() or "wrote" in done.stderr
        assert "Traceback" not in done.stderr
    else:
        from traintop.cli import main

        known = main.list_commands(click.Context(main))
        assert arguments[0] in known or arguments == ["experiment_logs"]


def test_links_within_the_guide_and_to_files_lead_somewhere() -> None:
    text = GUIDE.read_text()
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert {target[1:] for target in targets if target.startswith("#")} <= anchors
    files = [target for target in targets if not target.startswith("#")]
    assert files
    assert all((GUIDE.parent / file).exists() for file in files)
