"""A comparison as text, Markdown, CSV and JSON, whatever runs are called."""

from __future__ import annotations

import csv
import io
import json

import pytest
from comparison_runs import comparison_run, seeds

from traintop.analysis.compare import Cell, Comparison, Row, columns_of, compare
from traintop.analysis.comparison_text import (
    comparison_csv,
    comparison_document,
    comparison_markdown,
    comparison_table,
    table_cell,
)
from traintop.analysis.groups import grouped
from traintop.tables import json_text
from traintop.text import cell_width, fit_middle

HOSTILE = "=cmd|'x'!A1\n**b** `c` | <i>\x1b[31m"


def hostile() -> Comparison:
    runs = [
        comparison_run("base", settings={"note": "a"}),
        comparison_run(HOSTILE, settings={"note": HOSTILE}),
    ]
    return compare(columns_of(runs))


def test_markdown_shows_any_name_and_setting_as_it_is():
    table = comparison_markdown(hostile())
    lines = table.strip().splitlines()
    assert {line.count("|") for line in lines} == {4}
    assert "\x1b" not in table
    assert "<i>" not in table


def test_no_cell_of_the_csv_is_a_formula():
    rows = [*csv.reader(io.StringIO(comparison_csv(hostile())))]
    assert len(rows) > 3
    for cells in rows:
        for cell in cells:
            assert not cell.startswith(("=", "+", "@"))
            assert cell.isprintable()


def test_csv_has_full_precision_distances_and_winners():
    runs = [comparison_run("base", [0.1 + 0.2]), comparison_run("other", [0.2])]
    rows = list(csv.DictReader(io.StringIO(comparison_csv(compare(columns_of(runs))))))
    last = next(r for r in rows if (r["section"], r["row"]) == ("val_loss", "last"))
    assert float(last["base"]) == 0.1 + 0.2
    assert float(last["other delta"]) == 0.2 - (0.1 + 0.2)
    assert last["best"] == "other"


@pytest.mark.parametrize(
    ("kind", "delta", "percent", "asides"),
    [
        ("seconds", -0.0006, -19.6, ("0.0s", "-19.6%")),
        ("seconds", 0.0006, 0.04, ("0.0s", "0.0%")),
        ("seconds", -0.0, -0.0, ("0", "0%")),
        ("seconds", -12.0, -0.04, ("-12s", "0.0%")),
        ("measure", -0.0006, 230.0, ("-0.0006", "+230%")),
        ("count", -0.4, None, ("0", "")),
    ],
)
def test_a_difference_that_reads_as_zero_has_no_sign(kind, delta, percent, asides):
    row = Row("duration", "", kind, None, ())
    cell = table_cell(row, Cell(value=1.0, delta=delta, percent=percent))
    assert cell.asides[1:] == asides


def test_json_is_strict_and_has_groups():
    comparison = compare(grouped([*seeds("a", 1, {0: 1.0, 1: 2.0}), comparison_run("b", ["NaN"])]))
    document = json.loads(json_text(comparison_document(comparison)), parse_constant=pytest.fail)
    assert [len(column["runs"]) for column in document["columns"]] == [2, 1]
    last = next(r for r in document["rows"] if (r["section"], r["row"]) == ("val_loss", "last"))
    assert last["cells"][0]["n"] == 2
    assert last["cells"][1]["value"] == "NaN"


def test_json_marks_settings_that_nobody_gave():
    given = {"given": ["experiment_name", "lr"]}
    runs = [
        comparison_run("a", settings={"lr": 0.1, "width": 512}, environment=given),
        comparison_run("b", settings={"lr": 0.2, "width": 64}),
    ]
    document = comparison_document(compare(columns_of(runs)))
    cells = {row["row"]: row["cells"] for row in document["rows"]}
    assert cells["width"] == [{"value": 512, "default": True}, {"value": 64}]
    assert cells["lr"] == [{"value": 0.1}, {"value": 0.2}]


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 200])
def test_text_never_outgrows_the_terminal_and_shows_every_run(width):
    runs = [comparison_run(f"run-{i}", [float(i + 1)], settings={"lr": i}) for i in range(7)]
    text = comparison_table(compare(columns_of(runs)), short=True).stacked_text(width)
    assert max(map(cell_width, text.splitlines())) <= width
    if width >= 60:
        for run in runs:
            assert run.name in text
        assert "*" in text


def test_names_are_cut_in_the_middle():
    assert fit_middle("experiment_lr_3e-4", 10) == "expe…_3e-4"
    assert fit_middle("short", 10) == "short"
    assert fit_middle("abc", 0) == ""
    assert all(cell_width(fit_middle("日本語の長い名前", width)) <= width for width in range(1, 12))
