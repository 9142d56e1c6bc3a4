"""What F2 says of calls that are known."""

from tests.bench.f2 import RATE_PER_S, judged


def test_a_line_used_to_its_rate_is_used_wholly() -> None:
    seen = judged([(n / RATE_PER_S, 200) for n in range(2_000)], 50)
    assert (seen.calls, seen.refused) == (2_000, 0)
    assert abs(seen.use - 1) < 1e-6
    assert seen.fullest <= 1
    assert seen.burst < 2


def test_a_line_used_by_half_and_one_that_is_overrun_are_told() -> None:
    half = judged([(2 * n / RATE_PER_S, 200) for n in range(2_000)], 50)
    assert abs(half.use - 0.5) < 1e-6
    overrun = judged([(n / 1_000, 200 if n < 60 else 429) for n in range(500)], 50)
    assert overrun.fullest > 1
    assert overrun.burst > 50
    assert overrun.refused == 440
