"""The pure functions behind the one-line panes, the summary and the empty state."""

import math
import re

import pytest
from tests.runs import DIRECTORY, make_run, make_runs
from tui_runs import line_text

from traintop.analysis.axes import XAxis
from traintop.analysis.chart_names import charts_of, shown_charts
from traintop.analysis.percentiles import pace_of
from traintop.lines import Piece, beside, changed_span, fit_line, line_width, pad_line, spread
from traintop.model import RECORD_FIELDS, MetricStats, RunStatus
from traintop.store.history import History
from traintop.terminal import draws_ascii_only, to_ascii
from traintop.text import wrap
from traintop.tui.chart_view import ChartView
from traintop.tui.main.details import detail_lines, header_line
from traintop.tui.main.empty_state import empty_lines, example
from traintop.tui.main.status_line import status_line
from traintop.tui.plots.runs import COLORS, assign_colors, distinct_colors
from traintop.tui.plots.source import chart_notes
from traintop.tui.view import ViewState

HOSTILE = "a\x1b]0;pwned\x07b\x9b31m\u202e[/red]"


def text_of(lines):
    return "\n".join(line_text(line) for line in lines)


@pytest.mark.parametrize("status", RunStatus)
def test_only_ended_runs_have_a_total_duration(status):
    line = line_text(header_line(make_run("a", status=status, duration_seconds=90.0), "", 80))
    alive = status in (RunStatus.RUNNING, RunStatus.STALLED)
    assert ("took 1m" in line, "1m30s so far" in line) == (not alive, alive) or "left" in line


def test_the_status_line_says_how_many_runs_are_not_read_yet():
    runs = make_runs(100)
    text = line_text(status_line([str(DIRECTORY)], runs, "", 120, unread=9_900))
    assert "   100 of 10,000 runs  " in text


def test_the_status_line_says_that_more_may_be_found():
    line = status_line([str(DIRECTORY)], make_runs(100), "", 120, unread=900, is_partial=True)
    assert "   100 of 1,000+ runs  " in line_text(line)


def test_the_status_line_says_what_is_known_from_before():
    line = status_line([str(DIRECTORY)], make_runs(1200), "", 120, unread=1, kept=1100)
    assert "   1,200+ runs, checking…  " in line_text(line)
    filtered = status_line([str(DIRECTORY)], make_runs(1200), "", 120, kept=1100, listed=7)
    assert "   7 of 1,200+ runs, checking…  " in line_text(filtered)


def test_the_status_line_counts_running_stalled_and_crashed():
    runs = [
        *make_runs(6),
        make_run("s", status=RunStatus.STALLED),
        make_run("c1", status=RunStatus.CRASHED),
        make_run("c2", status=RunStatus.CRASHED),
        make_run("f", status=RunStatus.FINISHED),
    ]
    text = line_text(status_line(["experiment_logs"], runs, "polling 2 s", 120))
    assert text.startswith(
        " traintop  experiment_logs   10 runs  ● 6 running  ◐ 1 stalled  ✗ 2 crashed "
    )
    assert text.endswith("  polling 2 s ")
    assert "finished" not in text


def test_what_is_watched_gives_way_to_what_costs_money():
    mode = "s3://lab polling 30 s, 58 requests · 2 places polling 1 s · live"
    for width, kept in ((160, 3), (90, 2), (64, 1)):
        line = status_line(["experiment_logs"], [make_run("a")], mode, width)
        assert line_text(line).endswith(f"  {' · '.join(mode.split(' · ')[:kept])} ")
        assert line_width(line) <= width


@pytest.mark.parametrize("width", range(0, 120, 9))
def test_one_line_panes_fit_any_width(width):
    run = make_run(HOSTILE * 9, id=f"{DIRECTORY}/{HOSTILE}.json", notes=HOSTILE, error=HOSTILE)
    lines = [
        status_line([f"{DIRECTORY}/{HOSTILE}"], [run], HOSTILE, width),
        status_line([str(DIRECTORY)], None, "", width),
        header_line(run, "note", width),
        *detail_lines(run, width),
    ]
    for line in lines:
        assert line_width(line) <= max(width, 1)
        assert line_text(line).isprintable()


def test_throughput_percentiles_appear_once_records_are_read():
    history = History.from_columns(
        {
            **dict.fromkeys(RECORD_FIELDS, [None] * 101),
            "iteration": list(range(101)),
            "tokens_per_sec": [1000.0 * i for i in range(101)],
            "iter_time_ms": [10.0] * 101,
        }
    )
    run = make_run("x")
    read = text_of(detail_lines(run, 40, pace_of(history), complete=True))
    for expected in ("median  50k tok/s  10 ms", "p5      5k tok/s", "p95     95k tok/s"):
        assert expected in read
    assert "sample" not in read
    assert "from a sample" in text_of(detail_lines(run, 40, pace_of(history)))
    unread = text_of(detail_lines(run, 60))
    assert "mean  121k tok/s" in unread
    assert "once records are read" in unread
    assert "median" not in unread


