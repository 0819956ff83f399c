"""The pure functions behind the one-line panes, the summary and the empty state."""

from pathlib import Path

import pytest
from tui_runs import DIRECTORY, make_run, make_runs

from traintop.model import MetricStats, RunStatus
from traintop.tui.chart_names import charts_of
from traintop.tui.empty_state import empty_lines
from traintop.tui.lines import (
    Piece,
    beside,
    changed_span,
    fit_line,
    line_text,
    line_width,
    spread,
    wrap,
)
from traintop.tui.palette import COLORS, assign_colors, distinct_colors
from traintop.tui.run_details import detail_lines, header_line
from traintop.tui.status_line import status_line
from traintop.tui.terminal import draws_ascii_only, to_ascii

HOSTILE = "a\x1b]0;pwned\x07b\x9b31m\u202e[/red]"


def text_of(lines):
    return "\n".join(line_text(line) for line in lines)


def test_the_status_line_says_how_many_runs_are_not_read_yet():
    runs = make_runs(100)
    text = line_text(status_line([DIRECTORY], runs, "", 120, unread=9_900))
    assert "   100 of 10,000 runs  " in text


def test_the_status_line_counts_what_is_worth_a_look():
    runs = [
        *make_runs(6),
        make_run("s", status=RunStatus.STALLED),
        make_run("c1", status=RunStatus.CRASHED),
        make_run("c2", status=RunStatus.CRASHED),
        make_run("f", status=RunStatus.FINISHED),
    ]
    text = line_text(status_line([Path("experiment_logs")], runs, "polling 2 s", 120))
    assert text.startswith(
        " traintop  experiment_logs   10 runs  ● 6 running  ◐ 1 stalled  ✗ 2 crashed "
    )
    assert text.endswith("  polling 2 s ")
    assert "finished" not in text


@pytest.mark.parametrize("width", range(0, 120, 9))
def test_one_line_panes_fit_any_width(width):
    run = make_run(HOSTILE * 9, path=DIRECTORY / f"{HOSTILE}.json", notes=HOSTILE, error=HOSTILE)
    lines = [
        status_line([DIRECTORY / HOSTILE], [run], HOSTILE, width),
        status_line([DIRECTORY], None, "", width),
        header_line(run, "note", width),
        *detail_lines(run, width),
    ]
    for line in lines:
        assert line_width(line) <= max(width, 1)
        assert line_text(line).isprintable()


def test_the_summary_tells_results_time_settings_machine_and_file():
    run = make_run(
        "baseline",
        notes="first try",
        config={"max_iters": 100, "d_model": 512, "optimizer": {"betas": [0.9]}},
        environment={
            "host": "gpu-07",
            "gpus": ["H100", "H100"],
            "git_commit": "a1b2c3d4e5f6a7b8",
            "git_dirty": True,
            "job_id": None,
            "format": 7,
        },
    )
    text = text_of(detail_lines(run, 100))
    for expected in (
        "first try",
        "2.500  best 2.400 @7",
        "d_model",
        '{"betas": [0.9]}',
        "gpu-07",
        "H100, H100",
        "a1b2c3d4e5  with changes",
        str(DIRECTORY),
        "time left  29s",
    ):
        assert expected in text
    assert "job" not in text
    assert "format" not in text


def test_an_unreadable_file_says_why():
    run = make_run("x", status=RunStatus.UNREADABLE, problem="cut short", last=None)
    text = text_of(detail_lines(run, 60))
    assert "Cannot be read" in text
    assert "cut short" in text
    assert "Settings" not in text


def test_non_finite_values_are_counted():
    stats = {"train_loss": MetricStats(count=3, last=float("nan"), nonfinite=2)}
    assert "2 × NaN or inf" in text_of(detail_lines(make_run("x", stats=stats), 100))


def test_the_empty_state_names_the_directory_and_gives_code_that_compiles():
    lines = empty_lines([Path("logs/it's")], (), 80)
    text = text_of(lines)
    assert "No runs in logs/it's yet." in text
    code = [line_text(line)[4:] for line in lines if line[-1].role == "accent"]
    compile("\n".join(code), "example", "exec")
    assert "logs/it's" in "\n".join(code)


