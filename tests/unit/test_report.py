"""The notebook: generated tables, and what people wrote, which is never touched."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from traintop import ExperimentConfig, ExperimentTracker, RunSummary
from traintop.analysis.report import update_report, write_report
from traintop.store.catalog import RunCatalog

HOSTILE = "a|b`c`<script>alert(1)</script>\n# x [l](http://e.vil) www.e.vil --> **b** \x1b[31m \\"


def train(
    directory: Path, name: str, *, loss: float = 2.0, notes: str = "", **settings: Any
) -> Path:
    config = ExperimentConfig(name, max_iters=3, **settings)
    with ExperimentTracker(config, log_dir=directory, quiet=True) as tracker:
        for i in range(3):
            tracker.log_metrics(iteration=i, train_loss=loss + 1 - i / 10, tokens_per_sec=1000)
            tracker.increment_gradient_step()
        tracker.log_eval(iteration=2, val_loss=loss)
        tracker.finish(train_loss=loss, val_loss=loss, notes=notes)
    return tracker.path


def runs_of(directory: Path) -> tuple[RunSummary, ...]:
    return RunCatalog([directory]).refresh().runs


def headings(document: str) -> list[str]:
    return [line for line in document.splitlines() if re.match(r"##? ", line)]


def section(document: str, heading: str) -> str:
    start = document.index(f"{heading}\n")
    end = document.find("\n## ", start)
    return document[start : end if end >= 0 else None]


def outside_of_blocks(document: str) -> str:
    """What a person may have written: all but the content of the generated blocks."""
    return re.sub(
        r"(<!-- traintop:begin (.*?) -->).*?(<!-- traintop:end \2 -->)",
        r"\1\3",
        document,
        flags=re.DOTALL,
    )


def test_a_new_notebook_has_a_section_for_each_experiment(tmp_path: Path) -> None:
    train(tmp_path, "baseline", loss=2.5, notes="the first one")
    train(tmp_path, "muon", loss=2.25, optimizer_name="Muon")
    document = update_report("", runs_of(tmp_path))
    assert headings(document) == ["# Experiment log", "## Overview", "## `baseline`", "## `muon`"]
    baseline = section(document, "## `baseline`")
    titles = re.findall(r"^### (.*)$", baseline, re.MULTILINE)
    assert titles == ["Hypothesis", "Configuration", "Results", "Observations", "Next steps"]
    assert "`d_model=512`" in baseline
    assert "2.5 @2" in baseline
    assert "notes: `the first one`" in baseline
    assert "`optimizer_name=Muon`" in section(document, "## `muon`")
    overview = section(document, "## Overview")
    assert overview.index("`muon`") < overview.index("`baseline`")  # the best first


def test_a_best_loss_that_no_record_has_names_no_iteration(tmp_path: Path) -> None:
    with ExperimentTracker(ExperimentConfig("run"), log_dir=tmp_path, quiet=True) as tracker:
        tracker.log_metrics(1499, train_loss=3.0)
        tracker.finish(train_loss=2.0, val_loss=2.25)
    assert "| 2.25 | 3 @1,499 |" in update_report("", runs_of(tmp_path))


def test_updating_twice_changes_nothing(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    train(tmp_path, "baseline", seed=1)
    for lr in (1e-4, 1e-3):
        train(tmp_path, f"lr_{lr:.0e}", max_learning_rate=lr)
    train(tmp_path, HOSTILE, notes=HOSTILE)
    runs = runs_of(tmp_path)
    once = update_report("", runs)
    assert update_report(once, runs) == once
    assert update_report(once, reversed(runs)) == once


def test_text_written_by_a_person_is_kept_byte_for_byte(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    document = update_report("", runs_of(tmp_path))
    document = document.replace("What do you expect, and why?", "It will learn.  \t")
    document = document.replace(
        "## `baseline`", "Mine: \u2028 <b>&amp;</b>\x0c\n\n## The *baseline*"
    )
    document += "\n\n\nA last thought, without a newline"
    train(tmp_path, "baseline", loss=1.5)
    train(tmp_path, "wider", loss=1.25, d_model=1024)
    updated = update_report(document, runs_of(tmp_path))
    assert outside_of_blocks(updated).startswith(outside_of_blocks(document))
    assert headings(updated)[-2:] == ["## The *baseline*", "## `wider`"]
    assert "1.5 @2" in section(updated, "## The *baseline*")
    assert updated.count("`baseline@") == 1  # the older run, in the results
    assert update_report(updated, runs_of(tmp_path)) == updated


def test_a_hand_written_notebook_gets_its_tables_at_the_end(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    mine = "My notebook\n===========\n\nDay 1: nothing works."
    updated = update_report(mine, runs_of(tmp_path))
    assert updated.startswith(f"{mine}\n")
    assert headings(updated) == ["## Overview", "## `baseline`"]


def test_what_was_deleted_from_a_section_does_not_come_back(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    document = update_report("", runs_of(tmp_path))
    start, end = document.index("## Overview"), document.index("## `baseline`")
    without_overview = document[:start] + document[end:]
    configuration = re.search(
        r"### Configuration.*?(?=### Results)", without_overview, flags=re.DOTALL
    )
    assert configuration is not None
    shorter = without_overview.replace(configuration[0], "")
    assert update_report(shorter, runs_of(tmp_path)) == shorter


def test_removed_runs_keep_their_section(tmp_path: Path) -> None:
    path = train(tmp_path, "baseline")
    train(tmp_path, "wider", d_model=1024)
    document = update_report("", runs_of(tmp_path))
    before = section(document, "## `baseline`")
    path.unlink()
    updated = update_report(document, runs_of(tmp_path))
    assert section(updated, "## `baseline`") == before
    assert "`baseline`" not in section(updated, "## Overview")


def test_runs_named_alike_are_one_sweep(tmp_path: Path) -> None:
    for lr in (1e-4, 6e-4, 1e-3):
        train(tmp_path, f"lr_{lr:.0e}", max_learning_rate=lr, loss=lr * 1000)
    train(tmp_path, "gpt2", d_model=768, num_heads=12, num_layers=12, vocab_size=50257)
    train(tmp_path, "gpt3", d_model=12288, num_heads=96, num_layers=96, vocab_size=50256)
    document = update_report("", runs_of(tmp_path))
    assert headings(document)[2:] == ["## Sweep `lr_*`", "## `gpt2`", "## `gpt3`"]
    sweep = section(document, "## Sweep `lr_*`")
    order = [sweep.index(f"| `lr_{name}` |") for name in ("1e-04", "6e-04", "1e-03")]
    assert order == sorted(order)  # the best first
    assert "Different in these runs: `max_learning_rate`" in sweep
    assert "| `0.0006` |" in sweep


def test_a_sweep_grows_in_place_and_other_sections_stay(tmp_path: Path) -> None:
    train(tmp_path, "batch_32", batch_size=32)
    document = update_report("", runs_of(tmp_path))
    assert headings(document)[2:] == ["## `batch_32`"]
    train(tmp_path, "batch_64", batch_size=64)
    document = update_report(document, runs_of(tmp_path))
    assert headings(document)[2:] == ["## `batch_32`", "## Sweep `batch_*`"]
    train(tmp_path, "batch_128", batch_size=128)
    document = update_report(document, runs_of(tmp_path))
    assert headings(document)[2:] == ["## `batch_32`", "## Sweep `batch_*`"]
    for name in ("32", "64", "128"):
        assert f"| `batch_{name}` |" in section(document, "## Sweep `batch_*`")


def test_text_from_files_is_only_ever_text(tmp_path: Path) -> None:
    train(tmp_path, HOSTILE, notes=HOSTILE, **{HOSTILE: HOSTILE})
    train(tmp_path, HOSTILE, notes=HOSTILE, **{HOSTILE: 1})
    document = update_report("", runs_of(tmp_path))
    markdown = MarkdownIt("gfm-like", {"html": True, "linkify": True})
    tokens = [token for outer in markdown.parse(document) for token in (outer, *_children(outer))]
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_inline", "strong_open"}
    html = {line for t in tokens if t.type == "html_block" for line in t.content.splitlines()}
    assert html
    assert all(re.fullmatch(r"<!-- traintop:(begin|end) [\w %.~-]+ -->", line) for line in html)
    assert [t.content for t in tokens if t.type == "inline" and t.content.startswith("x ")] == []
    rows = [line for line in document.splitlines() if line.startswith("|")]
    for header, rule in itertools.pairwise(rows):
        if set(rule) <= set("|:- "):
            assert header.count("|") == rule.count("|")
    cells = [len(row.split(" | ")) for row in section(document, "## Overview").splitlines()[4:]]
    assert set(filter(lambda count: count > 1, cells)) == {8}
    assert document.replace("\n", "").isprintable()


def _children(token: Any) -> list[Any]:
    return token.children or []


def test_a_name_cannot_forge_a_block(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    train(tmp_path, "x\n<!-- traintop:begin results experiment baseline -->", notes="-->")
    train(tmp_path, "log all")
    runs = runs_of(tmp_path)
    document = update_report("", runs)
    begins = re.findall(r"^<!-- traintop:begin .*-->$", document, re.MULTILINE)
    assert len(begins) == len(set(begins)) == 1 + 2 * 3
    assert update_report(document, runs) == document


def test_an_opening_marker_without_an_end_swallows_nothing(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    document = update_report("", runs_of(tmp_path))
    broken = document.replace(
        "<!-- traintop:end configuration experiment baseline -->\n", "Mine.\n"
    )
    train(tmp_path, "baseline", loss=1.5, d_model=64)
    updated = update_report(broken, runs_of(tmp_path))
    assert "Mine." in updated
    assert "1.5 @2" in section(updated, "## `baseline`")
    assert outside_of_blocks(updated) == outside_of_blocks(broken)


def test_line_ends_of_windows_are_kept(tmp_path: Path) -> None:
    train(tmp_path, "baseline")
    document = update_report("", runs_of(tmp_path)).replace("\n", "\r\n")
    assert update_report(document, runs_of(tmp_path)) == document
    train(tmp_path, "wider", d_model=1024)
    updated = update_report(document, runs_of(tmp_path))
    assert updated.count("\n") == updated.count("\r\n") > document.count("\r\n")


def test_no_runs_make_an_empty_notebook_that_fills_later(tmp_path: Path) -> None:
    empty = update_report("", ())
    assert headings(empty) == ["# Experiment log", "## Overview"]
    assert update_report(empty, ()) == empty
    train(tmp_path, "baseline")
    filled = update_report(empty, runs_of(tmp_path))
    assert headings(filled)[-1] == "## `baseline`"
    assert "`baseline`" in section(filled, "## Overview")


def test_a_large_sweep_with_repeated_names_is_all_there(tmp_path: Path) -> None:
    for number in range(100):
        train(tmp_path, f"width_{number % 30}", d_model=number % 30, loss=1 + number / 100)
    document = update_report("", runs_of(tmp_path))
    assert headings(document)[2:] == ["## Sweep `width_*`"]
    sweep = section(document, "## Sweep `width_*`")
    assert len(re.findall(r"^\| `width_", sweep, re.MULTILINE)) == 100
    assert len(re.findall(r"^\| `width_", section(document, "## Overview"), re.MULTILINE)) == 30


# ---------------------------------------------------------------------------------- the file


def test_the_file_is_written_once_and_then_left_alone(tmp_path: Path) -> None:
    logs, notebook = tmp_path / "logs", tmp_path / "EXPERIMENT_LOG.md"
    train(logs, "baseline")
    (logs / "experiment_empty_20250101_000000.json").touch()
    first = write_report(logs, notebook)
    assert first.changed
    assert "is empty" in first.notices[0]
    before = notebook.stat()
    second = write_report(logs, notebook)
    assert not second.changed
    assert notebook.stat().st_mtime_ns == before.st_mtime_ns
    assert notebook.stat().st_ino == before.st_ino
    train(logs, "wider", d_model=1024)
    assert write_report(logs, notebook).changed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["EXPERIMENT_LOG.md", "logs"]


def test_bytes_that_are_no_text_are_refused_and_kept(tmp_path: Path) -> None:
    train(tmp_path / "logs", "baseline")
    notebook = tmp_path / "EXPERIMENT_LOG.md"
    notebook.write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match="not UTF-8"):
        write_report(tmp_path / "logs", notebook)
    assert notebook.read_bytes() == b"caf\xe9\n"


def test_a_missing_log_directory_makes_no_notebook(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        write_report(tmp_path / "logs", tmp_path / "EXPERIMENT_LOG.md")
    assert [*tmp_path.iterdir()] == []
