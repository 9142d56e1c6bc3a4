"""The dispatcher step by step, against pages that change by `fold`."""

from collections import Counter

import pytest
from bucket_api.dispatch import loop
from bucket_api.dispatch.fairness import Line
from bucket_api.dispatch.memory import EXPIRY_MS
from sync_contracts.topics import COMMANDS, EVENTS
from sync_contracts.units import Fact, FactType

from tests.support.page_world import PageWorld, dispatcher_in, run_until_idle


def attempts(world: PageWorld) -> Counter[tuple[str, int, int, int, int]]:
    return Counter((c.bucket, c.page, c.ci, c.mi, c.attempt) for c in world.commands)


def marked(world: PageWorld) -> Counter[tuple[str, int, int, int, int]]:
    return Counter((m.bucket, m.page, *unit) for m in world.marks() for unit in m.units)


async def test_every_due_unit_gets_one_command_and_one_mark() -> None:
    world = PageWorld()
    world.add("b_1", clients=250, modules=("notices", "gstr2b"))
    dispatcher = dispatcher_in(world)
    assert await run_until_idle(world, dispatcher) == 500
    world.now_ms += 5_000
    assert await run_until_idle(world, dispatcher) == 0
    assert len(attempts(world)) == 500
    assert attempts(world) == marked(world)
    assert set(attempts(world).values()) == {1}


async def test_commands_go_out_before_their_mark() -> None:
    world = PageWorld()
    world.add("b_1", clients=30)
    await run_until_idle(world, dispatcher_in(world))
    assert [topic for topic, _ in world.log] == [COMMANDS.name] * 30 + [EVENTS.name]


async def test_a_clients_commands_go_out_cheap_first() -> None:
    world = PageWorld()
    world.add("b_1", clients=2, modules=("notices", "gstr2b", "return_register"))
    await run_until_idle(world, dispatcher_in(world))
    assert [c.module for c in world.commands] == ["return_register"] * 2 + ["gstr2b"] * 2 + ["notices"] * 2


async def test_one_page_read_serves_all_its_takes() -> None:
    world = PageWorld()
    world.add("b_1", clients=100, modules=("m",) * 5)
    assert await run_until_idle(world, dispatcher_in(world)) == 500
    assert world.page_reads == 1


async def test_the_window_bounds_what_is_in_flight_even_when_nothing_is_folded() -> None:
    world = PageWorld()
    world.add("b_1", clients=300)
    dispatcher = dispatcher_in(world, window=120)
    assert await run_until_idle(world, dispatcher) == 120
    world.now_ms += 60_000
    assert await run_until_idle(world, dispatcher) == 0, "a stopped aggregator stops dispatch"
    world.fold_all()
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 0, "dispatched units are in flight"
    world.finish_all()
    world.fold_all()
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 120


async def test_the_window_is_shared_by_active_tenants_and_by_the_buckets_of_one() -> None:
    world = PageWorld()
    for tenant, bucket in (("t_a", "b_1"), ("t_a", "b_2"), ("t_b", "b_3")):
        world.add(bucket, tenant=tenant, clients=100)
    world.upstreams = [Line(rate_per_s=10.0)]
    await run_until_idle(world, dispatcher_in(world))
    assert Counter(c.tenant for c in world.commands) == {"t_a": 30, "t_b": 30}


async def test_a_touched_bucket_is_looked_at_before_the_second_is_over() -> None:
    world = PageWorld()
    world.add("b_1", clients=20)
    dispatcher = dispatcher_in(world, window=10)
    await run_until_idle(world, dispatcher)
    world.fold_all()
    world.finish_all()
    world.fold_all()
    world.now_ms += 200
    assert await run_until_idle(world, dispatcher) == 0
    dispatcher.touch(["b_1", "b_unknown"])
    assert await run_until_idle(world, dispatcher) == 10


async def test_a_retry_goes_out_when_it_is_due_with_the_next_attempt() -> None:
    world = PageWorld()
    world.add("b_1", clients=1)
    dispatcher = dispatcher_in(world)
    await run_until_idle(world, dispatcher)
    world.fold_all()
    world.change("b_1", 0, [(0, 0, Fact(FactType.RETRY, 1, "PORTAL_PREPARING", delay_ms=5_000, cont="token"))])
    world.now_ms += 4_000
    assert await run_until_idle(world, dispatcher) == 0
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 1
    assert (world.commands[-1].attempt, world.commands[-1].cont) == (2, "token")


async def test_paused_and_cancelled_buckets_give_no_unit() -> None:
    world = PageWorld()
    world.add("b_1", clients=10)
    world.add("b_2", clients=10)
    world.control("b_1", "PAUSE")
    world.control("b_2", "CANCEL")
    dispatcher = dispatcher_in(world)
    assert await run_until_idle(world, dispatcher) == 0
    world.control("b_1", "RUN")
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 10
    assert {c.bucket for c in world.commands} == {"b_1"}


async def test_units_of_a_paused_bucket_still_count_as_in_flight() -> None:
    world = PageWorld()
    world.add("b_1", clients=10)
    dispatcher = dispatcher_in(world, window=10)
    await run_until_idle(world, dispatcher)
    world.fold_all()
    world.control("b_1", "PAUSE")
    world.add("b_2", clients=10)
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 0
    world.finish_all()
    world.fold_all()
    dispatcher.touch(["b_1"])
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 10