def test_the_empty_state_repeats_the_notices():
    assert "no such directory" in text_of(empty_lines([DIRECTORY], ("no such directory",), 40))


def test_runs_that_start_one_after_the_other_get_different_colours_and_keep_them():
    runs = make_runs(COLORS)
    first = assign_colors({}, runs[2:])
    assert len(set(first.values())) == COLORS - 2
    later = assign_colors(first, runs)
    assert {path: later[path] for path in first} == first
    assert len({color % COLORS for color in later.values()}) == COLORS


def test_charted_runs_never_share_a_colour_and_marked_ones_keep_theirs():
    runs = make_runs(3)
    paths = [run.path for run in runs]
    chosen = distinct_colors({paths[0]: 1, paths[1]: 1, paths[2]: 9}, paths)
    assert len(set(chosen.values())) == 3
    assert chosen[paths[1]] == 1


def test_charts_are_losses_and_throughput_and_whatever_else_was_measured():
    run = make_run("x", stats={"grad_norm": MetricStats(), "train_loss": MetricStats()})
    assert charts_of([run], ["train/acc", "learning_rate", "val_loss"]) == (
        "loss",
        "tokens_per_sec",
        "learning_rate",
        "train/acc",
        "grad_norm",
    )
    assert charts_of([], []) == ("loss", "tokens_per_sec")


def test_lines_are_cut_spread_and_set_side_by_side():
    line = (Piece("abc"), Piece("日本"))
    assert line_text(fit_line(line, 7)) == "abc日本"
    assert line_width(fit_line(line, 6)) == 6
    assert line_text(fit_line(line, 3)) == "ab…"
    assert line_text(spread((Piece("a"),), (Piece("b"),), 5)) == "a   b"
    assert line_text(spread((Piece("a"),), (Piece("bcd"),), 4)) == "a"
    assert text_of(beside([[line], [line, line]], [8, 7])) == (
        "abc日本 abc日本\n" + " " * 8 + "abc日本"
    )
    assert wrap("one two three", 7) == ["one two", "three"]
    assert wrap("abcdefgh ij", 3) == ["abc", "def", "gh", "ij"]
    assert wrap("", 5) == []


@pytest.mark.parametrize(
    ("environment", "utf8_mode", "expected"),
    [
        ({}, False, False),
        ({"LANG": "en_US.UTF-8"}, False, False),
        ({"LANG": "de_DE.utf8", "TERM": "xterm-256color"}, False, False),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True, True),
        ({"LANG": "C.UTF-8", "LC_CTYPE": "C.UTF-8"}, False, False),
        ({"LC_CTYPE": "C.UTF-8"}, True, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True, True),
        ({"LANG": "en_US.ISO-8859-1"}, False, True),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, False, True),
        ({"TERM": "dumb"}, False, True),
    ],
)
def test_ascii_where_the_locale_or_the_console_asks_for_it(environment, utf8_mode, expected):
    assert draws_ascii_only(environment, utf8_mode=utf8_mode) is expected


@pytest.mark.parametrize(
    ("before", "after", "span"),
    [
        ("abc", "abc", (0, 0)),
        ("abcdef", "abXYef", (2, 4)),
        ("abc", "abcd", (3, 4)),
        ("abc  ", "abc", (0, 0)),
        ("", "", (0, 0)),
        ("日本", "日x", (0, 4)),
    ],
)
def test_only_the_cells_that_differ_are_told(before, after, span):
    assert changed_span((Piece(before),), (Piece(after),)) == span


def test_a_new_colour_is_a_difference():
    before = (Piece("ab"), Piece("cd", "good"), Piece("e"))
    after = (Piece("ab"), Piece("cd", "bad"), Piece("e"))
    assert changed_span(before, after) == (2, 4)
    assert changed_span((Piece("ab"), Piece("c")), (Piece("abc"),)) == (0, 0)


def test_ascii_forms_take_as_many_cells():
    assert to_ascii("● é 日 ✓…") == "* ? ?? +~"
