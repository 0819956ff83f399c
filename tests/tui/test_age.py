from datetime import datetime, timedelta

import pytest

from traintop.text import age, seconds_until_older
from traintop.times import age_seconds, parse_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "now"),
        (59.9, "now"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (2 * 86400 - 1, "47h"),
        (2 * 86400, "2d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (1e12, "999y"),
    ],
)
def test_age_is_coarse_and_at_most_four_characters(seconds, text):
    assert age(seconds) == text
    assert len(text) <= 4


@pytest.mark.parametrize("seconds", [0.0, 30.0, 60.0, 61.0, 3599.5, 3600.0, 7300.0, 300000.0])
def test_age_text_changes_exactly_when_predicted(seconds):
    wait = seconds_until_older(seconds)
    assert wait > 0
    assert age(seconds + wait * 0.999) == age(seconds)
    assert age(seconds + wait + 1e-6) != age(seconds)


def test_times_of_any_origin_are_read_or_refused():
    assert parse_time("2025-02-22T14:05:30.5").isoformat() == "2025-02-22T14:05:30.500000"
    assert parse_time("2025-02-22T14:05:30+00:00").tzinfo is None
    for malformed in (None, "", "yesterday", "0001-01-01T00:00:00+14:00"):
        assert parse_time(malformed) is None


def test_a_start_in_the_future_is_now():
    now = datetime.fromisoformat("2025-01-01")
    assert age_seconds((now + timedelta(hours=1)).isoformat(), now) == 0
