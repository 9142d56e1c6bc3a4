"""Rates: a minute's requests at once, then evenly; tenants and policies apart; memory bounded."""

import pytest
from bucket_api.http import rates
from bucket_api.http.rates import Policy, Rates, policy_of

QUOTAS: dict[Policy, int] = {"default": 60, "heavy": 6, "otp": 30}


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_minutes_requests_may_come_at_once_and_then_as_time_goes_by() -> None:
    clock = Clock()
    limited = Rates(QUOTAS, clock)
    for left in range(5, -1, -1):
        taken = limited.take("t_one", "heavy")
        assert (taken.retry_after_s, taken.remaining) == (0, left)
    assert limited.take("t_one", "heavy").retry_after_s == 10
    clock.now_s += 9.5
    assert limited.take("t_one", "heavy").retry_after_s == 1
    clock.now_s += 0.5
    assert limited.take("t_one", "heavy").retry_after_s == 0
    assert limited.take("t_one", "heavy").retry_after_s == 10


def test_a_refused_request_costs_nothing() -> None:
    clock = Clock()
    limited = Rates(QUOTAS, clock)
    for _ in range(600):
        limited.take("t_one", "heavy")
    clock.now_s += 10
    assert limited.take("t_one", "heavy").retry_after_s == 0


def test_no_more_than_a_minutes_requests_are_saved_up() -> None:
    clock = Clock()
    limited = Rates(QUOTAS, clock)
    limited.take("t_one", "heavy")
    clock.now_s += 86_400
    assert limited.take("t_one", "heavy").remaining == 5


def test_tenants_and_policies_do_not_share() -> None:
    limited = Rates(QUOTAS, Clock())
    for _ in range(7):
        limited.take("t_one", "heavy")
    assert limited.take("t_two", "heavy").retry_after_s == 0
    assert limited.take("t_one", "otp").retry_after_s == 0


def test_every_answer_can_tell_how_it_stands() -> None:
    clock = Clock()
    limited = Rates(QUOTAS, clock)
    for _ in range(9):
        limited.take("t_one", "default")
    assert limited.take("t_one", "default").headers() == {
        "ratelimit-policy": '"default";q=60;w=60',
        "ratelimit": '"default";r=50;t=10',
    }


def test_the_tenants_that_were_seen_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_BUCKETS", 2)
    limited = Rates(QUOTAS, Clock())
    for tenant in ("t_one", "t_two", "t_one", "t_three", "t_one"):
        limited.take(tenant, "default")
    assert limited.take("t_one", "default").remaining == 56
    assert limited.take("t_two", "default").remaining == 59, "forgotten, hence full"


@pytest.mark.parametrize(
    ("method", "route", "policy"),
    [
        ("POST", "/v1/client-imports", "heavy"),
        ("GET", "/v1/client-imports/{import_id}", "default"),
        ("POST", "/v1/otp-requests/{request_id}/submit", "otp"),
        ("GET", "/v1/otp-requests/{request_id}", "default"),
        ("POST", "/v1/buckets", "default"),
    ],
)
def test_each_route_has_a_policy(method: str, route: str, policy: str) -> None:
    assert policy_of(method, route) == policy
