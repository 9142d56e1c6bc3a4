"""A broker's topics and a database of each test's own."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from status_aggregator.app import WRITES
from status_aggregator.settings import Settings
from sync_contracts.topics import BUCKETS, DEAD_LETTERS, EVENTS
from sync_runtime import kafka, kafka_topics
from sync_runtime.indexes import create_missing
from sync_runtime.mongo import Database

from tests.support.aggregator_stack import AggregatorStack

TOPICS = (EVENTS, BUCKETS, DEAD_LETTERS)


@pytest.fixture
async def stack(
    kafka_server: KafkaServer,
    kafka_admin: AIOKafkaAdminClient,
    mongo_server: MongoServer,
    mongo_db: Database,
    unique_prefix: str,
) -> AsyncIterator[AggregatorStack]:
    settings = Settings(
        instance_id="aggregator-0",
        kafka_bootstrap=kafka_server.bootstrap,
        topic_prefix=unique_prefix,
        mongo_url=mongo_server.url,
        mongo_database=mongo_db.name,
    )
    await create_missing(mongo_db, WRITES)
    await kafka_topics.create_missing(kafka_admin, settings, TOPICS)
    producer = kafka.producer(settings)
    await producer.start()
    yield AggregatorStack(settings, mongo_db, producer, kafka_admin)
    await kafka.stop_within(producer, 10)
