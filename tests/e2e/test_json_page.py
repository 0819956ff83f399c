"""docs/json.md: each of its schemas holds for what the command of its heading prints."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

import traintop
from traintop.cli import main
from traintop.commands import output

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
DEFINITIONS = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
SECTIONS = re.findall(r"^## `traintop ([^`]*)`\n(.*?)```json\n(.*?)```", PAGE, re.DOTALL | re.M)
NAMED = {
    "why": ["lr_3e-03", "diverged"],
    "compare": ["lr_3e-03", "lr_1e-03", "diverged"],
    "curve": ["diverged", "train_loss"],
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose loss became NaN and whose settings are odd, beside the real ones."""
    directory = tmp_path_factory.mktemp("logs")
    config = traintop.ExperimentConfig("diverged", nested={"lr": float("inf"), "names": [1, "a"]})
    with traintop.ExperimentTracker(config, directory, quiet=True) as tracker:
        tracker.log_metrics(0, train_loss=2.0, metrics={"acc": 0.5})
        tracker.log_metrics(1, train_loss=float("nan"), metrics={"acc": float("inf")})
    return directory


def printed(command: str, logs: Path) -> list[Any]:
    """The documents that a command prints; all strict JSON."""
    name, *options = command.split()
    if name == "watch":
        options.append("--dry-run")  # which ends
    runs = NAMED.get(name, [])
    directories = ["-d", str(ROOT / "experiment_logs")]
    if name != "doctor":
        directories += ["-d", str(logs)]
    done = CliRunner().invoke(main, [name, *runs, *directories, *options])
    assert done.exit_code in (0, 1), done.output
    assert done.stdout, done.output
    documents = done.stdout.splitlines() if name == "watch" else [done.stdout]
    return [json.loads(document, parse_constant=pytest.fail) for document in documents]


@pytest.mark.parametrize(("command", "schema"), [(name, text) for name, _, text in SECTIONS])
def test_a_command_prints_what_its_schema_says(command: str, schema: str, logs: Path) -> None:
    whole = {"type": "object", "additionalProperties": False, **json.loads(schema)}
    validator = jsonschema.Draft202012Validator(whole | {"$defs": DEFINITIONS})
    for document in printed(command, logs):
        validator.validate(document)
        assert document["version"] == output.JSON_VERSION


def test_every_key_of_a_run_is_in_its_schema(logs: Path) -> None:
    for run in printed("list --json", logs)[0]["runs"]:
        assert [*run] == [*DEFINITIONS["run"]["properties"]]


def test_every_command_with_json_has_a_schema() -> None:
    pages = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").split("\n## traintop ")
    with_json = {page.split("\n")[0] for page in pages[1:] if "  --json " in page}
    assert with_json == {name.split()[0] for name, _, _ in SECTIONS} | {"show"}
