"""Random drawing, as frames and in full: both look alike. The long form: `random_screens`."""

import pytest
from tests.faults.random_screens import differing


@pytest.mark.parametrize("seed", range(6))
def test_frames_look_as_what_was_drawn(seed):
    assert differing(seed, 60) is None
