"""Topics of the broker compared with the contracts: created when missing, refused when they differ."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sync_contracts.topics import Topic, expected_settings

from sync_runtime.settings import RuntimeSettings

NO_ERROR = 0
TOPIC_EXISTS = 36
VISIBLE_POLLS = 100
VISIBLE_POLL_S = 0.1
MIN_OFFSETS_RETENTION_MINUTES = 20_160
"""14 days: a group that is away for longer than the broker remembers its offsets would read everything again."""


class TopicsRefused(Exception):
    """The broker's topics or settings are not what the contracts say; one line per cause, with the cure."""

    log_safe = True


@dataclass(frozen=True)
class TopicState:
    """A topic as the broker reports it."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


def topic_drift(name: str, topic: Topic, replication: int, actual: TopicState | None) -> list[str]:
    """What is wrong with a topic; empty when it is as agreed. More partitions than agreed are welcome."""
    if actual is None:
        return [f"topic {name} does not exist; create it: python -m sync_runtime provision"]
    found = []
    if actual.partitions < topic.partitions:
        found.append(f"topic {name} has {actual.partitions} partitions, needs at least {topic.partitions}; add some")
    if actual.replication < replication:
        found.append(f"topic {name} has {actual.replication} replicas, needs {replication}; reassign its partitions")
    found += [
        f"topic {name} has {key}={actual.settings.get(key)}, needs {wanted}; alter the topic"
        for key, wanted in expected_settings(topic, replication).items()
        if actual.settings.get(key) != wanted
    ]
    return found


def broker_drift(settings: Mapping[str, str]) -> list[str]:
    """What is wrong with the broker's own settings."""
    found = []
    if settings.get("auto.create.topics.enable") != "false":
        found.append("broker has auto.create.topics.enable on; set it to false")
    if int(settings.get("offsets.retention.minutes", "0")) < MIN_OFFSETS_RETENTION_MINUTES:
        found.append(f"broker forgets offsets too early; set offsets.retention.minutes={MIN_OFFSETS_RETENTION_MINUTES}")
    return found


@asynccontextmanager
async def admin(settings: RuntimeSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, started and closed."""
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, client_id=settings.instance_id)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def assert_topics(settings: RuntimeSettings, topics: Sequence[Topic]) -> None:
    """Refuse to start (`TopicsRefused`) when a topic or the broker differs from the contracts."""
    async with admin(settings) as client:
        causes = await drift(client, settings, topics)
    if causes:
        raise TopicsRefused("; ".join(causes))


async def drift(client: AIOKafkaAdminClient, settings: RuntimeSettings, topics: Sequence[Topic]) -> list[str]:
    """Everything in which the broker differs from the contracts."""
    names = [settings.prefixed(topic.name) for topic in topics]
    states = await topic_states(client, names)
    causes = broker_drift(await broker_settings(client))
    for name, topic in zip(names, topics, strict=True):
        causes += topic_drift(name, topic, settings.kafka_replication, states.get(name))
    return causes


async def create_missing(client: AIOKafkaAdminClient, settings: RuntimeSettings, topics: Sequence[Topic]) -> list[str]:
    """Create the topics that do not exist; returns their broker names. Existing ones are left as they are."""
    response = await client.create_topics([_new_topic(settings, topic) for topic in topics])
    created = []
    for name, code, message in response.topic_errors:
        if code not in {NO_ERROR, TOPIC_EXISTS}:
            raise TopicsRefused(f"topic {name} cannot be created: {message}")
        if code == NO_ERROR:
            created.append(name)
    await _until_visible(client, [settings.prefixed(topic.name) for topic in topics])
    return created


async def _until_visible(client: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Every broker learns of a new topic a little later."""
    for _ in range(VISIBLE_POLLS):
        if len(await _existing(client, names)) == len(names):
            return
        await asyncio.sleep(VISIBLE_POLL_S)
    raise TopicsRefused(f"new topics are not visible after {VISIBLE_POLLS * VISIBLE_POLL_S} s; check the brokers")


def _new_topic(settings: RuntimeSettings, topic: Topic) -> NewTopic:
    return NewTopic(
        settings.prefixed(topic.name),
        topic.partitions,
        settings.kafka_replication,
        topic_configs=expected_settings(topic, settings.kafka_replication),
    )


async def topic_states(client: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, TopicState]:
    """State of the topics that exist, by name."""
    described = await _existing(client, names)
    existing = [topic["topic"] for topic in described]
    configs = await _configs(client, ConfigResourceType.TOPIC, existing)
    return {
        topic["topic"]: TopicState(
            partitions=len(topic["partitions"]),
            replication=min((len(p["replicas"]) for p in topic["partitions"]), default=0),
            settings=configs[topic["topic"]],
        )
        for topic in described
    }


async def _existing(client: AIOKafkaAdminClient, names: Sequence[str]) -> list[dict[str, Any]]:
    return [topic for topic in await client.describe_topics(list(names)) if topic["error_code"] == NO_ERROR]


async def broker_settings(client: AIOKafkaAdminClient) -> dict[str, str]:
    """Settings of the first broker of the cluster."""
    cluster = await client.describe_cluster()
    node = str(cluster["brokers"][0]["node_id"])
    return (await _configs(client, ConfigResourceType.BROKER, [node]))[node]


async def _configs(
    client: AIOKafkaAdminClient, kind: ConfigResourceType, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(kind, name, None) for name in names]
    if not resources:
        return {}
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for response in await client.describe_configs(resources)
        for _error, _text, _kind, name, entries in response.resources
    }
