"""Charts as SVG documents, as text, and from the command line."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace
from tests.runs import new_tracker

from traintop import ExperimentConfig, ExperimentTracker
from traintop.analysis.series import FloatArray
from traintop.charts import (
    DARK,
    LIGHT,
    ChartSpec,
    Palette,
    Series,
    chart_svg,
    chart_text,
    draw_chart,
)
from traintop.cli import main

SVG = "{http://www.w3.org/2000/svg}"
X = np.arange(50.0)
LOSS = ChartSpec(
    "loss", (Series("train", X, 4 - X / 50, 0), Series("val", X, 5 - X / 50, 0, "dotted"))
)


def document(spec: ChartSpec, palette: Palette = DARK) -> ElementTree.Element:
    return ElementTree.fromstring(chart_svg(spec, palette=palette))


def words_of(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_an_svg_has_title_legend_axes_and_a_line_for_each_curve() -> None:
    root = document(LOSS)
    words = words_of(root)
    assert words[0] == "loss"
    assert "train 3.020" in words
    assert "val 4.020" in words
    assert {"3", "4", "5"} <= {word.rstrip("0").rstrip(".") for word in words}
    assert words[-1] == "iteration"
    train, val = root.iter(f"{SVG}polyline")
    assert len(train.get("points", "").split()) == 50
    assert train.get("stroke-dasharray") is None
    assert val.get("stroke-dasharray")


@pytest.mark.parametrize("runs", [2, 9])
def test_every_curve_in_an_svg_legend_is_named_by_its_run(runs: int) -> None:
    x = np.arange(10.0)
    pairs = [
        (Series(f"lr_{n}e-03", x, x + n, n), Series("", x, x + n + 0.5, n, "dotted"))
        for n in range(runs)
    ]
    root = document(ChartSpec("loss   ─ train   ┄ val", tuple(itertools.chain(*pairs))))
    places: dict[str, list[tuple[float, float]]] = {}
    for text in root.iter(f"{SVG}text"):
        name, _, value = (text.text or "").partition(" ")
        if name.startswith("lr_"):
            assert float(value)
            places.setdefault(name, []).append((float(text.get("x")), float(text.get("y"))))
    assert len(places) == runs
    for (left, upper), (right, lower) in places.values():
        assert left < right
        assert upper == lower  # a run never breaks over two lines
    assert all(x < 900 for both in places.values() for x, _ in both)


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_an_svg_brings_its_background(palette: Palette) -> None:
    (background,) = [r for r in document(LOSS, palette).iter(f"{SVG}rect") if r.get("fill")]
    assert background.get("fill") == palette.paper


def test_noise_is_a_band_in_an_svg_and_nan_a_cross() -> None:
    x = np.arange(100_000.0)
    y = 3 + np.random.default_rng(5).standard_normal(100_000)
    y[70_000] = np.inf
    root = document(ChartSpec("noise", (Series("a", x, y, 0, events=np.array([5.0])),)))
    assert len(list(root.iter(f"{SVG}polygon"))) == 1
    crosses = [p for p in root.iter(f"{SVG}path") if p.get("stroke") == DARK.alert]
    assert len(crosses) == 2
    assert len(chart_svg(LOSS)) < 20_000


def test_a_long_svg_legend_wraps_above_the_plot() -> None:
    many = tuple(Series(f"a run with a long name {n}", X, X + n, n) for n in range(12))
    root = document(ChartSpec("many", many))
    legend = [t for t in root.iter(f"{SVG}text") if "long name" in (t.text or "")]
    lines = sorted({float(t.get("y", "0")) for t in legend})
    assert len(legend) == 12
    assert len(lines) >= 3
    (plot,) = root.find(f"{SVG}clipPath") or ()
    assert float(plot.get("y", "0")) > lines[-1]


def test_an_svg_legend_of_very_many_runs_is_cut_and_counted() -> None:
    root = document(ChartSpec("many", tuple(Series(f"run {n}", X, X + n, n) for n in range(300))))
    words = words_of(root)
    assert len([*root.iter(f"{SVG}polyline")]) == 300
    named = len([word for word in words if word.startswith("run ")])
    assert f"and {300 - named} more" in words
    (plot,) = root.find(f"{SVG}clipPath") or ()
    assert float(plot.get("height", "0")) > 200


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(np.float64, st.tuples(st.just(2), st.integers(0, 40)), elements=st.floats()),
    st.tuples(st.booleans(), st.booleans()),
    st.text(),
    st.one_of(st.none(), st.floats()),
)
def test_nothing_breaks_an_svg(
    points: FloatArray, log: tuple[bool, bool], name: str, cursor: float | None
) -> None:
    series = Series(name, points[0], points[1], 0, band=(points[1], points[1] + 1))
    log_x, log_y = log
    spec = ChartSpec(name, (series,), name, log_x, log_y, cursor=cursor, note=name)
    root = document(spec)
    assert (
        "nan" not in ElementTree.tostring(root, encoding="unicode", method="xml").split("<text")[0]
    )


def test_hostile_labels_are_text_in_an_svg() -> None:
    name = '</text><script>alert(1)</script>&"\x1b[31m\x00'
    root = document(ChartSpec(name, (Series(name, X, X, 0),), note=name))
    assert not list(root.iter(f"{SVG}script"))
    assert all(word.isprintable() for word in words_of(root))


def test_text_has_colours_only_where_they_are_asked_for() -> None:
    lines = draw_chart(LOSS, 60, 15)
    plain = chart_text(lines)
    assert "\x1b" not in plain
    assert all(line == line.rstrip() for line in plain.split("\n"))
    colored = chart_text(lines, color=True)
    red, green, blue = bytes.fromhex(DARK.color(0).removeprefix("#"))
    assert f"\x1b[38;2;{red};{green};{blue}m" in colored


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    for number in range(10):
        config = ExperimentConfig(f"run_{number}", batch_size=2, context_length=8)
        tracker = ExperimentTracker(config, log_dir=directory, quiet=True)
        tracker.start()
        for iteration in range(20):
            tracker.log_metrics(
                iteration=iteration, train_loss=4.0 - iteration / 10, metrics={"grad_norm": 1.0}
            )
        tracker.finish()
    return directory


def plot(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plot", *map(str, arguments)])


def test_a_plot_is_printed_without_colours_into_a_pipe(logs: Path) -> None:
    done = plot(logs, "run_3", "--width", 60, "--height", 12)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 12
    assert lines[0] == "run_3 loss"
    assert lines[1].startswith("train loss")
    assert lines[-1].endswith("iteration")
    assert "\x1b" not in done.stdout


def test_a_plot_by_tokens_of_another_metric(logs: Path) -> None:
    done = plot(logs, "run_3", "run_4", "--metric", "grad_norm", "--x", "tokens", "--log")
    assert done.stdout.splitlines()[-1].endswith("tokens (it × batch × context)")
    assert "run_4" in done.stdout.splitlines()[1]


def test_a_plot_over_any_metric_by_any_of_its_names(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "a") as tracker:
        for i in range(20):
            tracker.log_metrics(i, train_loss=4 - i / 10, metrics={"train/epoch": i / 4, "lr": i})
    for name, label in (
        ("epoch", "epoch"),
        ("train/epoch", "train/epoch"),
        ("step", "iteration"),
        ("learning_rate", "learning rate"),
        ("lr", "lr"),
    ):
        done = plot(tmp_path, "--x", name)
        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1].endswith(f"  {label}")
    rescaled = plot(tmp_path, "--x", "epoch", "--log-x").stdout.splitlines()
    assert rescaled[-1].split() == ["0.5", "1", "2", "epoch"]
    assert "did you mean 'epoch'" in plot(tmp_path, "--x", "epohc").stderr
    listed = plot(tmp_path, "--x", "?").stderr
    assert "there are 'iteration', 'wallclock_time', 'epoch'" in listed
    assert "no token count: log tokens" in plot(tmp_path, "--x", "tokens").stderr


def test_runs_that_count_epochs_are_plotted_over_them(tmp_path: Path) -> None:
    rows = ("0,3.5", "1,3.25", "2,3.125")
    (tmp_path / "training.csv").write_text("\n".join(("epoch,loss", *rows, "")))
    with new_tracker(tmp_path, "ours") as tracker:
        for i in range(20):
            tracker.log_metrics(i, train_loss=4 - i / 10, epoch=i / 10)
    done = plot(tmp_path, "--x", "epoch")
    assert done.stdout.splitlines()[-1].endswith("  epoch")
    assert "3.125" in done.stdout.splitlines()[1]


def test_without_names_the_newest_runs_are_plotted(logs: Path) -> None:
    done = plot(logs, "--width", 300)
    assert "2 older runs are not shown" in done.stderr
    assert done.stdout.splitlines()[0].startswith("loss   ")
    assert done.stdout.count("run_") == 8


def test_a_plot_as_svg(logs: Path, tmp_path: Path) -> None:
    target = tmp_path / "loss.svg"
    done = plot(logs, "run_3", "--svg", target, "--smooth", 0.5)
    assert (done.exit_code, done.stdout) == (0, "")
    assert str(target) in done.stderr
    assert ElementTree.fromstring(target.read_text()).tag == f"{SVG}svg"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metric", "grad_nrm"], "did you mean 'grad_norm'"),
        (["nobody"], "no run named 'nobody'"),
        (["--smooth", "1"], "0<=x<1"),
        (["--svg", "/nowhere/x.svg"], "/nowhere"),
    ],
)
def test_mistaken_plot_options_are_explained(logs: Path, arguments: list[str], words: str) -> None:
    done = plot(logs, *arguments)
    assert done.exit_code != 0
    assert words in done.output


def test_a_plot_of_nothing_says_why(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "young") as tracker:
        tracker.save()
    assert "no record yet" in plot(tmp_path).output
    with new_tracker(tmp_path, "no loss") as tracker:
        tracker.log_metrics(0, alpha=-1.0)
    refused = plot(tmp_path, "no loss").output
    assert "no run has the metric 'loss': there are 'alpha'" in refused
    drawn = plot(tmp_path, "no loss", "--metric", "alpha", "--log").stdout
    assert "no value above 0 for a log axis" in drawn


def test_a_plot_is_ascii_in_an_ascii_locale_without_textual(logs: Path) -> None:
    code = (
        "import sys; from traintop.cli import main;"
        f"main(['plot', {str(logs)!r}, 'run_1'], standalone_mode=False);"
        "print('textual' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": ""},
    )
    assert done.stdout.isascii()
    assert b"train loss" in done.stdout
    assert done.stderr.split()[-1] == b"False"


def test_a_plot_of_one_run_keeps_its_name_in_the_text_of_an_svg() -> None:
    assert words_of(document(replace(LOSS, title="a & b")))[0] == "a & b"
