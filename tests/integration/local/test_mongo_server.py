"""mongod as a replica set of one and of three."""

from pathlib import Path

from local_stack.mongod import MongoServer, wait_writable
from pymongo import MongoClient
from sync_runtime.mongo import CLIENT, Database

from tests.support.eventually import eventually_blocking


async def test_one_member_is_a_writable_primary_with_majority_writes(mongo_db: Database) -> None:
    await mongo_db.things.insert_one({"_id": 1})
    hello = await mongo_db.client.admin.command("hello")
    assert hello["isWritablePrimary"]
    assert hello["setName"] == "rs0"
    assert await mongo_db.things.find_one({"_id": 1}) == {"_id": 1}


def test_data_outlives_a_kill_on_the_same_port(tmp_path: Path) -> None:
    with MongoServer(tmp_path / "mongod") as mongo:
        with MongoClient[dict[str, int]](mongo.url, **CLIENT) as client:
            client.test.things.insert_one({"_id": 1})
        address = mongo.url
        mongo.kill()
        mongo.restart()
        assert mongo.url == address
        with MongoClient[dict[str, int]](mongo.url, **CLIENT) as client:
            assert client.test.things.find_one({}) == {"_id": 1}


def test_three_members_elect_another_primary_when_theirs_is_killed(tmp_path: Path) -> None:
    with MongoServer(tmp_path / "mongod", members=3) as mongo:
        first = mongo.primary()
        with MongoClient[dict[str, int]](mongo.url, **CLIENT) as client:
            client.test.things.insert_one({"_id": 1})
            mongo.kill(first)
            survivors = [member for n, member in enumerate(mongo.members) if n != first]
            wait_writable(survivors)
            assert mongo.primary() != first
            assert client.test.things.find_one({}) == {"_id": 1}
            mongo.start_member(first)
            wanted = {"PRIMARY", "SECONDARY"}
            eventually_blocking(
                lambda: {m["stateStr"] for m in client.admin.command("replSetGetStatus")["members"]} == wanted,
                what="the killed member is a secondary again",
            )
