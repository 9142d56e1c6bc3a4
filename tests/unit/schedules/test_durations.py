"""Durations as the API writes them."""

from datetime import timedelta

import pytest
from bucket_api.schedules.durations import duration, duration_text
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "minutes"), [("P1D", 1440), ("PT6H", 360), ("-PT30M", -30), ("P1DT2H3M", 1563), ("PT0M", 0), ("PT90M", 90)]
)
def test_a_duration_is_read(text: str, minutes: int) -> None:
    assert duration(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1", "1D", "P1Y", "PT1S", "P-1D", "P1DT", "P١D", "PT1H\n"])
def test_what_is_none_is_not_read(text: str) -> None:
    assert duration(text) is None


@given(st.integers(-500 * 1440, 500 * 1440))
def test_what_is_written_is_read_again(minutes: int) -> None:
    length = timedelta(minutes=minutes)

    assert duration(duration_text(length)) == length