def test_long_values_go_on_in_further_lines_and_nothing_is_lost():
    path = "/data/" + "/".join(f"shard_{i}" for i in range(30))
    command = " ".join(f"--option-{i}" for i in range(40))
    run = make_run("x", config={"dataset": path}, environment={"command": command})
    for width in (40, 80, 160):
        lines = detail_lines(run, width)
        assert max(map(line_width, lines)) <= width
        text = "".join(text_of(lines).split())
        if width == 40:  # one column, so that the parts of a value follow one another
            assert path in text
            assert "".join(command.split()) in text


def test_the_summary_has_results_time_settings_machine_file():
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
        "optimizer.betas  [0.9]",
        "gpu-07",
        "2 × H100",
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


def test_details_say_where_the_last_value_was_no_number():
    stats = {"train_loss": MetricStats(count=9, last=math.nan, min=1.5, min_iteration=1280)}
    run = make_run("x", stats=stats, iteration=1290, loss=math.nan)
    text = text_of(detail_lines(run, 100))
    assert re.search(r"train loss +NaN @1.29k +best 1.500 @1,280", text)


@pytest.mark.parametrize(("width", "lines"), [(100, 3), (75, 6), (60, 6), (40, 0), (20, 0)])
def test_the_empty_state_gives_python_that_fits_or_none(width, lines):
    shown = empty_lines(["logs/it's"], (), width)
    assert all(line_width(line) <= width for line in shown)
    code = [line_text(line) for line in shown if line and line[-1].role == "accent"]
    assert len(code) == lines
    compile("\n".join(code), "example", "exec")
    assert ("logs/it's" in "\n".join(code)) == bool(lines)
    assert "traintop" in text_of(shown)


def test_a_long_directory_is_written_in_parts():
    directory = "/it's/été" * 30
    code = example(directory, 80)
    names: dict[str, str] = {}
    exec(
        "\n".join(code[1 : code.index("with ExperimentTracker(config, log_dir) as tracker:")]),
        names,
    )
    assert names["log_dir"] == directory


def test_the_usual_directory_needs_no_mention():
    code = example("experiment_logs", 79)
    assert len(code) == 3
    assert "experiment_logs" not in "\n".join(code)


def test_the_empty_state_of_a_place_elsewhere_has_no_code():
    shown = text_of(empty_lines(["ssh://gpu07/runs"], (), 100))
    assert "No runs in ssh://gpu07/runs yet." in shown
    assert "ExperimentTracker" not in shown


def test_the_empty_state_repeats_the_notices():
    assert "no such directory" in text_of(empty_lines([str(DIRECTORY)], ("no such directory",), 40))


def test_runs_get_different_colours_as_they_start_and_keep_them():
    runs = make_runs(COLORS)
    first = assign_colors({}, runs[2:])
    assert len(set(first.values())) == COLORS - 2
    later = assign_colors(first, runs)
    assert {path: later[path] for path in first} == first
    assert len({color % COLORS for color in later.values()}) == COLORS


def test_charted_runs_share_no_colour_and_marked_ones_keep_it():
    runs = make_runs(3)
    paths = [run.id for run in runs]
    chosen = distinct_colors({paths[0]: 1, paths[1]: 1, paths[2]: 9}, [*paths[1:], paths[0]])
    assert len(set(chosen.values())) == 3
    assert chosen[paths[1]] == 1


def test_the_most_useful_charts_come_first_the_rest_by_name():
    metrics = ["iter_time_ms", "train_loss", "alpha", "learning_rate", "val_loss", "tokens_per_sec"]
    charts = charts_of([["train/grad_norm", "zeta"], metrics])
    assert charts == (
        "loss",
        "val_loss",
        "train_loss",
        "tokens_per_sec",
        "learning_rate",
        "grad_norm",
        "iter_time_ms",
        "alpha",
        "zeta",
    )
    assert charts_of([]) == ("loss",)
    assert charts_of([["acc"]]) == ("acc",)
    assert charts_of([["loss"], ["training/loss"], ["train_loss"]]) == ("loss", "train_loss")


