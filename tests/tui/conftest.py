from collections import Counter

import pytest
from tests.drawing import count_drawings


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the main screen, lines of panes, and charts are drawn."""
    return count_drawings(monkeypatch)
