import math

import pytest
from tests.runs import DIRECTORY, NOW, make_run, make_runs
from tui_runs import line_text

from traintop.lines import line_width
from traintop.model import MetricStats, RunStatus, RunSummary
from traintop.text import cell_width
from traintop.tui.columns import (
    DEFAULT_CHOICES,
    DEFAULT_COLUMNS,
    ColumnChoice,
    RowContext,
    column_of,
    offered_columns,
)
from traintop.tui.main.row_layout import format_heading, format_row, lay_out
from traintop.tui.rows import RunRows

USUAL = [key for key in DEFAULT_COLUMNS if key != "gpu/mean/utilization"]
"""Those of runs without GPUs."""


def row(run, width=120):
    return line_text(format_row(run, lay_out(width), RowContext(NOW)))


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
        make_run(name, id=make_run("a").id),
        make_run(name, status=RunStatus.UNREADABLE, problem="not JSON\x1b]0;title\x07", last=None),
    ]
    heading = line_width(format_heading(layout, "train_loss", True))
    for run in runs:
        line = format_row(run, layout, RowContext(NOW))
        assert line_width(line) == heading
        assert line_text(line).isprintable()
    assert heading <= max(width, 9)  # two marks, a gap, and six cells of a name


def test_names_keep_what_differs():
    runs = [make_run("sweep_lr_1e-03_seed9"), make_run("sweep_lr_2e-03_seed10")]
    context = RowContext(NOW, short_name=RunRows(runs).short_name)
    shown = [column_of("name").text(run, context, 14) for run in runs]
    assert shown == ["…1e-03_seed9", "…2e-03_seed10"]


def test_runs_of_one_name_have_their_time():
    runs = [
        make_run("again", id=f"experiment_again_2025022{day}_140530.json", start_time=start)
        for day, start in ((2, "2025-02-22T14:05:30"), (3, "2025-02-23T14:05:30"))
    ]
    rows = RunRows(runs)
    assert [rows.short_name(run, 40) for run in runs] == ["again@20250222_140530", "again"]
    assert rows.short_name(runs[0], 14) == "again@20250222"[:5] + "@140530"


@pytest.mark.parametrize("any_eta", [True, False])
def test_a_long_name_comes_before_percentage_and_empty_eta(any_eta):
    usual = {column.key: width for column, width in lay_out(76).columns}
    layout = lay_out(76, name_width=24, any_eta=any_eta)
    widths = {column.key: width for column, width in layout.columns}
    assert {"progress", "eta"} <= usual.keys()
    assert "progress" not in widths
    assert ("eta" in widths) is any_eta
    assert widths["name"] > usual["name"]


def test_an_empty_eta_is_the_first_to_go():
    choices = (*DEFAULT_CHOICES, ColumnChoice("git_commit"))
    shown = [
        {column.key for column, _ in lay_out(76, choices, any_eta=any_eta).columns}
        for any_eta in (True, False)
    ]
    assert "eta" in shown[0] - shown[1]
    assert "age" in shown[1] - shown[0]


def test_an_unreadable_file_is_named_in_full_with_the_reason():
    name = "experiment_torn_20260101_000000"
    run = make_run(name, status=RunStatus.UNREADABLE, problem="is a named pipe, not a file")
    text = row(run, 90)
    assert name in text
    assert "is a named pipe, not a file" in text


def test_the_least_important_column_goes_first():
    shown = [[column.key for column, _ in lay_out(width).columns] for width in (100, 70, 40, 12)]
    assert shown[0] == USUAL
    assert "progress" not in shown[1]
    assert "age" in shown[1]
    assert shown[2] == ["status", "name", "train_loss", "best_val_loss"]
    assert shown[3] == ["status", "name"]


def shown_keys(width, *choices):
    layout = lay_out(width, choices) if choices else lay_out(width)
    return [column.key for column, _ in layout.columns]


def test_the_sorted_column_is_shown_before_more_important_ones():
    def shown(width: int, sort_key: str) -> list[str]:
        return [column.key for column, _ in lay_out(width, sort_key=sort_key).columns]

    assert "age" not in shown(60, "train_loss")
    assert "age" in shown(60, "age")
    assert shown(12, "age") == shown(12, "train_loss")