def test_each_metric_is_shown_once_unless_charts_were_chosen():
    charts = ("loss", "val_loss", "train_loss", "grad_norm")
    assert shown_charts(charts, ()) == ("loss", "grad_norm")
    assert shown_charts(charts, ("grad_norm", "val_loss")) == ("val_loss", "grad_norm")
    assert shown_charts(charts, ("of another run",)) == ("loss", "grad_norm")


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
def test_only_differing_cells_are_reported(before, after, span):
    assert changed_span((Piece(before),), (Piece(after),)) == span


def test_blanks_that_are_cut_are_no_loss():
    line = (Piece("a 1.25"), Piece("   "), Piece("  "))
    cut = [line_text(fit_line(line, width)) for width in (7, 6, 5)]
    assert cut == ["a 1.25", "a 1.25", "a 1.…"]
    assert line_width(pad_line(line, 7)) == 7


def test_a_new_colour_is_a_difference():
    before = (Piece("ab"), Piece("cd", "good"), Piece("e"))
    after = (Piece("ab"), Piece("cd", "bad"), Piece("e"))
    assert changed_span(before, after) == (2, 4)
    assert changed_span((Piece("ab"), Piece("c")), (Piece("abc"),)) == (0, 0)


def test_ascii_forms_take_as_many_cells():
    assert to_ascii("● é 日 ✓…") == "* ? ?? +~"


def test_where_there_is_little_room_the_counts_have_short_words():
    states = [RunStatus.RUNNING, RunStatus.CRASHED, RunStatus.FAILED, RunStatus.UNREADABLE]
    runs = [make_run(status.value, status=status) for status in states]
    text = line_text(status_line([str(DIRECTORY)], runs, "live", 60))
    assert text.rstrip().endswith("● 1 run  ✗ 1 crash  ✗ 1 fail  ! 1 file")


def test_the_header_cuts_a_long_name_in_its_middle():
    text = line_text(header_line(make_run("a" * 50 + "_lr_1e-04"), "", 60))
    assert "_lr_1e-04  running" in text


def test_unusual_chart_settings_are_named_by_importance():
    assert chart_notes(ViewState(), range(4), 4) == ()
    assert chart_notes(ViewState(), range(4), 5) == ("charts 1-4 of 5",)
    axis = XAxis("wallclock_time", log=True)
    changed = ViewState(x_axis=axis, log_y=True, smoothing=1, robust=False)
    notes = chart_notes(changed, range(2), 9)
    assert notes[:3] == ("over wall clock", "log x", "log y")
    assert notes[3:] == ("smooth 0.6", "outliers", "charts 1-2 of 9")
    zoomed = ViewState(charts=ChartView(zoomed=True))
    assert chart_notes(zoomed, range(4), 5) == ()


@pytest.mark.parametrize(
    ("room", "error"), [(40, "CUDA out of memory"), (16, "CUDA out of m…"), (10, "")]
)
def test_the_header_begins_to_say_the_error_that_ended_a_run(room, error):
    run = make_run("oom", status=RunStatus.FAILED)
    facts = line_text(header_line(run, "", 200))
    width = len(facts) + room + len("  log y ")
    failed = make_run("oom", status=RunStatus.FAILED, error="CUDA out of memory")
    text = line_text(header_line(failed, "", width, ("log y",)))
    assert text.startswith(facts)
    assert text.endswith("log y ")
    assert text.removeprefix(facts).removesuffix("log y ").strip() == error


@pytest.mark.parametrize(
    ("width", "facts"),
    [(60, "running  42%  29s left"), (47, "running  42%"), (37, "running"), (30, "run…")],
)
def test_the_header_leaves_out_a_fact_that_has_no_room(width, facts):
    text = line_text(header_line(make_run("sweep_lr_1e-03_seed10"), "", width))
    assert text == f" ● sweep_lr_1e-03_seed10  {facts}"


@pytest.mark.parametrize(
    ("width", "left", "right"),
    [
        (80, " ● a  running  42%  29s left", "over wall clock  log y  charts 1-2 of 9 "),
        (60, " ● a  running  42%", "over wall clock  log y  charts 1-2 of 9 "),
        (40, " ● a  running", "over wall clock  log y "),
        (31, " ● a  running", "over wall clock "),
        (25, " ● a  running  42%", ""),
    ],
)
def test_the_header_says_first_what_is_unusual_about_the_charts(width, left, right):
    notes = ("over wall clock", "log y", "charts 1-2 of 9")
    text = line_text(header_line(make_run("a"), "", width, notes))
    assert text == left + (" " * (width - len(left) - len(right)) + right if right else "")


def test_the_header_cuts_a_long_name_before_chart_settings():
    text = line_text(header_line(make_run("a" * 50 + "_lr_1e-04"), "", 60, ("over wall clock",)))
    assert text.endswith("_lr_1e-04  running  42%  over wall clock ")
    assert len(text) == 60
