"""The arithmetic of a large lab: the page is that of its script, and a simulation agrees."""

from __future__ import annotations

import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "make_scale.py"

make_scale = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
Bucket, Lab, Prices = make_scale.Bucket, make_scale.Lab, make_scale.Prices


def test_the_page_is_as_its_script_makes_it() -> None:
    figures = make_scale.known_figures()
    made = make_scale.page(Lab(), figures, Bucket(), Prices())
    assert make_scale.PAGE.read_text(encoding="utf-8") == made, "run python docs/make_scale.py"


@pytest.mark.parametrize("gpus", [100])
def test_a_simulated_day_costs_what_the_formulas_say(gpus: int) -> None:
    lab, figures = Lab(gpus=gpus, runs=gpus * 10_000), make_scale.known_figures()
    for seed in (1, 2):
        computed = make_scale.computed_day(lab, figures, Bucket())
        simulated = make_scale.simulated_day(lab, figures, Bucket(), seed)
        for name, one, other in zip(computed._fields, computed, simulated, strict=True):
            assert other == pytest.approx(one, rel=0.25), name


def test_a_large_run_is_put_more_rarely_and_at_its_end() -> None:
    bucket = Bucket(push_every=30.0, push_rest=20.0, bandwidth=1e6)
    ages = make_scale.pushes(100_000.0, 1000.0, bucket)
    gaps = [later - earlier for earlier, later in itertools.pairwise(ages)]
    assert (ages[0], ages[-1]) == (30.0, 100_000.0)
    assert gaps[0] == 30.0
    assert gaps[:-1] == sorted(gaps[:-1])
    assert gaps[-2] == pytest.approx(20.0 * ages[-3] * 1000.0 / 1e6)
