"""What a worker reads before it runs a unit, on a real database."""

from sync_contracts.commands import Command
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.units import Unit
from sync_runtime.mongo import Database
from sync_worker.execution.preflight import Cancel, Drop, Forged, Go, Preflight
from sync_worker.execution.sights import BUCKET_AGE_S, PAGE_AGE_S, Sights
from sync_worker.execution.store import ClientStore, UnitStore
from sync_worker.execution.subjects import Subjects

from tests.support.worker_stack import BUCKET, client_id, command, seed


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class World:
    """Sights over a database, with a clock."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.sights = Sights(UnitStore(database), self.clock)

    async def look(self, *commands: Command) -> list[Preflight]:
        asked = [self.sights._combiner.submit(one) for one in commands]
        return [await one for one in asked]

    async def control(self, control: str, round_: int = 0) -> None:
        await self.database["buckets"].update_one({"_id": BUCKET}, {"$set": {"control": control, "round": round_}})

    async def unit(self, ci: int, unit: Unit) -> None:
        change = {f"c.{ci}.m.0": {"s": unit.s, "a": unit.a, "f": unit.f, "t": unit.t}}
        await self.database["bucket_pages"].update_one({"_id": f"{BUCKET}:00000"}, {"$set": change})


async def test_units_of_many_pages_are_looked_at_together(mongo_db: Database) -> None:
    await seed(mongo_db, clients=90, per_page=2)
    world = World(mongo_db)
    asked = [command(number, page=number // 2, ci=number % 2) for number in range(90)]
    assert all(isinstance(one, Go) for one in await world.look(*asked))


async def test_a_unit_that_comes_alone_is_read_without_its_page(mongo_db: Database) -> None:
    await seed(mongo_db, clients=5)
    world = World(mongo_db)
    assert isinstance(await world.sights.look(command(4)), Go)
    assert not world.sights._pages
    assert isinstance(await world.sights.look(command(3)), Go)
    assert world.sights._pages, "the second one of its page is the begin of many"


async def test_an_image_serves_for_a_moment_only_and_never_for_a_later_attempt(mongo_db: Database) -> None:
    await seed(mongo_db, clients=2)
    world = World(mongo_db)
    await world.look(command(0), command(1))
    await world.unit(0, Unit("S", 1))
    assert isinstance(await world.sights.look(command(0)), Go), "a slow worker would see no more"
    await world.unit(1, Unit("D", 3))
    assert await world.sights.look(command(1, attempt=3)) != Forged(DeadLetterReason.AHEAD)
    world.clock.now += PAGE_AGE_S
    assert isinstance(await world.sights.look(command(0)), Drop)


async def test_a_cancel_is_seen_within_two_seconds(mongo_db: Database) -> None:
    await seed(mongo_db, clients=1)
    world = World(mongo_db)
    assert isinstance(await world.sights.look(command(0)), Go)
    await world.control("CANCEL")
    world.clock.now += BUCKET_AGE_S
    assert isinstance(await world.sights.look(command(0)), Cancel)


async def test_the_cancel_of_an_earlier_round_is_not_the_cancel_of_this_one(mongo_db: Database) -> None:
    await seed(mongo_db, clients=1, control="CANCEL")
    world = World(mongo_db)
    assert isinstance(await world.sights.look(command(0)), Cancel)
    await world.control("RUN", round_=1)
    await world.unit(0, Unit("W", 1000))
    assert isinstance(await world.sights.look(command(0, attempt=1001)), Go)


async def test_forged_commands_are_told_from_genuine_ones(mongo_db: Database) -> None:
    await seed(mongo_db, clients=1)
    await seed(mongo_db, tenant="t_2", bucket="b_2", clients=1)
    world = World(mongo_db)
    forged = {
        DeadLetterReason.WRONG_TENANT: [command(0, tenant="t_2")],
        DeadLetterReason.UNKNOWN_UNIT: [
            command(0, bucket="b_none"),
            command(0, page=7),
            command(1),
            command(0, ci=99),
            command(0, 1),
            command(0, client="c_other"),
            command(0, module="storing"),
            command(0, shard=4000),
        ],
        DeadLetterReason.AHEAD: [command(0, attempt=9), command(0, attempt=5001)],
    }
    for reason, asked in forged.items():
        assert [await world.sights.look(one) for one in asked] == [Forged(reason)] * len(asked)


async def test_clients_are_found_in_their_tenant_only(mongo_db: Database) -> None:
    await seed(mongo_db, clients=1)
    await mongo_db["credentials"].insert_one(
        {"_id": f"t_1:{client_id('t_1', 0)}:gst_portal_user", "tenant_id": "t_1", "cred_ver": 3}
    )
    subjects = Subjects(ClientStore(mongo_db), Clock())
    found = await subjects.of("t_1", client_id("t_1", 0))
    assert found is not None
    assert found.credential is not None
    assert found.credential["cred_ver"] == 3
    assert await subjects.of("t_2", client_id("t_1", 0)) is None
