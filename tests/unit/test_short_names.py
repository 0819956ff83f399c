"""Names cut so that what differs between them stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.short_names import short_names
from traintop.text import cell_width

SWEEP = [
    f"gpt2-small_openwebtext_bs64_wd0.1_lr{lr}_warmup2000_cosine_bf16_seed{seed}"
    for lr in ("0.001", "0.0003")
    for seed in (1, 2)
]


def shortened(names: list[str], width: int) -> list[str]:
    short = short_names(frozenset(names))
    return [short.fit(name, width) for name in names]


@pytest.mark.parametrize(
    ("width", "first", "last"),
    [
        (80, SWEEP[0], SWEEP[-1]),
        (28, "…lr0.001…cosine_bf16_seed1", "…lr0.0003…cosine_bf16_seed2"),
        (15, "…lr0.001…seed1", "…lr0.0003…seed2"),
        (12, "…0.001…seed1", "…0.0003…2"),
        (8, "…0.001…1", "0.0003…2"),
    ],
)
def test_what_names_share_is_cut_first(width: int, first: str, last: str) -> None:
    cut = shortened(SWEEP, width)
    assert (cut[0], cut[-1]) == (first, last)
    assert len({*cut}) == len(SWEEP)


def test_the_width_in_which_whole_words_differ_is_known() -> None:
    assert short_names(frozenset(SWEEP)).distinct_width == len("…lr0.0003…seed2")
    assert short_names(frozenset(["a", "other"])).distinct_width == 5
    assert short_names(frozenset()).distinct_width == 0


@pytest.mark.parametrize(
    "names",
    [
        [f"{'x' * 30}{letter}{'y' * 30}" for letter in "abc"],
        ["train_on_A_and_evaluate_on_B", "train_on_B_and_evaluate_on_A"],
        [f"{'日本語の実験' * 9}{end}" for end in "一二"],
        [f"run-{number * 7919 % 1000:030x}" for number in range(9)],
        ["baseline@20250222_140530", "baseline@20250222_150000", "baseline_of_another_kind"],
        ["baseline@20250222_140530", "baseline@20250223_140530", "baseline_of_another_kind"],
    ],
)
@pytest.mark.parametrize("width", [12, 16, 24])
def test_different_names_stay_different(names: list[str], width: int) -> None:
    assert len({*shortened(names, width)}) == len(names)


def test_a_time_stays_behind_a_shortened_name() -> None:
    names = ["a_long_baseline", "a_long_baseline@20250222_140530", "a_long_baseline@20250222_1500"]
    assert shortened(names, 16)[1] == "a_lo…line@140530"


def test_a_group_keeps_the_number_of_its_runs() -> None:
    names = [f"a_long_beginning_lr{lr} ×3" for lr in ("0.1", "0.01")]
    assert shortened(names, 12) == ["…lr0.1 ×3", "…lr0.01 ×3"]


def test_a_single_name_is_cut_in_its_middle() -> None:
    assert shortened(["another_that_is_long"], 12) == ["anoth…s_long"]


@given(st.lists(st.text(st.sampled_from("ab1.e-_@ 日")), max_size=8), st.integers(0, 30))
def test_no_name_is_wider_than_it_may_be(names: list[str], width: int) -> None:
    assert all(cell_width(text) <= width for text in shortened(names, width))


def test_what_is_shared_with_names_beside_goes_first() -> None:
    beside = frozenset(f"gpt2_openwebtext_bs{size}" for size in (16, 32, 64))
    names = short_names(frozenset({"baseline", "gpt2_openwebtext_bs64"}), beside)
    assert names.fit("gpt2_openwebtext_bs64", 10) == "…bs64"
