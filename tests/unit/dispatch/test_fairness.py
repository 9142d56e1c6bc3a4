"""Windows and turns."""

from collections import Counter

from bucket_api.dispatch.fairness import (
    LEAST_WINDOW,
    QUANTUM,
    TURNS,
    Demand,
    Line,
    Rotation,
    all_closed,
    global_window,
    tenant_window,
)
from hypothesis import given
from hypothesis import strategies as st

pages = st.lists(st.integers(0, 500), max_size=6).map(lambda sizes: list(enumerate(sizes)))
rooms = st.integers(-50, 2_000)


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    tenants = draw(st.integers(0, 12))
    return [
        Demand(f"t{n}", draw(rooms), {f"b{n}_{i}": draw(pages) for i in range(draw(st.integers(0, 3)))})
        for n in range(tenants)
    ]


def can_dispatch(demand: Demand) -> bool:
    return demand.room > 0 and any(units > 0 for queue in demand.buckets.values() for _, units in queue)


def dense(tenant: str, room: int = 10_000) -> Demand:
    return Demand(tenant, room, {f"b_{tenant}": [(page, 500) for page in range(20)]})


@given(demands())
def test_grants_stay_within_room_supply_turns_and_pages(asked: list[Demand]) -> None:
    granted = Rotation().grants(asked)

    by_tenant: Counter[str] = Counter()
    for grant in granted:
        by_tenant[grant.tenant] += grant.units
    for demand in asked:
        assert by_tenant[demand.tenant] <= max(0, demand.room)
    supply = {(b, page): units for d in asked for b, queue in d.buckets.items() for page, units in queue}
    assert all(0 < grant.units <= supply[grant.bucket, grant.page] for grant in granted)
    assert len({(g.bucket, g.page) for g in granted}) == len(granted) <= TURNS
    assert sum(by_tenant.values()) <= TURNS * QUANTUM


@given(demands())
def test_something_is_granted_whenever_somebody_can_dispatch(asked: list[Demand]) -> None:
    assert bool(Rotation().grants(asked)) == any(map(can_dispatch, asked))


@given(demands())
def test_nobody_starves(asked: list[Demand]) -> None:
    """Whatever the others ask for, everybody who can dispatch is served within as many groups as there are tenants."""
    rotation = Rotation()
    served = {grant.tenant for _ in range(max(1, len(asked))) for grant in rotation.grants(asked)}
    assert served == {demand.tenant for demand in asked if can_dispatch(demand)}


@given(st.integers(2, 60), st.integers(5, 60))
def test_tenants_with_enough_work_get_equal_shares(tenants: int, groups: int) -> None:
    rotation = Rotation()
    asked = [dense(f"t{n}") for n in range(tenants)]
    units: Counter[str] = Counter()
    for _ in range(groups * tenants // TURNS + tenants):
        for grant in rotation.grants(asked):
            units[grant.tenant] += grant.units
    shares = [units[f"t{n}"] for n in range(tenants)]
    assert max(shares) - min(shares) <= QUANTUM
    jain = sum(shares) ** 2 / (tenants * sum(share * share for share in shares))
    assert jain >= 0.95


def test_a_newcomer_is_served_in_the_next_group() -> None:
    rotation = Rotation()
    busy = [dense(f"t{n}") for n in range(50)]
    for _ in range(7):
        rotation.grants(busy)
    newcomer = Demand("new", 8, {"b_new": [(0, 5)]})
    assert ("new", 5) in {(grant.tenant, grant.units) for grant in rotation.grants([*busy, newcomer])}


def test_buckets_of_a_tenant_take_turns() -> None:
    rotation = Rotation()
    asked = Demand("t", 10_000, {"big": [(0, 500), (1, 500), (2, 500)], "small": [(0, 30)], "other": [(0, 500)]})
    granted = {(grant.bucket, grant.page): grant.units for grant in rotation.grants([asked])}
    assert granted["small", 0] == 30
    assert sum(units for (bucket, _), units in granted.items() if bucket == "big") >= 300
    assert granted["other", 0] >= 300


def test_turns_of_one_page_are_joined() -> None:
    granted = Rotation().grants([dense("t")])
    assert [(grant.page, grant.units) for grant in granted] == [(0, 500), (1, 300)]


def test_a_tenant_of_many_nearly_empty_pages_leaves_turns_to_others() -> None:
    sparse = Demand("sparse", 1_000, {"b": [(page, 1) for page in range(100)]})
    rotation = Rotation()
    groups = [rotation.grants([sparse, dense("dense")]) for _ in range(2)]
    assert {grant.tenant for group in groups for grant in group} == {"sparse", "dense"}


def test_an_ended_tenant_is_forgotten() -> None:
    rotation = Rotation()
    rotation.grants([dense("a"), dense("b")])
    rotation.keep({"b"}, {"b_b"})
    assert rotation.grants([dense("b"), dense("a")])[0].tenant == "a"


def test_windows() -> None:
    assert global_window([], 1.0, 10_000) == 10_000
    assert global_window([Line(100.0)], 1.0, 10_000) == 600
    assert global_window([Line(100.0), Line(50.0)], 1.0, 10_000) == 900
    assert global_window([Line(100.0), Line(None)], 1.0, 10_000) == 10_000
    assert tenant_window(600, 3) == 200
    assert tenant_window(600, 0) == 600
    assert tenant_window(600, 1_000) == LEAST_WINDOW


def test_lines_are_closed_only_when_every_known_one_is() -> None:
    assert not all_closed([], 5)
    assert all_closed([Line(closed_until_ms=6)], 5)
    assert not all_closed([Line(closed_until_ms=6), Line(closed_until_ms=5)], 5)
