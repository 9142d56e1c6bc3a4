"""`python -m bucket_api dispatch` as it runs in production: started, killed, stopped."""

import signal
from contextlib import AbstractContextManager
from pathlib import Path

from tests.support.dispatching import DispatchingSite
from tests.support.eventually import eventually
from tests.support.planted import Plan, plant
from tests.support.programs import Program, program


def environment(site: DispatchingSite, **given: str) -> dict[str, str]:
    settings = site.settings()
    return {
        "SB_INSTANCE_ID": settings.instance_id,
        "SB_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SB_MONGO_URL": settings.mongo_url,
        "SB_MONGO_DATABASE": settings.mongo_database,
        "SB_TOPIC_PREFIX": settings.topic_prefix,
        **given,
    }


def dispatcher(environment: dict[str, str], log: Path) -> AbstractContextManager[Program]:
    return program("bucket_api", "dispatch", environment=environment, log=log)


async def reports(running: Program, dispatched: int) -> bool:
    return await running.metric('dispatcher_units_total{outcome="dispatched"}') == dispatched


async def test_it_dispatches_reports_and_ends_cleanly(site: DispatchingSite, tmp_path: Path) -> None:
    await plant(site.database, Plan("b_1", clients=40, columns=1))
    with dispatcher(environment(site), tmp_path / "dispatcher.log") as running:
        await running.ready()
        await site.until_marked(40)
        await eventually(lambda: reports(running, 40), what="what it did, told after it was done")
        assert await running.metric("dispatcher_shards") == 32
        assert await running.ended(signal.SIGTERM) == 0
    assert set((await site.commanded()).values()) == {1}


async def test_a_killed_one_is_replaced_in_its_slot_at_once_and_repeats_only_attempts(
    site: DispatchingSite, tmp_path: Path
) -> None:
    env = environment(site, SB_WINDOW_WITHOUT_RATE="100000")
    log = tmp_path / "dispatcher.log"
    await plant(site.database, Plan("b_1", clients=2_000, columns=1))
    with dispatcher(env, log):
        await site.until_marked(1)
    with dispatcher(env, log):
        await plant(site.database, Plan("b_2", tenant="t_two", clients=10, columns=1))
        await eventually(lambda: every_unit_marked(site, 2_010), what="all units")
    commanded = await site.commanded()
    assert set(await site.marked()) == set(commanded)
    assert {attempt for *_, attempt in commanded} == {1}


async def every_unit_marked(site: DispatchingSite, units: int) -> bool:
    return len(await site.marked()) == units


async def test_it_refuses_to_start_without_its_topics(bare_site: DispatchingSite, tmp_path: Path) -> None:
    log = tmp_path / "dispatcher.log"
    with dispatcher(environment(bare_site), log) as refusing:
        assert await refusing.ended() == 1
    assert "provision" in log.read_text()
