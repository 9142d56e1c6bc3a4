"""What a timed pass says per unit."""

import pytest

from tests.bench.rates import Pass, median_of

PASS = Pass(units=2_000, took_s=4.0, cpu_s={"worker-0": 0.5, "mongod": 0.3})


def test_a_rate_is_units_by_wall_time() -> None:
    assert PASS.rate_per_s == 500.0


def test_cpu_counts_all_processes_per_thousand_units() -> None:
    assert PASS.cpu_s_per_1000 == pytest.approx(0.4)


def test_cpu_of_one_process_is_told_per_unit() -> None:
    assert PASS.us_per_unit("worker-0") == pytest.approx(250.0)


def test_the_median_run_counts() -> None:
    runs = [Pass(100, took_s, {}) for took_s in (1.0, 4.0, 2.0)]
    assert median_of(runs, lambda run: run.rate_per_s) == 50.0
