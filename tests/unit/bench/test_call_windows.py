"""The judge of rates: what it says of all windows is what counting each of them says."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.call_windows import most_in, needed_burst

moments = st.lists(st.integers(0, 5_000).map(lambda ms: ms / 1000), min_size=1, max_size=60)


@given(moments, st.sampled_from([1.0, 5.0, 50.0]))
def test_the_needed_burst_is_the_worst_window(calls_s: list[float], rate_per_s: float) -> None:
    ordered = sorted(calls_s)
    worst = max(
        last - first + 1 - rate_per_s * (ordered[last] - ordered[first])
        for first in range(len(ordered))
        for last in range(first, len(ordered))
    )
    assert abs(needed_burst(calls_s, rate_per_s) - worst) < 1e-6


def test_the_fullest_window_is_found() -> None:
    assert most_in([0.0, 0.4, 0.5, 0.9, 1.5], 0.5) == 3
    assert most_in([], 1.0) == 0
