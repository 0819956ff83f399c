"""One table in four formats: aligned, harmless, exact."""

from __future__ import annotations

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.latex import latex_table
from traintop.tables import Cell, Column, Rival, Table, code_span, winner
from traintop.text import cell_width, safe_text

any_line = st.text(max_size=30).map(safe_text)
any_cell = st.builds(
    Cell,
    text=any_line,
    best=st.booleans(),
    asides=st.sampled_from([(), ("+1", ""), ("-0.5", "3%")]),
)


@st.composite
def any_table(draw: st.DrawFn) -> Table:
    height = draw(st.integers(0, 4))
    cells = st.lists(any_cell, min_size=height, max_size=height)
    column = st.builds(Column, any_line, cells, st.sampled_from(["left", "right"]))
    return Table(draw(st.lists(column, min_size=2, max_size=6)), "best of its column")


@given(any_table(), st.integers(1, 120))
def test_text_never_outgrows_its_width(table: Table, width: int) -> None:
    for text in (table.text(width), table.stacked_text(width)):
        assert max(map(cell_width, text.split("\n"))) <= width


def test_stacked_text_shows_every_column() -> None:
    columns = [Column.of_texts(f"run-{i}", ["0.123", "12"]) for i in range(9)]
    lines = Table(columns).stacked_text(30).splitlines()
    assert {word for line in lines for word in line.split() if "run" in word} == {
        f"run-{i}" for i in range(9)
    }
    assert {line.split()[0] for line in lines if "run" in line} == {"run-0"}


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_stacked_text_cuts_no_figure_at_any_width(width: int) -> None:
    asides = ("@1,999", "+0.27", "+13.2%")
    figures = [f"2.{number}125" for number in range(6)]
    columns = [
        Column(f"some_name_of_run_{i}", [Cell(text=f"{i}{one}", asides=asides) for one in figures])
        for i in range(3)
    ]
    labels = [f"validation/perplexity_per_token {number}" for number in range(6)]
    table = Table([Column.of_texts("", labels, "left"), *columns], asides="distances")
    text = table.stacked_text(width)
    assert max(map(cell_width, text.splitlines())) <= width
    words = text.split()
    assert all(f"{i}{one}" in words for i in range(3) for one in figures)
    assert ("Not enough room for" in text) is (width < 60)
    assert (words.count("+13.2%") < 18) is (width < 60)


@pytest.mark.parametrize("width", [40, 50, 60, 80])
def test_every_block_says_who_is_the_best_of_a_row(width: int) -> None:
    asides = ("@1,999", "+0.27", "+13.2%")
    cells = [Cell(text=f"2.{i}125", best=i == 2, asides=asides) for i in range(3)]
    columns = [Column(name, [cell]) for name, cell in zip("abc", cells, strict=True)]
    labels = Column.of_texts("", ["validation loss, at its best"], "left")
    text = Table([labels, *columns], "best of its row").stacked_text(width)
    for block in text.split("\n\n"):
        assert "*c" in block or "2.2125*" in block or "2.2125  *" in block


def test_columns_of_the_highest_rank_are_left_out_first() -> None:
    columns = [Column("name", [Cell(text="a")])]
    columns += [Column(f"rank{rank}", [Cell(text="1")], rank=rank) for rank in (3, 1, 2)]
    assert Table(columns).text(22).splitlines()[0].split() == ["name", "rank1", "rank2"]


def test_asides_stand_below_one_another() -> None:
    cells = [Cell(text="1.5", best=True, asides=("+10", "5%")), Cell(text="12", asides=("-1", ""))]
    lines = Column("b", cells).lines()
    assert [line.rstrip() for line in lines] == ["          b", "1.5* +10 5%", " 12   -1"]


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([2.0, 1.0, None], 1),
        ([2.0, math.nan, -math.inf, 3.0], 0),
        ([1.0, 1.0], None),
        ([1.0, 2.0, 1.0], None),
        ([1.0, None], None),
        ([1.0], None),
        ([None, math.nan], None),
        ([], None),
    ],
)
def test_the_best_is_what_won_against_another(values: list[float | None], best: object) -> None:
    rivals = [*map(Rival, values)]
    assert winner(rivals, "lower") == best
    assert winner([Rival(one.value and -one.value) for one in rivals], "higher") == best
    assert winner(rivals, None) is None


