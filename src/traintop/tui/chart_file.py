"""A chart as the content of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

if TYPE_CHECKING:
    from traintop.charts import ChartSpec

Form = Literal["SVG", "text"]
FORMS: tuple[Form, ...] = ("SVG", "text")

_WIDTH, _HEIGHT = 120, 35


def chart_file(
    spec: ChartSpec, form: Form, *, dark: bool, ascii_only: bool
) -> tuple[str, str, str]:
    """What the name of the file begins with, its suffix, and what is in it."""
    from traintop.charts import DARK, LIGHT, chart_svg, chart_text, draw_chart

    title = spec.name or spec.title
    words = title.partition("   ")[0]  # without the values behind them
    stem = f"chart_{re.sub(r'[^A-Za-z0-9.-]+', '_', words).strip('_') or 'metric'}"
    spec = replace(spec, title=title, label_width=0)
    if form == "SVG":
        return stem, ".svg", chart_svg(spec, palette=DARK if dark else LIGHT)
    lines = draw_chart(spec, _WIDTH, _HEIGHT, ascii_only=ascii_only, letters=True)
    return stem, ".txt", f"{chart_text(lines)}\n"
