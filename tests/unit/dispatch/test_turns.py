"""Turns of tenants, persons, urgent work and buckets."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from bucket_api.dispatch.shares import evenness
from bucket_api.dispatch.turns import GROUP_UNITS, PAGES, QUANTUM, URGENT, Demand, Grant, Offer, Rotation
from hypothesis import given
from hypothesis import strategies as st

pages = st.lists(st.integers(0, 500), max_size=6).map(lambda sizes: list(enumerate(sizes)))
rooms = st.integers(-50, 2_000)


@st.composite
def demands(draw: st.DrawFn) -> list[Demand]:
    def offers(tenant: int) -> list[Offer]:
        return [
            Offer(f"b{tenant}_{n}", draw(pages), draw(st.sampled_from("xy")), draw(st.booleans()))
            for n in range(draw(st.integers(0, 3)))
        ]

    weights = st.sampled_from((0.5, 1.0, 2.0, 4.0))
    return [Demand(f"t{n}", draw(rooms), offers(n), draw(weights)) for n in range(draw(st.integers(0, 12)))]


def can_dispatch(demand: Demand) -> bool:
    return demand.room > 0 and any(units > 0 for offer in demand.offers for _, units in offer.pages)


def full(bucket: str, creator: str = "", *, urgent: bool = False) -> Offer:
    return Offer(bucket, [(page, 500) for page in range(20)], creator, urgent)


def dense(tenant: str, weight: float = 1.0) -> Demand:
    return Demand(tenant, 10_000, [full(f"b_{tenant}")], weight)


def served(asked: Sequence[Demand], groups: int, name: Callable[[Grant], str]) -> Counter[str]:
    """Units by name over some groups, everybody asking for the same again and again."""
    rotation = Rotation()
    units: Counter[str] = Counter()
    for _ in range(groups):
        for grant in rotation.grants(asked):
            rotation.settle(grant, grant.units)
            units[name(grant)] += grant.units
    return units


@given(demands())
def test_grants_stay_within_room_supply_turns_and_pages(asked: list[Demand]) -> None:
    granted = Rotation().grants(asked)

    by_tenant: Counter[str] = Counter()
    for grant in granted:
        by_tenant[grant.tenant] += grant.units
    for demand in asked:
        assert by_tenant[demand.tenant] <= max(0, demand.room)
    supply = {(o.bucket, page): units for d in asked for o in d.offers for page, units in o.pages}
    assert all(0 < grant.units <= supply[grant.bucket, grant.page] for grant in granted)
    assert len({(g.bucket, g.page) for g in granted}) == len(granted) <= PAGES
    assert sum(by_tenant.values()) <= GROUP_UNITS


@given(demands())
def test_something_is_granted_whenever_somebody_can_dispatch(asked: list[Demand]) -> None:
    assert bool(Rotation().grants(asked)) == any(map(can_dispatch, asked))


@given(demands(), st.integers(0, 5))
def test_nobody_starves(asked: list[Demand], before: int) -> None:
    """Whatever the others ask for and weigh, everybody who can dispatch is served within a bounded number of groups:
    a turn of the lightest is worth `most / least` turns of the heaviest."""
    rotation = Rotation()
    for _ in range(before):
        rotation.grants(asked[1:])
    groups = 8 * max(1, len(asked))
    seen = {grant.tenant for _ in range(groups) for grant in rotation.grants(asked)}
    assert seen == {demand.tenant for demand in asked if can_dispatch(demand)}


@given(st.integers(2, 40), st.integers(5, 20))
def test_tenants_with_enough_work_get_equal_shares(tenants: int, groups: int) -> None:
    asked = [dense(f"t{n}") for n in range(tenants)]
    units = served(asked, groups * tenants // PAGES + tenants, lambda grant: grant.tenant)
    got = [units[demand.tenant] for demand in asked]
    assert max(got) - min(got) <= QUANTUM
    assert evenness(got) >= 0.95


@given(st.lists(st.sampled_from((0.5, 1.0, 2.0, 3.0, 5.0, 8.0)), min_size=2, max_size=12), st.integers(10, 30))
def test_tenants_with_enough_work_get_shares_by_weight(weights: list[float], groups: int) -> None:
    """The bound of start-time fair queueing: two backlogged tenants never differ by more than a turn of each."""
    asked = [dense(f"t{n}", weight) for n, weight in enumerate(weights)]
    units = served(asked, groups, lambda grant: grant.tenant)
    had = [(units[demand.tenant] / demand.weight, demand.weight) for demand in asked]
    for (one, weight), (other, other_weight) in pairwise(had):
        assert abs(one - other) <= QUANTUM / weight + QUANTUM / other_weight


def test_a_newcomer_is_served_in_the_next_group() -> None:
    rotation = Rotation()
    busy = [dense(f"t{n}") for n in range(50)]
    for _ in range(7):
        rotation.grants(busy)
    newcomer = Demand("new", 8, [Offer("b_new", [(0, 5)])])
    assert ("new", 5) in {(grant.tenant, grant.units) for grant in rotation.grants([*busy, newcomer])}


def test_time_without_work_earns_nothing() -> None:
    rotation = Rotation()
    rotation.grants([dense("late")])
    for _ in range(40):
        rotation.grants([dense("busy")])
    units: Counter[str] = Counter()
    for _ in range(5):
        for grant in rotation.grants([dense("busy"), dense("late")]):
            units[grant.tenant] += grant.units
    assert abs(units["late"] - units["busy"]) <= 2 * QUANTUM


def test_f19_a4_two_persons_of_a_tenant_share_evenly_whatever_the_number_of_their_buckets() -> None:
    asked = Demand("t", 10_000, [full("b_1", "one"), *(full(f"b_{n}", "two") for n in range(2, 8))])
    units = served([asked], 20, lambda grant: "one" if grant.bucket == "b_1" else "two")
    assert abs(units["one"] - units["two"]) <= 2 * QUANTUM


def test_buckets_of_a_person_take_turns_and_a_small_one_is_not_kept_waiting() -> None:
    offers = [full("big"), Offer("small", [(0, 30)]), full("other")]
    granted = {(grant.bucket, grant.page): grant.units for grant in Rotation().grants([Demand("t", 10_000, offers)])}
    assert granted["small", 0] == 30
    assert sum(units for (bucket, _), units in granted.items() if bucket == "big") >= 300
    assert sum(units for (bucket, _), units in granted.items() if bucket == "other") >= 300


def test_urgent_work_goes_first_but_never_all_alone() -> None:
    asked = Demand("t", 10_000, [full("history"), full("notices", urgent=True)])
    units = served([asked], 16, lambda grant: grant.bucket)
    assert abs(units["notices"] - URGENT * units["history"]) <= (URGENT + 1) * QUANTUM
    assert units["history"] >= 16 * GROUP_UNITS / (URGENT + 1) - QUANTUM


def test_urgent_and_other_columns_of_one_page_are_two_grants() -> None:
    offers = [Offer("b", [(0, 300)], urgent=True), Offer("b", [(0, 300)])]
    granted = Rotation().grants([Demand("t", 10_000, offers)])
    assert {(grant.page, grant.urgent, grant.units) for grant in granted} == {(0, True, 300), (0, False, 300)}


def test_turns_of_one_page_are_joined() -> None:
    assert [(grant.page, grant.units) for grant in Rotation().grants([dense("t")])] == [(0, 500), (1, 300)]


def test_a_tenant_of_many_nearly_empty_pages_leaves_turns_to_others() -> None:
    sparse = Demand("sparse", 1_000, [Offer("b", [(page, 1) for page in range(100)])])
    units = served([sparse, dense("dense")], 20, lambda grant: grant.tenant)
    assert units["dense"] >= 20 * GROUP_UNITS / 4
    assert units["sparse"] >= 20


def test_what_was_granted_and_not_there_is_not_held_against_anybody() -> None:
    rotation = Rotation()
    granted: Counter[str] = Counter()
    for _ in range(10):
        for grant in rotation.grants([dense("empty"), dense("other")]):
            granted[grant.tenant] += grant.units
            rotation.settle(grant, 0 if grant.tenant == "empty" else grant.units)
    assert granted["other"] >= QUANTUM
    assert granted["empty"] > 2 * granted["other"]


def test_an_ended_tenant_is_forgotten() -> None:
    rotation = Rotation()
    path = next(grant.path for grant in rotation.grants([dense("a"), dense("b")]) if grant.tenant == "b")
    rotation.keep([path])
    assert rotation.grants([dense("b"), dense("a")])[0].tenant == "a"
