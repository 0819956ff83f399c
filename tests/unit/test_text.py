"""What a person sees is safe, short and exactly as wide as its cells."""

from __future__ import annotations

import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from traintop.text import (
    cell_width,
    count,
    duration,
    file_size,
    fit,
    fit_middle,
    number,
    percentage,
    safe_json,
    safe_text,
    si,
    stopwatch,
)

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class Shouting(str):
    def __str__(self) -> str:
        return self

    def __getitem__(self, key: object) -> str:
        return "\x1b[2J"


@given(any_text, st.integers(min_value=0, max_value=50))
def test_safe_text_is_printable_and_within_its_limit(text: str, limit: int) -> None:
    shown = safe_text(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


@given(st.lists(any_text.map(lambda text: text.encode("utf-8", "replace").decode())))
def test_safe_json_says_the_same_in_printable_text(texts: list[str]) -> None:
    document = json.dumps(texts, ensure_ascii=False, indent=1)
    shown = safe_json(document)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert json.loads(shown) == texts


@given(
    st.one_of(
        st.none(), st.integers(), st.floats(), st.binary(), st.lists(any_text), st.complex_numbers()
    )
)
def test_safe_text_takes_any_object(value: object) -> None:
    assert safe_text(value).isprintable()


@pytest.mark.parametrize("value", [Hostile(), 10**5000], ids=["hostile", "too long a number"])
def test_safe_text_of_an_object_without_text(value: object) -> None:
    assert safe_text(value) == "<unprintable>"


def test_safe_text_is_not_fooled_by_a_subclass_of_str() -> None:
    assert safe_text(Shouting("name")) == "name"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a b c"),
        ("\x1b]0;pwned\x07", "�]0;pwned�"),
        ("\x9b31m", "�31m"),
        ("left\u202eright\u200b", "left�right�"),
        ("\ud800", "�"),
        ("日本語 ok é", "日本語 ok é"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_safe_text_replaces_what_a_terminal_would_obey(text: str, shown: str) -> None:
    assert safe_text(text) == shown


def test_safe_text_is_cut_visibly() -> None:
    assert safe_text("x" * 300, limit=5) == "xxxx…"
    assert safe_text("xxxxx", limit=5) == "xxxxx"
    assert safe_text("x", limit=0) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (2.70234, "2.702"),
        (1.2e-5, "1.2e-05"),
        (0.0006, "0.0006"),
        (9999.9, "10000"),
        (123456.0, "123456"),
        (1234567.0, "1.235e+06"),
        (-1.23456e-5, "-1.23e-05"),
        (-1.23456e308, "-1.2e+308"),
        (-0.0, "0"),
        (42, "42"),
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (10**400, "inf"),
    ],
)
def test_number(value: float | None, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(), st.integers(min_value=1, max_value=8))
def test_number_is_short_and_close(value: float, digits: int) -> None:
    shown = number(value, digits)
    assert len(shown) <= max(digits + 5, 7)
    if abs(value) < 1.7e308 and digits == 4:  # rounding up may leave the range of floats
        assert float(shown) == pytest.approx(value, rel=0.06)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (100_000, "100,000"),
        (-3, "-3"),
        (1.5, "1.5"),
        (1e300, "1e+300"),
        (10**25, "1e+25"),
    ],
)
def test_a_count_is_written_out_unless_it_is_beyond_all_sense(value: float, shown: str) -> None:
    assert count(value) == shown


@given(st.floats())
def test_number_of_four_digits_has_at_most_nine_characters(value: float) -> None:
    assert len(number(value)) <= 9


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (42, "42"),
        (12.345, "12.3"),
        (999.6, "1k"),
        (121_000, "121k"),
        (1_020_000, "1.02M"),
        (999_999, "1M"),
        (-1.5e9, "-1.5G"),
        (1e308, "1e+308"),
        (math.nan, "NaN"),
    ],
)
def test_si(value: float | None, shown: str) -> None:
    assert si(value) == shown


@pytest.mark.parametrize(
    ("byte_count", "shown"), [(0, "0 B"), (812, "812 B"), (4200, "4.2 kB"), (5 * 10**9, "5 GB")]
)
def test_file_size(byte_count: int, shown: str) -> None:
    assert file_size(byte_count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.41, "0.4s"),
        (9.97, "10s"),
        (42, "42s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (4380, "1h13m"),
        (86_399.7, "1d00h"),
        (187_200, "2d04h"),
        (120 * 86_400, "120d"),
        (-3, "0.0s"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0s"),
        (42.53, "42.5s"),
        (59.97, "1m00s"),
        (317.85, "5m18s"),
        (4385, "1h13m05s"),
        (187_985, "2d04h13m05s"),
        (-318, "-5m18s"),
        (math.inf, "infs"),
    ],
)
def test_a_stopwatch_is_read_to_the_second(seconds: float, shown: str) -> None:
    assert stopwatch(seconds) == shown


@given(st.floats())
def test_a_stopwatch_reads_any_time(seconds: float) -> None:
    assert stopwatch(seconds).endswith("s")


@given(st.floats())
def test_duration_takes_six_cells_at_most(seconds: float) -> None:
    assert len(duration(seconds)) <= 6


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(None, "–"), (0.42, "42%"), (0.29, "29%"), (0.9999, "99%"), (1.0, "100%"), (math.nan, "–")],
)
def test_percentage(fraction: float | None, shown: str) -> None:
    assert percentage(fraction) == shown


EMOJI = (
    "👍🏽",
    "❤️",
    "👩‍💻",
    "1️⃣",
    "🏳️‍🌈",
    "e\u0301",
    "日本",
    "\u200d",
    "\ufe0f",
    "⚑",
    "–",
    "\x1b",
    "ab",
)
any_emoji = st.lists(st.one_of(st.sampled_from(EMOJI), any_text)).map("".join)


def test_every_character_is_as_wide_as_the_ui_draws_it() -> None:
    letters_and_signs, tags = range(0x20000), range(0xE0000, 0xE0200)
    elsewhere = range(0x20000, sys.maxunicode + 1, 16)  # whole planes are alike
    characters = map(chr, (*letters_and_signs, *tags, *elsewhere))
    assert [c for c in characters if cell_width(c) != cell_len(c)] == []


@given(any_emoji)
def test_every_text_is_as_wide_as_the_ui_draws_it(text: str) -> None:
    assert cell_width(text) == cell_len(text)


@given(any_emoji, st.integers(min_value=0, max_value=30), st.booleans())
def test_fit_takes_exactly_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fit(text, width, "right" if right else "left")) == width


@given(any_emoji, st.integers(min_value=0, max_value=30))
def test_fit_middle_takes_at_most_its_cells(text: str, width: int) -> None:
    fitted = fit_middle(text, width)
    assert cell_len(fitted) <= width
    assert fitted == text or (len(fitted) == 0 if width == 0 else "…" in fitted)


def test_emoji_in_names_leave_columns_aligned() -> None:
    assert [fit(name, 6) for name in ("👍🏽 a", "❤️ b", "日本")] == ["👍🏽 a  ", "❤️ b  ", "日本  "]


def test_fit_aligns_and_cuts() -> None:
    assert fit("ab", 4) == "ab  "
    assert fit("ab", 4, "right") == "  ab"
    assert fit("abcdef", 4) == "abc…"
    assert fit("日本語", 4) == "日… "
