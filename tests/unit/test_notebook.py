"""Runs in a notebook: pages, tables and pictures, whatever is written in the files."""

from __future__ import annotations

import math
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.runs import record, track_run, write_run

import traintop
from traintop.analysis.run_groups import Groups
from traintop.charts import LIGHT
from traintop.cli import main
from traintop.html import html_table
from traintop.tables import Cell, Column, Table
from traintop.text import safe_text

HOSTILE = """</td><script>alert(1)</script><img src=x onerror='alert(1)'>"&amp;\x1b[2J\u202e"""
TAGS = {
    *("div", "span", "b", "small", "table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "style"),
    *("svg", "title", "rect", "clippath", "g", "path", "polyline", "polygon", "circle", "text"),
}
SIGNS = st.sampled_from(
    [*"<>&\"'`$_={}/\\", "\n", "\x00", "\x1b", "\u202e", "\ud800", "-->", "]]>"]
)
TEXTS = st.lists(st.one_of(SIGNS, st.text(max_size=4)), max_size=30).map("".join)


class Page(HTMLParser):
    """The elements of a page, the texts of its cells, and the titles of what was cut."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.titles: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.titles += [value or "" for name, value in attrs if name == "title"]
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


def assert_harmless(document: str) -> Page:
    page = Page(document)
    assert page.tags <= TAGS
    assert not [name for name in page.attributes if name.startswith("on") or "href" in name]
    assert not {"\x1b", "\u202e", "\x00"} & {*document}
    return page


# -- tables


@given(TEXTS, TEXTS, TEXTS, st.booleans())
def test_any_text_is_text_in_a_table(heading: str, text: str, aside: str, best: bool) -> None:
    cells = [Cell(text=text, best=best, asides=(aside,), quiet=not best)]
    page = assert_harmless(html_table(Table([Column(heading, cells)])))
    shown, *beside = page.cells[1:]
    for cell, whole in (
        (page.cells[0], heading),
        (shown, text),
        *zip(beside, [aside], strict=False),
    ):
        start, _, end = safe_text(cell).partition("…")
        assert safe_text(whole, 1000).startswith(start)
        assert safe_text(whole, 1000).endswith(end)
    if len(safe_text(text)) > 200:
        assert safe_text(text, 500) in page.titles


def test_a_large_table_says_what_it_leaves_out() -> None:
    columns = [
        Column(f"c{place}", [Cell(text=f"{place}/{row}") for row in range(60)], rank=-place)
        for place in range(20)
    ]
    document = html_table(Table(columns), most_rows=5, most_columns=3)
    assert "5 of 60 rows and 3 of 20 columns are shown" in document
    assert Page(document).cells[:3] == ["c0", "c18", "c19"]  # those of the lowest rank


def test_asides_are_below_one_another() -> None:
    cells = [Cell(text="2.5", asides=("@3", "", "+1%")), Cell(text="3.5", asides=("", "", ""))]
    document = html_table(Table([Column("a", cells)]))
    assert 'colspan="3"' in document  # the value, and two asides that any cell has
    assert Page(document).cells == ["a", "2.5", "@3", "+1%", "3.5", "", ""]


# -- pages


@pytest.fixture
def hostile(tmp_path: Path) -> traintop.Runs:
    for place in range(2):
        write_run(
            tmp_path / f"experiment_{place}.json",
            [record(step, train_loss=3.0 - step, **{HOSTILE: math.nan}) for step in range(3)],
            config={"experiment_name": f"{HOSTILE}{place}", HOSTILE: f"{HOSTILE}{place}"},
            status="failed",
            error=HOSTILE,
            notes=HOSTILE,
            end_time="<b>2025</b>",
        )
    return traintop.open_runs(tmp_path)


def test_hostile_runs_are_harmless_in_a_notebook(hostile: traintop.Runs) -> None:
    for shown in (hostile[0], hostile, hostile.compare(), hostile.group().compare()):
        document = shown._repr_html_()
        assert_harmless(document)
        assert "&lt;script&gt;" in document
    document = traintop.plot(hostile, HOSTILE)._repr_svg_()
    assert_harmless(document)
    ElementTree.fromstring(document)


def test_a_page_shows_what_sets_a_run_apart(tmp_path: Path) -> None:
    for lr in (0.1, 0.2):
        track_run(tmp_path, f"lr_{lr}", [3.0, 2.0], val_loss=2.5, lr=lr, act="relu", max_iters=4)
    document = traintop.open_runs(tmp_path)["lr_0.2"]._repr_html_()
    before, _, after = document.partition("<details>")
    assert all(words in before for words in ("lr_0.2", "finished", "2/4", "settings that differ"))
    assert Page(before).cells[-2:] == ["lr", "0.2"]
    assert "relu" in Page(after).cells
    assert before.count("<polyline") + before.count("<circle") == 2


def test_a_run_whose_file_is_gone_says_so(tmp_path: Path) -> None:
    path = track_run(tmp_path, "a", [3.0, 2.0])
    runs = traintop.open_runs(tmp_path)
    path.unlink()
    assert "gone" in runs[0]._repr_html_()
    assert "finished" in runs._repr_html_()


def test_many_runs_are_cut_and_counted(tmp_path: Path) -> None:
    for place in range(35):
        write_run(tmp_path / f"experiment_{place}.json", [record(0, train_loss=1.0)])
    runs = traintop.open_runs(tmp_path)
    document = runs._repr_html_()
    assert document.count("<tr>") == 31
    assert "35 runs: 5 are not shown" in document
    assert "no runs" in runs[:0]._repr_html_()


# -- pictures


def test_a_plot_is_that_of_the_command_line(tmp_path: Path) -> None:
    path = track_run(tmp_path, "a", [4.0, 3.0, 2.0])
    track_run(tmp_path, "b", [3.0, 2.0, 1.0])
    runs = traintop.open_runs(tmp_path)
    picture = traintop.plot(runs, "train_loss", x="gradient_step", log=True, smooth=0.5, dark=True)
    options = ("--metric", "train_loss", "--x", "gradient_step", "--log", "--smooth", "0.5")
    done = CliRunner().invoke(main, ["plot", str(tmp_path), *options, "--dark", "--svg", "-"])
    assert str(picture) == picture._repr_svg_() == done.stdout
    assert picture.save(tmp_path / "a.svg").read_text() == done.stdout
    assert "Svg" in repr(picture)
    with pytest.raises(FileExistsError):
        picture.save(path)
    with pytest.raises(ValueError, match="no run has the metric 'los': did you mean 'loss'"):
        traintop.plot(runs[0], "los")


def grouped_runs(directory: Path) -> Groups:
    for lr in (0.1, 0.2):
        for seed in (1, 2):
            losses = [4.0, 4.0 - seed, 1.0 / lr]
            track_run(directory, f"lr_{lr}_s{seed}", losses, val_loss=2.0, lr=lr, seed=seed)
    return traintop.open_runs(directory).group("seed")


def test_a_plot_of_groups_has_a_mean_and_a_band_of_each(tmp_path: Path) -> None:
    groups = grouped_runs(tmp_path)
    root = ElementTree.fromstring(str(traintop.plot(groups, "train_loss")))
    texts = [text.text or "" for text in root.iter() if text.tag.endswith("}text")]
    assert {" ".join(text.split()[:3]) for text in texts} >= {"lr_0.1 ×2 10", "lr_0.2 ×2 5"}
    curves = [one for one in root.iter() if one.tag.endswith("}polyline")]
    bands = [one for one in root.iter() if one.tag.endswith("}polygon")]
    colors = [one.get("stroke") for one in curves]
    assert [one.get("fill") for one in bands] == colors
    assert colors == [*LIGHT.curves[:2]]
    alone = traintop.open_runs(tmp_path).filter("lr_0.1_s1")
    assert str(traintop.plot(alone.group(), "train_loss")) == str(
        traintop.plot(alone, "train_loss")
    )


def test_matplotlib_draws_the_bands_of_groups(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plot() needs matplotlib, which is optional")
    from matplotlib.figure import Figure

    ax = grouped_runs(tmp_path).plot("loss", Figure().subplots())
    ax.figure.savefig(tmp_path / "loss.png")
    assert (len(ax.get_lines()), len(ax.collections)) == (4, 4)
    assert ax.get_lines()[0].get_ydata().tolist() == [4.0, 2.5, 5.0]


def test_matplotlib_plots_have_the_same_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plot() needs matplotlib, which is optional")
    from matplotlib.figure import Figure

    for name in ("_$\\frac{$", "b"):
        track_run(tmp_path, name, [4.0, 3.0, 2.0], val_loss=2.0)
    runs = traintop.open_runs(tmp_path)
    ax = Figure().subplots()
    assert runs.plot("loss", ax, log=True, smooth=0.5) is ax
    ax.figure.savefig(tmp_path / "loss.png")
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "iteration")
    assert len(ax.get_lines()) == 8  # raw and smoothed, of two losses of two runs
    assert len({line.get_color() for line in ax.get_lines()}) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b", " _\\$\\frac{\\$"]
    [line] = runs[0].plot("train_loss", Figure().subplots(), x="gradient_step").get_lines()
    assert line.get_xydata().tolist() == [[1, 4.0], [2, 3.0], [3, 2.0]]


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    track_run(tmp_path, "a")
    runs = traintop.open_runs(tmp_path)
    for one in (runs, runs[0]):
        with pytest.raises(ImportError, match=r"pip install matplotlib$"):
            one.plot()
