"""When gates close, pure: from errors of several clients; never from one client's, one section's or a few."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_worker.limits.breaker import Latest, Rules, Seen, longer_ms, to_close
from sync_worker.limits.budget import LineRate, leased

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
RULES = Rules()
RATE = LineRate(1000, 1000)
FAMILIES = ("returns", "notices", "public")

calls = st.lists(st.tuples(st.sampled_from(FAMILIES), st.integers(0, 30), st.booleans()), max_size=200)
"""Family, client and whether it erred."""


def told(document: dict[str, Any], family: str, *outcomes: tuple[int, bool], now: datetime = NOW) -> dict[str, Any]:
    """The document after one lease that tells these calls: `(client, erred)`."""
    seen = Seen()
    for client, erred in outcomes:
        seen = seen.and_(f"c{client}", erred=erred)
    return leased(document, family, 1, seen, profile=RATE, rules=RULES, now=now)


def test_an_outage_of_one_family_closes_that_family_only() -> None:
    document = told({}, "returns", *((n % 7, n % 5 < 3) for n in range(20)))
    assert to_close(document, "returns", RULES) == ["returns"]
    assert to_close(document, "notices", RULES) == []


def test_an_outage_of_two_families_closes_the_line_too() -> None:
    document = told({}, "public", (1, True), (2, True))
    document = told(document, "returns", *((n, True) for n in range(18)))
    assert to_close(document, "returns", RULES) == [None]
    document = told(document, "returns", *((n, True) for n in range(2)))
    assert to_close(document, "returns", RULES) == ["returns", None]


@pytest.mark.parametrize(
    ("outcomes", "why"),
    [
        ([(n % 4, True) for n in range(200)], "four clients"),
        ([(n, True) for n in range(19)], "19 calls"),
        ([(n, n % 100 < 59) for n in range(100)], "59 %"),
        ([(1, True)] * 60 + [(n, n < 5) for n in range(2, 40)], "few clients err, one of them often"),
    ],
)
def test_a_gate_stays_open(outcomes: list[tuple[int, bool]], why: str) -> None:
    assert to_close(told({}, "returns", *outcomes), "returns", RULES) == [], why


def test_a_gate_that_is_closed_is_not_closed_again() -> None:
    document = told({"families": {"returns": {"reason": "maintenance"}}}, "returns", *((n, True) for n in range(40)))
    assert to_close(document, "returns", RULES) == []


def test_errors_are_forgotten_after_half_a_minute() -> None:
    document = told({}, "returns", *((n, True) for n in range(15)))
    document = told(document, "returns", *((n, True) for n in range(10)), now=NOW + timedelta(seconds=30))
    assert document["families"]["returns"]["win"]["n"] == 10
    assert to_close(document, "returns", RULES) == []


def test_a_busy_line_notices_as_fast_as_a_quiet_one() -> None:
    document = told({}, "returns", *((n, False) for n in range(3_000)))
    needed = 0
    while not to_close(document, "returns", RULES):
        document, needed = told(document, "returns", *((n, True) for n in range(10))), needed + 10
        assert needed < 2_000
    assert needed <= 260


@given(calls)
def test_one_client_never_closes_a_gate_whatever_it_meets(outcomes: list[tuple[str, int, bool]]) -> None:
    """Its calls all err; the others' calls err as drawn, of at most three clients."""
    document: dict[str, Any] = {}
    for family, client, erred in outcomes:
        document = told(document, family, (99, True), (client, erred and client < 3))
        assert to_close(document, family, RULES) == []


@given(calls)
def test_the_line_closes_only_after_two_families_have_erred(outcomes: list[tuple[str, int, bool]]) -> None:
    document: dict[str, Any] = {}
    erring: set[str] = set()
    for family, client, erred in outcomes:
        document = told(document, family, (client, erred))
        erring |= {family} if erred else set()
        assert None not in to_close(document, family, RULES) or len(erring) >= 2


def test_a_gate_stays_closed_for_twice_as_long_each_time_up_to_a_quarter_of_an_hour() -> None:
    closed_ms, seen = RULES.first_ms, []
    for _ in range(5):
        closed_ms = longer_ms(closed_ms, RULES)
        seen.append(closed_ms // 1000)
    assert seen == [120, 240, 480, 900, 900]


def test_what_could_not_be_told_is_told_with_the_next_lease() -> None:
    first, second = Seen(3, 2, ("a", "b")), Seen(4, 1, ("b",))
    assert first.with_(second) == Seen(7, 3, ("a", "b"))


def test_an_error_is_the_portals_when_four_clients_meet_one_and_the_second_time_when_five_do() -> None:
    latest = Latest()
    for client in ("a", "a", "a", "a", "b", "c"):
        latest.note(0.0, client, erred=True)
    assert not latest.suspects(1.0, again=False)
    latest.note(0.0, "d", erred=True)
    assert latest.suspects(1.0, again=False)
    assert not latest.suspects(1.0, again=True)
    latest.note(0.0, "e", erred=True)
    assert latest.suspects(1.0, again=True)
    assert not latest.suspects(301.0, again=False), "long ago"
    for n in range(5):
        latest.note(2.0, str(n), erred=False)
    assert not latest.suspects(3.0, again=False), "the portal answers again"
