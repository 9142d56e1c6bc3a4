"""A broker's topics and a database of each test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from pydantic import SecretStr
from sync_runtime import kafka, kafka_topics
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database
from sync_worker.owned import TOPICS, WRITES
from sync_worker.settings import Settings

from tests.support.worker_stack import Observer, WorkerStack


@pytest.fixture
async def stack(  # noqa: PLR0917
    kafka_server: KafkaServer,
    kafka_admin: AIOKafkaAdminClient,
    mongo_server: MongoServer,
    mongo_db: Database,
    unique_prefix: str,
    tmp_path: Path,
) -> AsyncIterator[WorkerStack]:
    settings = Settings(
        instance_id="worker-0",
        kafka_bootstrap=kafka_server.bootstrap,
        topic_prefix=unique_prefix,
        mongo_url=mongo_server.url,
        mongo_database=mongo_db.name,
        kek_file=tmp_path / "unused",
        portal_client_id="made-up",
        portal_client_secret=SecretStr("made-up"),
    )
    await create_missing(mongo_db, WRITES)
    await kafka_topics.create_missing(kafka_admin, settings, TOPICS)
    producer = kafka.producer(settings)
    await producer.start()
    async with Observer(settings) as observer:
        yield WorkerStack(settings, mongo_db, producer, kafka_admin, observer)
    await kafka.stop_within(producer, 10)
