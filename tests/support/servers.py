"""Real Kafka and MongoDB for tests: one of each per session, started when first asked for, on free ports."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from motor.motor_asyncio import AsyncIOMotorClient
from sync_runtime.mongo import CLIENT, Database


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One broker (`.bootstrap`). Tests share it, so they use `unique_prefix` for topics and groups."""
    with KafkaServer(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture
async def kafka_admin(kafka_server: KafkaServer, unique_prefix: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administration client of the shared broker; this test's topics are deleted at the end.

    A broker that is killed reads all of its partitions again when it starts: thousands would take it minutes.
    """
    async with _admin(kafka_server) as admin:
        yield admin
    async with _admin(kafka_server) as afterwards:  # the first may have lost the broker with a test that killed it
        if own := [topic for topic in await afterwards.list_topics() if topic.startswith(unique_prefix)]:
            await afterwards.delete_topics(own)


@asynccontextmanager
async def _admin(kafka_server: KafkaServer) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A replica set of one member (`.url`). Tests share it, so they use `mongo_db`."""
    with MongoServer(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture
def unique_prefix() -> str:
    """Prefix of this test's topics and groups."""
    return f"t{uuid.uuid4().hex[:12]}-"


@pytest.fixture
async def mongo_db(mongo_server: MongoServer, unique_prefix: str) -> AsyncIterator[Database]:
    """This test's own database (Motor, with the product's options), dropped at the end."""
    client: AsyncIOMotorClient[dict[str, object]] = AsyncIOMotorClient(mongo_server.url, **CLIENT)
    name = f"{unique_prefix}db"
    yield client[name]
    await client.drop_database(name)
    client.close()
