"""Windows: how much of a line each tenant may have in flight."""

from typing import Any

import pytest
from bucket_api.dispatch.backlog import ActiveBucket
from bucket_api.dispatch.fairness import LEAST_WINDOW, Line, Want, line_window, tenant_window, water_level
from bucket_api.dispatch.shares import MEASURED_S, Load, Meter, Share, evenness, shares
from hypothesis import given
from hypothesis import strategies as st

wants = st.lists(st.builds(Want, st.integers(0, 2_000), st.sampled_from((0.5, 1.0, 2.0, 5.0))), max_size=20)


def load(tenant: str, due: int = 0, *, in_flight: int = 0, **given: Any) -> Load:
    fields = {"control": "RUN", **given}
    return Load(ActiveBucket(f"b_{tenant}", tenant, 0, columns=(), n_pages=1, **fields), in_flight, due)


def by_tenant(window: int, *loads: Load) -> dict[str, Share]:
    return {tenant: share for (tenant, _), share in shares(loads, lambda _line: window).items()}


def test_a_line_has_in_flight_what_it_can_do_in_a_mean_call_and_five_seconds() -> None:
    assert line_window(Line(100.0), 1.0, 10_000) == 600
    assert line_window(Line(None), 1.0, 10_000) == 10_000


@given(st.integers(8, 10_000), wants)
def test_every_tenant_that_wants_its_part_gets_it(window: int, asked: list[Want]) -> None:
    level = water_level(window, asked)
    weights = sum(want.weight for want in asked)
    for want in asked:
        assert level * want.weight >= min(want.units, window * want.weight / weights) - 1e-6


@given(st.integers(8, 10_000), wants.filter(bool))
def test_the_line_is_full_as_long_as_anybody_wants_more(window: int, asked: list[Want]) -> None:
    level = water_level(window, asked)
    used = sum(min(want.units, level * want.weight) for want in asked)
    assert used == pytest.approx(min(window, sum(want.units for want in asked)))


def test_windows_follow_the_weights_of_plans() -> None:
    found = by_tenant(600, load("a", 5_000, weight=3.0), load("b", 5_000), load("c", 5_000, weight=2.0))
    assert {tenant: share.window for tenant, share in found.items()} == {"a": 300, "b": 100, "c": 200}
    assert found["a"].part == 0.5
    assert found["a"].of == 3


def test_f19_a2_a_tenant_alone_has_the_whole_line_and_so_has_one_beside_an_idle_tenant() -> None:
    assert by_tenant(600, load("a", 5_000))["a"].window == 600
    assert by_tenant(600, load("a", 5_000), load("idle"))["a"].window == 600
    assert by_tenant(600, load("a", 5_000), load("small", 10))["a"].window == 590


def test_who_comes_back_has_room_at_once_beside_those_who_borrowed_its_part() -> None:
    """Up to a quarter more than the window, then whatever ends; the others get nothing meanwhile."""
    found = by_tenant(600, load("a", 5_000, in_flight=600), load("b", 5_000))
    assert (found["b"].window, found["b"].room, found["a"].room) == (300, 150, 0)
    later = by_tenant(600, load("a", 5_000, in_flight=560), load("b", 4_850, in_flight=150))
    assert (later["b"].room, later["a"].room) == (40, 0)


@given(st.integers(8, 3_000), st.lists(st.tuples(st.integers(0, 800), st.integers(0, 800)), min_size=1, max_size=30))
def test_a_line_is_never_filled_beyond_a_quarter_more_and_least_windows(
    window: int, held: list[tuple[int, int]]
) -> None:
    found = by_tenant(window, *(load(f"t{n}", due, in_flight=flying) for n, (flying, due) in enumerate(held)))
    room, flying = sum(share.room for share in found.values()), sum(share.in_flight for share in found.values())
    assert room <= max(0, 1.25 * window - flying) + LEAST_WINDOW * len(held)
    assert all(0 <= share.room <= max(0, share.window - share.in_flight) for share in found.values())
    assert all(share.room >= min(share.due, LEAST_WINDOW) for share in found.values() if share.in_flight == 0)


def test_a_window_is_filled_up_in_pieces_but_never_waits_for_more_than_is_due() -> None:
    rooms = [by_tenant(800, load("a", 5_000, in_flight=held))["a"].room for held in (800, 701, 700, 0)]
    assert rooms == [0, 0, 100, 800]
    assert by_tenant(800, load("a", 3, in_flight=790))["a"].room == 3


def test_f41_a2_a_paused_bucket_holds_no_share() -> None:
    found = by_tenant(600, load("a", 5_000), load("b", 5_000, in_flight=0, control="PAUSE"))
    assert found.keys() == {"a"}
    assert (found["a"].window, found["a"].part, found["a"].of) == (600, 1.0, 1)


def test_tenants_of_another_line_take_nothing_away() -> None:
    found = by_tenant(600, load("a", 5_000), load("b", 5_000, line="up_other"))
    assert {share.window for share in found.values()} == {600}


def test_the_least_window_keeps_small_tenants_moving() -> None:
    assert tenant_window(600, 0.6, 1.0) == LEAST_WINDOW
    assert tenant_window(600, 1_000.0, 2.0) == 600


def test_the_meter_forgets_after_a_minute() -> None:
    meter = Meter()
    meter.add(("a", "l"), 5, 1_000)
    meter.add(("a", "l"), 3, 1_999)
    meter.add(("b", "l"), 2, 30_000)
    assert meter.units(31_000) == {("a", "l"): 8, ("b", "l"): 2}
    assert meter.units(1_000 + MEASURED_S * 1_000) == {("b", "l"): 2}
    assert meter.units(300_000) == {}


def test_evenness_is_jains_index() -> None:
    assert evenness([3.0, 3.0, 3.0]) == pytest.approx(1)
    assert evenness([1.0, 0.0, 0.0, 0.0]) == 0.25
    assert evenness([]) == 1
