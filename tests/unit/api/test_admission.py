"""Limits of a tenant: what is refused, how full it is, and when it makes sense to come back."""

import pytest
from bucket_api.buckets.admission import (
    ACTIVE_BUCKETS,
    LEAST_RETRY_AFTER_S,
    MOST_RETRY_AFTER_S,
    OPEN_UNITS,
    Load,
    Usage,
    admit,
)
from bucket_api.refusal import Refusal
from hypothesis import given
from hypothesis import strategies as st

LOADS = st.builds(Load, st.integers(0, 100_000), st.integers(0, 100_000), st.floats(0, 1e6))


def refused(usage: Usage, new_units: int, new_buckets: int = 1) -> Refusal:
    with pytest.raises(Refusal) as caught:
        admit(usage, new_units, new_buckets=new_buckets)
    return caught.value


def test_f42_a2_a_refusal_says_which_limit_how_full_and_when_to_come_back() -> None:
    steady = Load(open_units=600, ended_units=400, age_s=100)
    slower = Load(open_units=900, ended_units=100, age_s=100)
    no = refused(Usage([steady, slower] * 10), 5)
    assert (no.code, no.facts) == (
        "too_many_active_buckets", {"limit": 20, "used": 20, "asked": 1, "retry_after_s": 150},
    )  # fmt: skip
    full = refused(Usage([Load(OPEN_UNITS - 100, 1_000, 10)]), 1_100)
    assert (full.code, full.facts) == (
        "too_many_queued_units", {"limit": OPEN_UNITS, "used": OPEN_UNITS - 100, "asked": 1_100, "retry_after_s": 30},
    )  # fmt: skip
    assert "199,900 of at most 200,000" in str(full.detail)
    assert refused(Usage([Load(OPEN_UNITS, 100, 10)]), 1_000).facts["retry_after_s"] == 100


def test_a_bucket_that_runs_already_takes_no_new_place() -> None:
    full = Usage([Load(1, 0, 1)] * ACTIVE_BUCKETS)
    admit(full, 1, new_buckets=0)
    assert refused(full, 1).code == "too_many_active_buckets"


@given(st.lists(LOADS, max_size=25), st.integers(0, 100_000), st.integers(0, 1))
def test_what_is_admitted_fits_and_what_is_refused_does_not(loads: list[Load], units: int, buckets: int) -> None:
    usage = Usage(loads)
    fits = (not buckets or len(loads) < ACTIVE_BUCKETS) and usage.open_units + units <= OPEN_UNITS
    if fits:
        admit(usage, units, new_buckets=buckets)
        return
    facts = refused(usage, units, buckets).facts
    assert LEAST_RETRY_AFTER_S <= facts["retry_after_s"] <= MOST_RETRY_AFTER_S
    assert facts["used"] in (len(loads), usage.open_units)
