"""The topics: one frozen value each. Created by `python -m sync_runtime provision`, compared at every start."""

from typing import Final

from msgspec import Struct

from sync_contracts.buckets import N_SHARDS

DAY_MS: Final = 86_400_000


class Topic(Struct, frozen=True):
    """A topic's name and shape. `max_record_bytes` bounds one record and is enforced by both sides."""

    name: str
    partitions: int
    key: str
    partitioned_by: str
    retention_ms: int
    max_record_bytes: int
    producers: tuple[str, ...]
    consumers: tuple[str, ...]


COMMANDS: Final = Topic(
    name="gst.sync.commands.v1",
    partitions=48,
    key="tenant:client",
    partitioned_by="murmur2 of the key",
    retention_ms=7 * DAY_MS,
    max_record_bytes=65_536,
    producers=("bucket-api dispatcher",),
    consumers=("sync-worker",),
)
EVENTS: Final = Topic(
    name="gst.sync.events.v1",
    partitions=N_SHARDS,
    key="bucket",
    partitioned_by="shard stored in the bucket",
    retention_ms=7 * DAY_MS,
    max_record_bytes=65_536,
    producers=("bucket-api dispatcher", "sync-worker"),
    consumers=("status-aggregator", "bucket-api dispatcher"),
)
BUCKETS: Final = Topic(
    name="gst.sync.buckets.v1",
    partitions=6,
    key="bucket",
    partitioned_by="murmur2 of the key",
    retention_ms=7 * DAY_MS,
    max_record_bytes=65_536,
    producers=("status-aggregator",),
    consumers=("bucket-api",),
)
SESSIONS: Final = Topic(
    name="gst.sync.sessions.v1",
    partitions=12,
    key="tenant:client",
    partitioned_by="murmur2 of the key",
    retention_ms=3_600_000,
    max_record_bytes=4_096,
    producers=("bucket-api",),
    consumers=("sync-worker",),
)
DEAD_LETTERS: Final = Topic(
    name="gst.sync.dlq.v1",
    partitions=3,
    key="key of the refused record",
    partitioned_by="murmur2 of the key",
    retention_ms=30 * DAY_MS,
    max_record_bytes=589_824,
    producers=("sync-worker", "status-aggregator"),
    consumers=("operators",),
)
TOPICS: Final = (COMMANDS, EVENTS, BUCKETS, SESSIONS, DEAD_LETTERS)

MAX_BATCH_BYTES: Final = 1_048_576
"""`max.message.bytes` of every topic: Kafka counts whole batches."""

WORKER_GROUP: Final = "sync-workers.v1"
SESSION_GROUP: Final = "sync-sessions.v1"
AGGREGATOR_GROUP: Final = "status-aggregators.v1"
DISPATCHER_GROUP: Final = "bucket-dispatchers.v1"


def expected_settings(topic: Topic, replication: int) -> dict[str, str]:
    """Topic settings as the broker must report them. `replication` 1 is for development and tests only."""
    return {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_BATCH_BYTES),
        "retention.ms": str(topic.retention_ms),
        "min.insync.replicas": "2" if replication >= 3 else "1",
        "unclean.leader.election.enable": "false",
    }
