"""The dispatcher between tenants, lines and persons, against pages that change by `fold`."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.gates import PROBE_EVERY_MS
from bucket_api.dispatch.loop import Dispatcher
from bucket_api.dispatch.shares import evenness
from bucket_api.dispatch.urgency import AGED_MS
from hypothesis import given, settings
from hypothesis import strategies as st
from sync_contracts.catalogue import MODULES, Module
from sync_contracts.commands import Command
from sync_contracts.units import Fact, FactType

from tests.support.page_world import PageWorld, dispatcher_in, run_until_idle

LINE = "up_gst_1"
NOTICES = str(MODULES[Module.NOTICES].family)
RATE_PER_S = 20.0
WINDOW = 120


class Portal:
    """Plays workers that serve what is dispatched in its order, so many units a second, and the aggregator."""

    def __init__(self, world: PageWorld, dispatcher: Dispatcher) -> None:
        self.world = world
        self.dispatcher = dispatcher
        self.served: list[Command] = []
        self.answer: Callable[[Command], Fact] = lambda c: Fact(FactType.SUCCEEDED, c.attempt, "OK")
        self._queue: list[Command] = []
        self._seen = 0

    async def second(self, units: int) -> list[Command]:
        """One second: dispatch, serve, fold, look again."""
        await run_until_idle(self.world, self.dispatcher)
        self._queue += self.world.commands[self._seen :]
        self._seen = len(self.world.commands)
        self.world.fold_all()
        now, self._queue = self._queue[:units], self._queue[units:]
        for c in now:
            self.world.change(c.bucket, c.page, [(c.ci, c.mi, self.answer(c))])
        self.served += now
        self.world.now_ms += 1_000
        return now

    async def seconds(self, number: int, units: int = int(RATE_PER_S)) -> Counter[str]:
        """Units served by tenant."""
        served: Counter[str] = Counter()
        for _ in range(number):
            served.update(c.tenant for c in await self.second(units))
        return served


def on_a_line(**tenants: Mapping[str, object]) -> Portal:
    """A line of 20 calls a second and a bucket for each tenant."""
    world = PageWorld()
    world.upstreams = [Line(RATE_PER_S)]
    for tenant, fields in tenants.items():
        world.add(f"b_{tenant}", tenant=tenant, **{"clients": 2_000, **fields})  # type: ignore[arg-type]
    return Portal(world, dispatcher_in(world))


async def test_equal_tenants_are_served_evenly() -> None:
    portal = on_a_line(a={}, b={}, c={}, d={})
    served = await portal.seconds(60)
    assert evenness(served.values()) >= 0.95
    assert served.total() == 60 * RATE_PER_S


async def test_tenants_are_served_by_the_weights_of_their_plans() -> None:
    portal = on_a_line(a={"weight": 3.0}, b={}, c={"weight": 2.0})
    served = await portal.seconds(60)
    assert evenness([served["a"] / 3, served["b"], served["c"] / 2]) >= 0.98


async def test_f19_a2_a_tenant_beside_idle_ones_has_the_whole_line() -> None:
    """Work conservation: whose units all wait for later keeps nothing from others."""
    portal = on_a_line(a={}, waiting={"clients": 30})
    done = portal.answer
    later = Fact(FactType.RETRY, 1, "PORTAL_PREPARING", delay_ms=600_000)
    portal.answer = lambda c: later if c.tenant == "waiting" else done(c)
    while sum(c.tenant == "waiting" for c in portal.served) < 30:
        await portal.seconds(1)
    served = await portal.seconds(20)
    assert served == {"a": 20 * RATE_PER_S}
    assert portal.world.in_flight("a") >= 0.8 * WINDOW


async def test_f41_a2_a_paused_bucket_holds_no_share() -> None:
    portal = on_a_line(a={}, paused={}, other={})
    portal.world.control("b_paused", "PAUSE")
    portal.world.control("b_other", "PAUSE")
    served = await portal.seconds(10)
    assert served == {"a": 10 * RATE_PER_S}
    assert portal.world.in_flight("a") >= 0.8 * WINDOW


async def test_who_comes_back_is_served_within_a_window_of_calls() -> None:
    portal = on_a_line(a={})
    await portal.seconds(10)
    before = len(portal.served)
    portal.world.add("b_new", tenant="new", clients=5)
    while not any(c.tenant == "new" for c in portal.served):
        assert len(portal.served) - before <= 2 * WINDOW
        await portal.seconds(1)


async def test_a_tenant_of_another_line_takes_nothing_of_this_one() -> None:
    portal = on_a_line(a={}, b={"line": "up_other"})
    portal.world.upstreams = [Line(RATE_PER_S), Line(5.0, id="up_other")]
    await run_until_idle(portal.world, portal.dispatcher)
    assert Counter(c.tenant for c in portal.world.commands) == {"a": WINDOW, "b": 30}


async def test_a_closed_line_stops_its_own_tenants_only() -> None:
    portal = on_a_line(a={}, b={"line": "up_other"})
    portal.world.upstreams = [
        Line(RATE_PER_S, closed_until_ms=portal.world.now_ms + 5_000),
        Line(RATE_PER_S, id="up_other"),
    ]
    await run_until_idle(portal.world, portal.dispatcher)
    assert {c.tenant for c in portal.world.commands} == {"b"}
    standing = portal.dispatcher.standing(portal.world.now_ms)
    assert (standing.lines[LINE].gated, standing.lines["up_other"].gated) == (2_000, 0)
    portal.world.now_ms += 5_000
    await run_until_idle(portal.world, portal.dispatcher)
    assert {c.tenant for c in portal.world.commands} == {"a", "b"}


async def test_a_half_open_line_gets_one_unit_at_a_time_of_each_tenant_in_turn() -> None:
    portal = on_a_line(a={}, b={}, c={})
    world = portal.world
    world.upstreams = [Line(RATE_PER_S, probing=True)]
    for _ in range(6):
        assert await run_until_idle(world, portal.dispatcher) == 1
        world.now_ms += PROBE_EVERY_MS - 1
        assert await run_until_idle(world, portal.dispatcher) == 0, "that probe has its time"
        world.now_ms += 1
    assert Counter(c.tenant for c in world.commands) == {"a": 2, "b": 2, "c": 2}
    world.upstreams = [Line(RATE_PER_S)]
    world.now_ms += 1_000
    assert await run_until_idle(world, portal.dispatcher) == WINDOW - 6


async def test_a_half_open_family_gets_one_unit_and_the_others_of_the_page_go_on() -> None:
    portal = on_a_line(a={"clients": 20, "modules": ("notices", "gstr2b")})
    world = portal.world
    world.upstreams = [Line(RATE_PER_S, families={NOTICES: world.now_ms}, probing_families=frozenset({NOTICES}))]
    assert await run_until_idle(world, portal.dispatcher) == 21
    assert Counter(c.module for c in world.commands) == {"notices": 1, "gstr2b": 20}
    world.now_ms += PROBE_EVERY_MS
    assert await run_until_idle(world, portal.dispatcher) == 1
    world.upstreams = [Line(RATE_PER_S)]
    world.now_ms += 1_000
    assert await run_until_idle(world, portal.dispatcher) == 18, "it has opened"


async def test_a_closed_family_keeps_back_its_own_columns_of_a_page_until_it_opens() -> None:
    portal = on_a_line(a={"clients": 20, "modules": ("notices", "gstr2b")})
    world = portal.world
    world.upstreams = [Line(RATE_PER_S, families={NOTICES: world.now_ms + 60_000})]
    assert await run_until_idle(world, portal.dispatcher) == 20
    assert {c.module for c in world.commands} == {"gstr2b"}
    world.fold_all()
    world.now_ms += 2_000
    assert await run_until_idle(world, portal.dispatcher) == 0
    assert portal.dispatcher.standing(world.now_ms).lines[LINE].gated == 20
    world.now_ms += 58_000
    assert await run_until_idle(world, portal.dispatcher) == 20


async def test_a_family_that_opens_before_its_time_is_noticed() -> None:
    portal = on_a_line(a={"clients": 20, "modules": ("notices",)})
    world = portal.world
    world.upstreams = [Line(RATE_PER_S, families={NOTICES: world.now_ms + 900_000})]
    assert await run_until_idle(world, portal.dispatcher) == 0
    world.upstreams = [Line(RATE_PER_S)]
    world.now_ms += 1_000
    await run_until_idle(world, portal.dispatcher)
    world.now_ms += 1_000
    await run_until_idle(world, portal.dispatcher)
    assert len(world.commands) == 20


def day(number: int) -> int:
    """Noon in India on a day of November 2026, epoch ms."""
    return int(datetime(2026, 11, number, 6, 30, tzinfo=UTC).timestamp() * 1_000)


async def first_served(portal: Portal, seconds: int, of: Callable[[Command], bool]) -> float:
    """Share of what was served in the next seconds."""
    before = len(portal.served)
    await portal.seconds(seconds)
    now = portal.served[before:]
    return sum(map(of, now)) / len(now)


async def test_f42_a1_notices_go_before_the_history_of_another_bucket() -> None:
    portal = on_a_line()
    portal.world.now_ms = day(24)
    portal.world.add("b_history", tenant="a", clients=1_000, period="2025-06")
    await portal.seconds(6)
    portal.world.add("b_notices", tenant="a", clients=400, modules=("notices",))
    await portal.seconds(6)
    assert await first_served(portal, 10, lambda c: c.module == "notices") >= 0.8


async def test_f42_a1_a_month_near_its_due_date_goes_before_history() -> None:
    portal = on_a_line()
    portal.world.now_ms = day(17)
    portal.world.add("b_history", tenant="a", clients=1_000, period="2025-06")
    portal.world.add("b_now", tenant="a", clients=1_000, period="2026-10")
    assert await first_served(portal, 20, lambda c: c.bucket == "b_now") >= 0.8


async def test_f42_a1_notices_go_before_the_history_of_their_own_bucket() -> None:
    portal = on_a_line()
    portal.world.now_ms = day(24)
    portal.world.add("b", tenant="a", clients=200, modules=("gstr2b", "notices"), period="2025-06")
    assert await first_served(portal, 10, lambda c: c.module == "notices") >= 0.8


async def test_f42_a1_history_is_urgent_when_half_of_its_time_is_used_up() -> None:
    portal = on_a_line()
    portal.world.now_ms = day(24)
    portal.world.add("b_notices", tenant="a", clients=2_000, modules=("notices",))
    deadline = portal.world.now_ms + AGED_MS + 10_000
    portal.world.add("b_history", tenant="a", clients=2_000, period="2025-06", deadline_at=deadline)
    young = await first_served(portal, 10, lambda c: c.bucket == "b_history")
    await portal.seconds(10)
    aged = await first_served(portal, 20, lambda c: c.bucket == "b_history")
    assert 0 < young <= 0.2
    assert 0.4 <= aged <= 0.6


async def test_f19_a4_two_persons_of_a_firm_share_its_part_evenly() -> None:
    portal = on_a_line()
    for number in range(4):
        portal.world.add(f"b_many_{number}", tenant="a", clients=500, creator="many")
    portal.world.add("b_one", tenant="a", clients=2_000, creator="one")
    assert 0.45 <= await first_served(portal, 30, lambda c: c.bucket == "b_one") <= 0.55


async def test_retries_and_new_work_share_a_tenants_window() -> None:
    """Every attempt comes back at once, for ever: new work still gets its half, and no page is left out for another."""
    portal = on_a_line(a={"clients": 600})
    portal.answer = lambda c: Fact(FactType.RETRY, c.attempt, "RATE_LIMITED")
    await portal.seconds(70)
    assert len({c.client for c in portal.served}) == 600
    await portal.seconds(70)
    tries = Counter(c.client for c in portal.served)
    assert min(tries.values()) >= 2


async def test_of_tenants_on_other_shards_only_the_open_units_count() -> None:
    portal = on_a_line(a={}, elsewhere={"shard": 9, "open_units": 5_000}, idle={"shard": 9, "open_units": 0})
    await run_until_idle(portal.world, portal.dispatcher)
    assert Counter(c.tenant for c in portal.world.commands) == {"a": WINDOW // 2}


async def test_standing_tells_shares_lines_and_the_age_of_the_oldest_due_unit() -> None:
    portal = on_a_line(a={"weight": 3.0}, b={})
    begun = portal.world.now_ms
    await portal.seconds(10)
    standing = portal.dispatcher.standing(portal.world.now_ms)
    parts = {each.share.tenant: each.share.part for each in standing.shares}
    assert parts == {"a": 0.75, "b": 0.25}
    assert sum(each.measured or 0 for each in standing.shares) == 1
    assert standing.lines[LINE].tenants == 2
    assert standing.lines[LINE].units == len(portal.world.commands)
    assert standing.oldest_due_ms == portal.world.now_ms - begun


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200)), min_size=1, max_size=8))
async def test_every_unit_is_served_whatever_the_tenants_do(buckets: list[tuple[int, int]]) -> None:
    """No starvation: with finite work everything is dispatched once, in about the time that the line needs for it."""
    portal = on_a_line()
    for number, (tenant, clients) in enumerate(buckets):
        portal.world.add(f"b_{number}", tenant=f"t_{tenant}", clients=clients, weight=1.0 + tenant)
    units = sum(clients for _, clients in buckets)
    await portal.seconds(int(units / RATE_PER_S) + 3)
    assert len(portal.served) == len({(c.bucket, c.page, c.ci) for c in portal.served}) == units