def test_eighty_columns_show_everything_but_the_trend():
    assert shown_keys(77) == [key for key in USUAL if key != "trend"]
    assert shown_keys(84) == USUAL


def test_gpus_have_a_column_where_there_are_any_and_room():
    def shown(width: int) -> list[str]:
        return [column.key for column, _ in lay_out(width, any_gpu=True).columns]

    assert shown(91) == list(DEFAULT_COLUMNS)
    assert shown(84) == USUAL
    known = {"gpu/0/utilization": MetricStats(count=1, last=93.0, mean=91.0)}
    run = make_run("a", stats=known)
    assert RunRows([run]).any_gpu
    assert not RunRows([make_run("b")]).any_gpu
    text = column_of("gpu/mean/utilization").text(run, RowContext(NOW), 6)
    assert text == "93"


def test_chosen_columns_keep_their_order_and_the_last_go_first():
    choices = [
        ColumnChoice("name"),
        ColumnChoice("config.d_model"),
        ColumnChoice("best_val_loss"),
        ColumnChoice("age"),
        ColumnChoice("status"),
    ]
    known = ["name", "config.d_model", "best_val_loss", "age", "status"]
    assert shown_keys(80, *choices) == known
    assert shown_keys(30, *choices) == ["name", "config.d_model", "status"]


def test_a_widened_column_is_wider_by_so_many_cells():
    def widths(*choices):
        return {column.key: width for column, width in lay_out(60, choices).columns}

    usual = widths(ColumnChoice("status"), ColumnChoice("config.d_model"))
    wider = widths(ColumnChoice("status"), ColumnChoice("config.d_model", 5))
    assert wider["config.d_model"] == usual["config.d_model"] + 5
    narrow = widths(ColumnChoice("status"), ColumnChoice("config.d_model", -99))
    assert narrow["config.d_model"] == 4


METRICS = {
    "acc": MetricStats(count=2, last=0.5, min=0.25, max=0.75, mean=0.5, recent_mean=0.625),
    "grad/norm": MetricStats(count=2, last=4.0, min=1.0, max=9.0, mean=5.0, recent_mean=math.nan),
}


@pytest.mark.parametrize(
    ("key", "heading", "text", "value"),
    [
        ("config:d_model", "D MODEL", "512", 512.0),
        ("config:max_learning_rate", "MAX LEARNING R…", "0.0003", 0.0003),
        ("config.optimizer.name", "OPTIMIZER.NAME", "Muon", "Muon"),
        ("config:optimizer.betas", "OPTIMIZER.BETAS", "[0.9, 0.95]", (0.9, 0.95)),
        ("config:missing", "MISSING", "–", None),
        ("config.huge", "HUGE", "1" + "0" * 38 + "…", 10**400),
        ("last:acc", "ACC", "0.5000", 0.5),
        ("best:acc", "BEST ACC", "0.7500", 0.75),
        ("recent:acc", "⌀100 ACC", "0.6250", 0.625),
        ("mean:acc", "MEAN ACC", "0.5000", 0.5),
        ("best_loss_scale", "BEST LOSS SCALE", "–", None),
        ("last:unknown", "UNKNOWN", "–", None),
        ("acc", "ACC", "0.5000", 0.5),
        ("best_acc", "BEST ACC", "0.7500", 0.75),
        ("d_model", "D MODEL", "512", 512),
        ("host", "HOST", "node7", "node7"),
    ],
)
def test_columns_are_made_of_settings_and_metrics(key, heading, text, value):
    config = {
        "d_model": 512,
        "max_learning_rate": 3e-4,
        "optimizer": {"name": "Muon", "betas": [0.9, 0.95]},
        "huge": 10**400,
    }
    run = make_run("a", config=config, stats=METRICS, environment={"host": "node7"})
    column = column_of(key)
    assert column.field.label == heading
    assert column.text(run, RowContext(NOW), 9) == text
    assert column.field.value(run) == value


def test_metrics_where_higher_is_better_sort_descending():
    assert column_of("best_acc").field.descending
    assert not column_of("best_grad/norm").field.descending