async def test_nothing_goes_out_while_every_line_is_closed() -> None:
    world = PageWorld()
    world.add("b_1", clients=1)
    world.upstreams = [Line(rate_per_s=10.0, closed_until_ms=world.now_ms + 3_000)]
    dispatcher = dispatcher_in(world)
    assert (await dispatcher.tick(world.now_ms)).closed
    world.now_ms += 3_000
    assert await run_until_idle(world, dispatcher) == 1


async def test_commands_not_acknowledged_are_taken_again_with_the_same_attempt_and_only_then_marked() -> None:
    world = PageWorld()
    world.add("b_1", clients=10)
    world.refuse = lambda topic, record: topic == COMMANDS.name and b"_3" in record.key
    dispatcher = dispatcher_in(world)
    assert await run_until_idle(world, dispatcher) == 9
    assert len(marked(world)) == 9
    world.refuse = lambda _topic, _record: False
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 1
    assert attempts(world) == marked(world)
    assert set(attempts(world).values()) == {1}


async def test_a_page_pushed_out_of_the_cache_by_others_is_not_taken_for_purged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "CACHED_IMAGES", 8)
    world = PageWorld()
    world.add("b_1", clients=40, per_page=2)
    world.refuse = lambda topic, record: topic == COMMANDS.name and record.key.endswith(b"_0")
    dispatcher = dispatcher_in(world)
    await run_until_idle(world, dispatcher)
    world.refuse = lambda _topic, _record: False
    for _ in range(3):
        world.now_ms += 1_000
        await run_until_idle(world, dispatcher)
    assert len(attempts(world)) == 40


async def test_a_mark_not_acknowledged_is_sent_again_before_anything_else() -> None:
    world = PageWorld()
    world.add("b_1", clients=1_000)
    world.refuse = lambda topic, _record: topic == EVENTS.name
    dispatcher = dispatcher_in(world)
    assert (await dispatcher.tick(world.now_ms)).dispatched == 800
    assert world.marks() == []
    world.now_ms += 1_000
    assert (await dispatcher.tick(world.now_ms)).dispatched == 0
    world.refuse = lambda _topic, _record: False
    world.now_ms += 1_000
    assert await run_until_idle(world, dispatcher) == 200
    assert attempts(world) == marked(world)
    assert set(attempts(world).values()) == {1}


async def test_a_lost_mark_and_its_lost_command_are_healed_by_expiry_with_the_same_attempt() -> None:
    world = PageWorld()
    world.add("b_1", clients=1)
    dispatcher = dispatcher_in(world)
    await run_until_idle(world, dispatcher)
    for waited_ms, expected in ((EXPIRY_MS - 1_000, 0), (1_000, 1), (2 * EXPIRY_MS - 1_000, 0), (1_000, 1)):
        world.now_ms += waited_ms
        assert await run_until_idle(world, dispatcher) == expected
    assert {c.attempt for c in world.commands} == {1}


async def test_two_dispatchers_only_duplicate_attempts() -> None:
    world = PageWorld()
    world.add("b_1", clients=50)
    first, second = dispatcher_in(world), dispatcher_in(world)
    assert await run_until_idle(world, first) == 50
    assert await run_until_idle(world, second) == 50
    assert set(attempts(world).values()) == {2}
    world.fold_all()
    world.finish_all()
    world.fold_all()
    assert all(world.unit("b_1", 0, ci, 0).a == 1 for ci in range(50))


async def test_only_owned_shards_are_served_and_the_memory_outlives_a_rebalance() -> None:
    world = PageWorld()
    world.add("b_1", clients=5, shard=1)
    world.add("b_2", clients=5, shard=2)
    dispatcher = dispatcher_in(world, shards=(1,))
    assert await run_until_idle(world, dispatcher) == 5
    dispatcher.own([2])
    assert await run_until_idle(world, dispatcher) == 5
    dispatcher.own([1, 2])
    assert await run_until_idle(world, dispatcher) == 0
    assert Counter(c.bucket for c in world.commands) == {"b_1": 5, "b_2": 5}
    dispatcher.own([])
    world.now_ms += 60 * EXPIRY_MS
    assert await run_until_idle(world, dispatcher) == 0


async def test_an_unchanged_bucket_is_not_read_again() -> None:
    world = PageWorld()
    world.add("b_1", clients=100)
    dispatcher = dispatcher_in(world, window=50)
    await run_until_idle(world, dispatcher)
    scans, reads = world.scans, world.page_reads
    for _ in range(9):
        world.now_ms += 100
        await run_until_idle(world, dispatcher)
    assert (world.scans, world.page_reads) == (scans, reads)


async def test_a_big_tenant_does_not_keep_a_small_one_waiting() -> None:
    world = PageWorld()
    world.add("b_big", tenant="t_big", clients=3_000)
    dispatcher = dispatcher_in(world, window=1_000)
    await dispatcher.tick(world.now_ms)
    world.add("b_small", tenant="t_small", clients=5)
    world.now_ms += 1_000
    await dispatcher.tick(world.now_ms)
    assert sum(c.tenant == "t_small" for c in world.commands) == 5


async def test_a_clock_that_goes_back_stops_no_dispatch() -> None:
    world = PageWorld()
    world.add("b_1", clients=3)
    dispatcher = dispatcher_in(world)
    world.now_ms += 3_600_000
    assert await run_until_idle(world, dispatcher) == 3
    world.now_ms -= 3_600_000
    world.add("b_2", clients=4)
    assert await run_until_idle(world, dispatcher) == 4
