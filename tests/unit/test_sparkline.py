"""A series as a few bars of text."""

from __future__ import annotations

import math

import numpy as np
from drawings import floats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from traintop.analysis.series import FloatArray
from traintop.charts import sparkline


def test_sparkline() -> None:
    assert sparkline(np.arange(8.0) ** 2, 8) == "▁▂▃▄▅▆▇█"
    assert sparkline(np.arange(8.0) ** 2, 8, ascii_only=True) == "_.-=+*#@"
    assert sparkline(floats(3, math.nan, 1), 4) == "█▁  "
    assert sparkline(floats(1, 2, math.inf, -math.inf), 4) == "▁█!!"
    assert sparkline(floats(), 3) == "   "
    usual = sparkline(2.4 + 7 / (1 + np.arange(5000) / 100), 8)
    assert len(set(usual)) >= 6, "a usual loss is no block before a level line"
    assert sparkline(floats(1, 2), 0) == ""


@given(arrays.arrays(np.float64, st.integers(0, 50), elements=st.floats()), st.integers(0, 20))
def test_a_sparkline_has_its_width_whatever_the_data(values: FloatArray, width: int) -> None:
    assert len(sparkline(values, width)) == width
