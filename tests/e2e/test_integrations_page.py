"""The scripts of docs/integrations.md are run as they are after the change that it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.runs import OpenedRun

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
RECORDED = {
    "baseline": (100, {"train/loss", "lr"}),
    "gpt": (10, {"iter", "train/loss", "lr", "best"}),
    "gpt-trackio": (10, {"epoch", "train_loss"}),
    "lr_0.1": (100, {"Loss/train", "accuracy/train", "accuracy/val", "hparam/accuracy"}),
}


def scripts() -> list[str]:
    diffs = re.findall(r"^```diff\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return ["\n".join(line[1:] for line in diff.splitlines() if line[:1] != "-") for diff in diffs]


def test_there_is_a_script_for_each_run() -> None:
    assert len(scripts()) == len(RECORDED)


@pytest.mark.parametrize(("name", "script"), [*zip(RECORDED, scripts(), strict=True)])
def test_a_changed_script_records_its_run(tmp_path: Path, name: str, script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    [path] = (tmp_path / "experiment_logs").glob("*.json")
    run: Any = OpenedRun(path).summary()
    records, metrics = RECORDED[name]
    assert (run.name, run.status, run.count) == (name, "finished", records)
    assert set(run.stats) == metrics
    assert "left out" not in done.stderr


@pytest.mark.parametrize("page", [PAGE, PAGE.with_name("recipes.md")], ids=lambda page: page.stem)
def test_links_of_the_page_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        assert not file or (page.parent / file).exists()
        assert file or anchor in anchors
