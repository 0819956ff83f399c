"""What ``python -m tests.benchmarks --peers`` works out and writes; it measures nothing here."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.benchmarks.peers.questions import QUESTIONS
from tests.benchmarks.peers.report import HEADING, section, with_section
from tests.benchmarks.peers.results import (
    Answer,
    Results,
    answer,
    decode,
    encode,
    exponent,
    growth,
    with_ratios,
)

_ROOT = Path(__file__).parents[2]

RESULTS = Results(
    date="2026-01-02 03:04",
    minutes=20.0,
    machine="A machine, 2 cores.",
    load_before=(0.5, 0.25, 0.0),
    load_after=(2.0, 1.0, 0.5),
    versions={"traintop": {"traintop": "1.0", "python": "3.11"}, "aim": {"aim": "3.0"}},
    missing={"mlflow": "could not be installed: no matching distribution"},
    answers={
        question.name: with_ratios(
            {"traintop": answer([1.0, 2.0, 3.0]), "aim": Answer(reason="it cannot")}
            if question.name == "curve"
            else {"traintop": answer([1.0]), "aim": answer([4.0])}
        )
        for question in QUESTIONS
    },
    growth={
        "table": {"traintop": growth({100: 0.1, 1000: 1.0}, ""), "aim": growth({100: 2.0}, "slow")},
        "curve": {"traintop": growth({}, "")},
    },
)


def test_exponent_is_the_power_of_the_size() -> None:
    assert exponent({10: 3.0, 100: 300.0, 1000: 30_000.0}) == pytest.approx(2.0)
    assert exponent({10: 5.0, 1000: 5.0}) == pytest.approx(0.0)
    assert exponent({10: 5.0}) is None


def test_answer_has_median_and_quartiles() -> None:
    assert answer([5.0, 1.0, 2.0, 3.0, 4.0]) == Answer(3.0, (2.0, 4.0), count=5)
    assert answer([7.0]) == Answer(7.0, None, count=1)


def test_ratio_is_to_the_best_of_the_others() -> None:
    answers = {"traintop": answer([1.0]), "aim": answer([4.0]), "wandb": answer([2.0])}
    assert {name: each.ratio for name, each in with_ratios(answers).items()} == {
        "traintop": 0.5,
        "aim": 2.0,
        "wandb": 1.0,
    }
    assert with_ratios(answers, more_is_better=True)["traintop"].ratio == 0.25


def test_no_ratio_to_nothing() -> None:
    none = {"traintop": answer([1.0]), "aim": Answer(reason="it cannot"), "wandb": answer([0.0])}
    assert with_ratios(none) == none
    assert with_ratios({"traintop": answer([1.0])})["traintop"].ratio is None


def test_table_has_a_row_for_each_tool() -> None:
    rows = section(RESULTS).splitlines()
    assert "| Aim | 2.00 s | — | — |" in rows
    assert "| traintop | 100 ms | 1.00 s | 1.00 |" in rows
    assert "| traintop | 1.00 s, **0.25 x** | 2.00 s (1.50 s – 2.50 s) |" in rows


def test_what_has_no_figure_is_given_a_reason() -> None:
    text = section(RESULTS)
    assert "- Aim, *curve of 1,000,000 steps*: it cannot." in text
    assert "- Aim: slow." in text
    assert "MLflow, SQLite: could not be installed: no matching distribution." in text


def test_section_replaces_only_itself() -> None:
    page = "# Performance\n\n## A log call\n\nText.\n"
    once = with_section(page, RESULTS)
    assert once == f"{page}\n{section(RESULTS)}"
    changed = msgspec.structs.replace(RESULTS, date="2027-01-02 03:04")
    assert with_section(once, changed) == f"{page}\n{section(changed)}"
    assert once.count(HEADING) == 1


def test_results_are_read_back_as_they_were() -> None:
    assert decode(encode(RESULTS)) == RESULTS


def test_page_shows_the_results_that_are_kept() -> None:
    results = decode((_ROOT / "tests/benchmarks/peers/results.json").read_bytes())
    page = (_ROOT / "docs/performance.md").read_text()
    assert with_section(page, results) == page
