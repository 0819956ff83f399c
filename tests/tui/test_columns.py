import math

import pytest
from tui_runs import DIRECTORY, NOW, make_run

from traintop.model import MetricStats, RunStatus, RunSummary
from traintop.text import cell_width
from traintop.tui.columns import COLUMNS, format_heading, format_row, lay_out
from traintop.tui.lines import line_text, line_width


def row(run, width=120):
    return line_text(format_row(run, lay_out(width), NOW))


def test_a_row_has_all_that_the_list_promises():
    text = row(make_run("baseline", iteration=41))
    assert text.split() == [
        *("●", "run", "baseline", "42/100", "42%", "2.500", "2.750", "121k", "29s"),
        "1h",
    ]


@pytest.mark.parametrize("width", range(1, 140))
@pytest.mark.parametrize("name", ["lr_1e-03", "日本語の実験" * 9, "x" * 300, "\x1b[31m\n"])
def test_a_row_is_exactly_as_wide_as_its_layout_at_any_width(width, name):
    layout = lay_out(width)
    runs = [
        make_run(name, path=make_run("a").path),
        make_run(name, status=RunStatus.UNREADABLE, problem="not JSON\x1b]0;title\x07", last=None),
    ]
    heading = line_width(format_heading(layout, "loss", True))
    for run in runs:
        line = format_row(run, layout, NOW)
        assert line_width(line) == heading
        assert line_text(line).isprintable()
    assert heading <= max(width, 9)  # two marks, a gap, and six cells of a name


def test_what_matters_least_goes_first_when_width_is_short():
    shown = [[column.key for column, _ in lay_out(width).columns] for width in (100, 70, 40, 12)]
    assert shown[0] == list(COLUMNS)
    assert "progress" not in shown[1]
    assert "age" in shown[1]
    assert shown[2] == ["status", "name", "loss", "val"]
    assert shown[3] == ["status", "name"]


def test_eighty_columns_show_everything():
    assert [column.key for column, _ in lay_out(77).columns] == list(COLUMNS)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2.5, "2.500"),
        (2.70234, "2.702"),
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (1.23456e-7, "1.23e-07"),
        (-1.23456e-7, "-1.2e-07"),
        (123456.7, "123457"),
        (1.5e300, "1.5e+300"),
        (-1.5e-300, "-2e-300"),
        (0.0, "0"),
    ],
)
def test_a_loss_is_shortened_in_its_digits_and_never_cut(value, shown):
    stats = {"train_loss": MetricStats(count=1, last=value)}
    assert shown in row(make_run("a", stats=stats)).split()


def test_missing_values_are_dashes_and_a_stalled_run_has_no_known_end():
    fresh = make_run("fresh", last=None, stats={}, best_val_loss=None, start_time=None, config={})
    assert row(fresh).split() == ["●", "run", "fresh", *"–––––––"]
    assert row(make_run("a", status=RunStatus.STALLED)).split()[-2] == "?"


def test_an_unreadable_file_shows_its_name_and_the_reason():
    path = DIRECTORY / "broken.json"
    text = row(RunSummary(path=path, status=RunStatus.UNREADABLE, problem="permission denied"))
    assert text.split() == ["!", "file", "broken", "permission", "denied"]


def test_every_status_differs_without_colour():
    marks = {row(make_run("a", status=status))[:7] for status in RunStatus}
    narrow = {row(make_run("a", status=status), width=9)[:2] for status in RunStatus}
    assert len(marks) == len(narrow) == len(RunStatus)


def test_the_heading_marks_the_sorted_column():
    text = line_text(format_heading(lay_out(100), "val", False))
    assert "BESTVAL↑" in text
    assert cell_width(text) == 100
    assert "TOK/S↓" in line_text(format_heading(lay_out(100), "throughput", True))
