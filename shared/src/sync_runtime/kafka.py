"""Kafka clients with the one configuration that keeps the promises; no default of a library is left in place.

Producers: acknowledged by all in-sync copies, idempotent. A failed or timed-out send is *unknown*: send again.
Consumers: no automatic commit, static membership, a drain limit below the rebalance time-out.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Literal, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.record.default_records import DefaultRecordBatch
from faststream.kafka import KafkaBroker

from sync_runtime.settings import RuntimeSettings

PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "linger_ms": 10,
    "max_batch_size": 131_072,
    "compression_type": "zstd",
    "request_timeout_ms": 30_000,
}
CONSUMER: dict[str, Any] = {
    "enable_auto_commit": False,
    "session_timeout_ms": 30_000,
    "heartbeat_interval_ms": 3_000,
    "rebalance_timeout_ms": 60_000,
    "max_poll_interval_ms": 300_000,
    "isolation_level": "read_uncommitted",
    "check_crcs": True,
}


class SlowKafkaCodec(RuntimeError):
    """aiokafka runs without its C extension (35 times slower): install a wheel for this platform."""

    log_safe = True


class Stoppable(Protocol):
    def stop(self) -> Awaitable[None]: ...


def require_fast_codec() -> None:
    """Refuse to run on aiokafka's pure Python record codec."""
    if "_crecords" not in DefaultRecordBatch.__module__:
        raise SlowKafkaCodec(f"record codec is {DefaultRecordBatch.__module__}: {SlowKafkaCodec.__doc__}")


def producer(settings: RuntimeSettings) -> AIOKafkaProducer:
    """An idempotent producer, not yet started. Must be made inside the running event loop."""
    require_fast_codec()
    return AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, client_id=settings.instance_id, **PRODUCER)


def consumer(
    settings: RuntimeSettings,
    group: str,
    *,
    max_poll_records: int,
    auto_offset_reset: Literal["earliest", "latest"] = "earliest",
    static_member: bool = True,
    session_timeout_ms: int = CONSUMER["session_timeout_ms"],
) -> AIOKafkaConsumer:
    """A group member, not yet started and not yet subscribed.

    The caller subscribes with its rebalance listener, then starts:
    `consumer.subscribe([settings.prefixed(topic)], listener=…)`, `await consumer.start()`, which waits for the first
    assignment. `group` is a contract name; the prefix is added here. `static_member=False` is for observers
    that come and go. Must be made inside the running event loop.
    """
    require_fast_codec()
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=settings.instance_id,
        group_id=settings.prefixed(group),
        group_instance_id=f"{group}.{settings.instance_id}" if static_member else None,
        max_poll_records=max_poll_records,
        auto_offset_reset=auto_offset_reset,
        partition_assignment_strategy=[_own_assignor()],
        **{**CONSUMER, "session_timeout_ms": session_timeout_ms},
    )


def _own_assignor() -> type[StickyPartitionAssignor]:
    """A class for one consumer: the library keeps a member's assignment in class attributes, shared by its process."""
    return type("StickyPartitionAssignor", (StickyPartitionAssignor,), {})


def broker(settings: RuntimeSettings) -> KafkaBroker:
    """FastStream's broker: life cycle and single messages. It never creates a topic by itself."""
    require_fast_codec()
    return KafkaBroker(
        settings.kafka_bootstrap,
        client_id=settings.instance_id,
        allow_auto_create_topics=False,
        graceful_timeout=settings.drain_deadline_s,
        logger=None,
        **PRODUCER,
    )


async def stop_within(client: Stoppable, deadline_s: float) -> bool:
    """Stop a producer or consumer; False when it did not end in time (a producer waits for its broker for ever)."""
    try:
        async with asyncio.timeout(deadline_s):
            await client.stop()
    except TimeoutError:
        return False
    return True