def test_a_missing_value_can_lose() -> None:
    assert winner([Rival(1.0), Rival(None)], "lower", missing_loses=True) == 0
    assert winner([Rival(1.0), Rival(1.0)], "lower", missing_loses=True) is None


def test_nobody_wins_by_less_than_what_is_shown_or_varies() -> None:
    assert winner([Rival(0.6021, "0.602"), Rival(0.6022, "0.602")], "lower") is None
    assert winner([Rival(0.6021, "0.6021"), Rival(0.6022, "0.6022")], "lower") == 0
    assert winner([Rival(2.0, "2", 0.5), Rival(2.4, "2.4", 0.1)], "lower") is None
    assert winner([Rival(2.0, "2", 0.5), Rival(2.6, "2.6", 0.1), Rival(9.0)], "lower") == 0


def test_a_row_says_which_column_of_another_block_is_the_best() -> None:
    columns = [
        Column(name, [Cell(text="1.2345", best=name == best) for best in ("first", "last")])
        for name in ("base", "first", "second", "last")
    ]
    names = Column.of_texts("", ("a row", "another"), "left")
    blocks = Table([names, *columns], "best").stacked_text(36).split("\n\n")
    ends = [[line.split()[-1] for line in block.split("\n")[1:3]] for block in blocks]
    assert ends == [["1.2345*", "*last"], ["*first", "*last"], ["*first", "1.2345*"]]


@given(st.text())
def test_code_spans_hold_any_text_in_a_cell(text: str) -> None:
    span = code_span(text)
    assert span == "–" or (span.startswith("`") and span.endswith("`"))
    assert set("`|<>\n").isdisjoint(span[1:-1])


def test_markdown_shows_literal_text_as_it_is() -> None:
    column = Column(
        "**h**", [Cell(text="<b>|", literal=True), Cell(text="2", best=True)], literal=True
    )
    assert Table([column]).markdown().splitlines() == [
        "| `**h**` |",
        "| --: |",
        "| `‹b›¦` |",
        "| **2** |",
    ]


def test_sections_have_titles_in_every_style() -> None:
    names = Column.of_texts("RUN", ["a", "b", "c"], "left")
    losses = Column.of_texts("LOSS", ["1", "2", "3"])
    table = Table([names, losses], sections=[(0, "gpu_7"), (2, "\x1b[2J" * 99)])
    _, first, _, _, second, _ = table.text(20).splitlines()
    assert first == "── gpu_7"
    assert second.startswith("── �[2J")
    assert cell_width(second) <= 20
    assert table.markdown().splitlines()[2] == "| **`gpu_7`** | |"
    assert latex_table(table).splitlines()[4] == r"\multicolumn{2}{l}{\textit{gpu\_7}} \\"


def test_csv_has_the_exact_values() -> None:
    table = Table.of_values(["run", "loss"], [["=a", 0.1 + 0.2], ["b", math.nan]])
    assert list(csv.reader(io.StringIO(table.csv()))) == [
        ["run", "loss"],
        ["'=a", "0.30000000000000004"],
        ["b", "nan"],
    ]


def test_csv_text_has_no_controls_and_survives_quoting() -> None:
    table = Table.of_values(["note"], [['a "b",\nc\x1b[31m\x00\ud800\u202e😀']])
    assert list(csv.reader(io.StringIO(table.csv()))) == [["note"], ['a "b", c[31m😀']]


def test_latex_shows_any_text_as_it_is_and_the_best_in_bold() -> None:
    names = Column.of_texts("run_1", [r"a&b_{50%}\x", "\x1b[1m$~^"], "left", literal=True)
    losses = Column("LOSS", [Cell(text="1.5 ±0.2", best=True), Cell(text="–", asides=("@9",))])
    assert latex_table(Table([names, losses])).splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"run\_1 & LOSS \\",
        r"\midrule",
        r"a\&b\_\{50\%\}\textbackslash{}x & \textbf{1.5 $\pm$ 0.2} \\",
        r"�[1m\$\textasciitilde{}\textasciicircum{} & -- (@9) \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