def test_columns_of_differing_settings_are_offered_first():
    runs = [make_run(name, config={"d_model": 512, "lr": lr}) for name, lr in (("a", 1), ("b", 2))]
    offered = offered_columns(runs)
    assert offered[: len(DEFAULT_COLUMNS)] == DEFAULT_COLUMNS
    assert offered[-2:] == ("config.lr", "config.d_model")
    assert "recent_train_loss" in offered
    assert all(column_of(key) for key in offered)


def test_nested_settings_are_offered_one_by_one():
    runs = [make_run(str(lr), config={"optimizer": {"lr": lr, "eps": 1}}) for lr in (1, 2)]
    offered = offered_columns(runs)
    assert offered[-2:] == ("config.optimizer.lr", "config.optimizer.eps")
    column = column_of("config.optimizer.lr")
    assert [column.text(run, RowContext(NOW), 10) for run in runs] == ["1", "2"]


def test_hostile_names_are_harmless_in_headings():
    run = make_run(
        "a", config={"x\x1b]0;t\x07": "\x1b[31m"}, stats={"[@click=app.quit]": METRICS["acc"]}
    )
    choices = tuple(ColumnChoice(key) for key in offered_columns([run]))
    layout = lay_out(2000, choices)
    heading = format_heading(layout, "age", False)
    assert line_text(heading).isprintable()
    assert line_text(format_row(run, layout, RowContext(NOW))).isprintable()
    actions = [piece.action for piece in heading if piece.action]
    assert actions
    assert not any("click" in action for action in actions)


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


def test_missing_values_are_dashes_and_a_stalled_run_has_no_eta():
    fresh = make_run("fresh", last=None, stats={}, best_val_loss=None, start_time=None, config={})
    assert row(fresh).split() == ["●", "run", "fresh", *"–––––––"]
    assert row(make_run("a", status=RunStatus.STALLED)).split()[-2] == "–"


def test_an_unreadable_file_shows_its_name_and_the_reason():
    path = DIRECTORY / "broken.json"
    text = row(RunSummary(id=str(path), status=RunStatus.UNREADABLE, problem="permission denied"))
    assert text.split() == ["!", "file", "broken", "permission", "denied"]


def test_every_status_differs_without_colour():
    marks = {row(make_run("a", status=status))[:7] for status in RunStatus}
    narrow = {row(make_run("a", status=status), width=9)[:2] for status in RunStatus}
    assert len(marks) == len(narrow) == len(RunStatus)


def test_the_heading_marks_the_sorted_column():
    text = line_text(format_heading(lay_out(100), "best_val_loss", False))
    assert "BESTVAL↑" in text
    assert cell_width(text) == 100
    assert "TOK/S↓" in line_text(format_heading(lay_out(100), "tokens_per_sec", True))


def test_long_names_are_cut_in_their_middle():
    runs = [make_run(f"{'a_very_long_name_' * 4}lr_{rate}") for rate in ("1e-04", "3e-04")]
    assert len({row(run, 80).split()[2] for run in runs}) == 2


def test_the_narrowest_heading_is_no_ellipsis():
    assert "…" not in line_text(format_heading(lay_out(16), "name", False))


def test_on_a_wide_screen_the_figures_stay_near_the_name():
    line = row(make_run("short"), 200).rstrip()
    assert len(line) < 140


def test_a_long_name_comes_before_the_trend():
    assert "trend" in [column.key for column, _ in lay_out(90).columns]
    assert "trend" not in [column.key for column, _ in lay_out(90, name_width=30).columns]


def test_a_setting_that_nobody_gave_is_quiet():
    column = column_of("config.device")
    runs = [
        make_run("a", config={"device": "cuda"}, environment={"given": given})
        for given in (["device"], [])
    ]
    assert [column.role(run, RowContext(NOW)) for run in runs] == ["text", "muted"]


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u3000"])
def test_a_name_of_blanks_is_that_of_its_file(name):
    run = make_run(name, id="/logs/experiment_x_20250222_140530.json")
    assert "20250222_140530" in row(run)
    assert RunRows([run]).short_name(run, 60) == "experiment_x_20250222_140530"


def test_of_very_many_runs_a_rare_setting_is_offered() -> None:
    runs = make_runs(2500)
    runs[1234] = make_run("rare", config={"max_iters": 100, "rare_setting": 1})
    offered = offered_columns(runs)
    assert {"config.rare_setting", "config.d_model"} <= {*offered}
