"""Provisioning against a real broker and a real MongoDB: repeatable, and silent drift is refused."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from msgspec.structs import replace
from pymongo.errors import DuplicateKeyError
from sync_contracts.collections import BUCKETS, COLLECTIONS, Collection, Index
from sync_contracts.topics import EVENTS, TOPICS, expected_settings
from sync_runtime import indexes, kafka_topics, mongo
from sync_runtime.indexes import IndexesRefused
from sync_runtime.kafka_topics import TopicsRefused
from sync_runtime.mongo import Database
from sync_runtime.provision import ProvisionSettings, provision, provision_topics

from tests.support.eventually import PATIENCE_S


@dataclass(frozen=True)
class Servers:
    settings: ProvisionSettings
    admin: AIOKafkaAdminClient
    database: Database


@pytest.fixture
def servers(
    kafka_server: KafkaServer,
    kafka_admin: AIOKafkaAdminClient,
    mongo_server: MongoServer,
    mongo_db: Database,
    unique_prefix: str,
) -> Servers:
    settings = ProvisionSettings(
        kafka_bootstrap=kafka_server.bootstrap,
        topic_prefix=unique_prefix,
        mongo_url=mongo_server.url,
        mongo_database=mongo_db.name,
    )
    return Servers(settings, kafka_admin, mongo_db)


async def test_everything_is_created_once_and_then_left_alone(servers: Servers) -> None:
    await provision(servers.settings)
    before = await kafka_topics.topic_states(servers.admin, [servers.settings.prefixed(t.name) for t in TOPICS])
    await provision(servers.settings)

    assert {name.removeprefix(servers.settings.topic_prefix): s.partitions for name, s in before.items()} == {
        topic.name: topic.partitions for topic in TOPICS
    }
    await kafka_topics.assert_topics(servers.settings, TOPICS)
    await indexes.assert_indexes(servers.database, COLLECTIONS)


async def test_a_unique_index_holds(servers: Servers) -> None:
    await provision(servers.settings)
    buckets = servers.database[BUCKETS.name]
    await buckets.insert_one({"_id": "b_1", "tenant_id": "t_1", "idem_key": "k"})

    with pytest.raises(DuplicateKeyError):
        await buckets.insert_one({"_id": "b_2", "tenant_id": "t_1", "idem_key": "k"})


async def test_more_partitions_are_welcome(servers: Servers) -> None:
    await provision_topics(servers.settings, TOPICS)
    await servers.admin.create_partitions({servers.settings.prefixed(EVENTS.name): NewPartitions(64)})

    await provision_topics(servers.settings, TOPICS)


async def test_fewer_partitions_are_refused(servers: Servers) -> None:
    await provision_topics(servers.settings, TOPICS)
    wanted = replace(EVENTS, partitions=EVENTS.partitions + 1)

    with pytest.raises(TopicsRefused, match="32 partitions, needs at least 33"):
        await provision_topics(servers.settings, [wanted])


async def _setting(servers: Servers, name: str, key: str) -> str | None:
    states = await kafka_topics.topic_states(servers.admin, [name])
    return states[name].settings[key] if name in states else None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cleanup.policy", "compact"),
        ("message.timestamp.type", "CreateTime"),
        ("max.message.bytes", "2097152"),
        ("retention.ms", "1"),
        ("min.insync.replicas", "2"),
        ("unclean.leader.election.enable", "true"),
    ],
)
async def test_a_setting_changed_by_hand_is_refused_and_not_changed_back(
    servers: Servers, key: str, value: str
) -> None:
    name = servers.settings.prefixed(EVENTS.name)
    agreed = expected_settings(EVENTS, 1)
    await servers.admin.create_topics([NewTopic(name, EVENTS.partitions, 1, topic_configs=agreed)])
    await servers.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {**agreed, key: value})])
    async with asyncio.timeout(PATIENCE_S):
        while await _setting(servers, name, key) != value:
            continue

    with pytest.raises(TopicsRefused, match=f"{key}={value}"):
        await provision_topics(servers.settings, [EVENTS])
    assert await _setting(servers, name, key) == value


async def test_a_start_without_topics_names_the_cure(servers: Servers) -> None:
    with pytest.raises(TopicsRefused, match="does not exist; create it: python -m sync_runtime provision"):
        await kafka_topics.assert_topics(servers.settings, [EVENTS])


async def test_an_index_with_other_options_is_refused(servers: Servers) -> None:
    collection = Collection("things", ("api",), (Index("by_key", (("key", 1),), unique=True),))
    await servers.database["things"].create_index([("key", 1)], name="by_key")

    assert await indexes.create_missing(servers.database, [collection]) == []
    with pytest.raises(IndexesRefused, match=r"things\.by_key exists with other keys or options"):
        await indexes.assert_indexes(servers.database, [collection])


def _run(settings: ProvisionSettings, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {
        "SB_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SB_TOPIC_PREFIX": settings.topic_prefix,
        "SB_MONGO_URL": settings.mongo_url,
        "SB_MONGO_DATABASE": settings.mongo_database,
    }
    command = [sys.executable, "-m", "sync_runtime", "provision"]
    return subprocess.run(
        command,
        env={**os.environ, **own, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


async def test_the_command_ends_with_0_and_refuses_drift_with_1(servers: Servers) -> None:
    assert _run(servers.settings).returncode == 0
    assert _run(servers.settings).returncode == 0

    refused = _run(servers.settings, SB_KAFKA_REPLICATION="3")
    assert refused.returncode == 1
    assert "refused: " in refused.stderr
    assert "needs 3" in refused.stderr


async def test_operations_are_counted_per_command(servers: Servers) -> None:
    listener = mongo.CountingListener()
    client = mongo.client(servers.settings, listener)
    await mongo.ping(client)
    listener.clear()
    things = mongo.database(client, servers.settings)["things"]

    await things.insert_many([{"n": n} for n in range(1_000)])
    await things.find_one({"n": 7})

    assert listener.counts() == {"insert": 1, "find": 1}
    client.close()
