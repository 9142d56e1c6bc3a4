"""Page tokens: they come back as they were, for their own list only, for ten minutes."""

import pytest
from bucket_api.http.pagetokens import VALID_MS, Position, binding, issue, read
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from hypothesis import given
from hypothesis import strategies as st

BOUND = binding(TenantScope("t_one"), "/v1/clients", {"q": None})
POSITIONS = st.builds(Position, after=st.none() | st.text(max_size=60), offset=st.integers(0, 10**6))


@given(POSITIONS, st.integers(0, VALID_MS))
def test_a_token_gives_its_position_back(position: Position, age_ms: int) -> None:
    assert read(issue(BOUND, position, 1_000), BOUND, 1_000 + age_ms) == position


def test_no_token_is_the_beginning() -> None:
    assert read(None, BOUND, 5) == Position()


@pytest.mark.parametrize(("age_ms", "code"), [(VALID_MS + 1, "page_token_expired"), (-1, "page_token_expired")])
def test_an_old_or_future_token_is_refused(age_ms: int, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(issue(BOUND, Position(), 10_000_000), BOUND, 10_000_000 + age_ms)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "other",
    [
        binding(TenantScope("t_two"), "/v1/clients", {"q": None}),
        binding(TenantScope("t_one"), "/v1/buckets", {"q": None}),
        binding(TenantScope("t_one"), "/v1/clients", {"q": "x"}),
    ],
)
def test_a_token_of_another_tenant_route_or_filter_is_refused(other: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(issue(other, Position(), 0), BOUND, 0)
    assert refused.value.code == "page_token_mismatch"


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(text, BOUND, 0)
    assert refused.value.code == "page_token_mismatch"
