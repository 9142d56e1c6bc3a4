import inspect

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.record import default_records
from sync_runtime import kafka
from sync_runtime.settings import RuntimeSettings

SETTINGS = RuntimeSettings(instance_id="worker-0", topic_prefix="t.")


def _defaults(client: type) -> dict[str, object]:
    return {name: p.default for name, p in inspect.signature(client).parameters.items()}


@pytest.mark.parametrize("name", sorted(kafka.PRODUCER))
def test_no_producer_setting_is_a_library_default(name: str) -> None:
    assert kafka.PRODUCER[name] != _defaults(AIOKafkaProducer)[name]


SAME_AS_DEFAULT = {"heartbeat_interval_ms", "max_poll_interval_ms", "isolation_level", "check_crcs"}


@pytest.mark.parametrize("name", sorted(kafka.CONSUMER))
def test_every_consumer_setting_is_known_and_the_unsafe_defaults_are_replaced(name: str) -> None:
    same = kafka.CONSUMER[name] == _defaults(AIOKafkaConsumer)[name]

    assert same == (name in SAME_AS_DEFAULT)


async def test_a_consumer_is_a_static_member_that_never_commits_by_itself() -> None:
    consumer = kafka.consumer(SETTINGS, "sync-workers.v1", max_poll_records=200)

    assert consumer._group_id == "t.sync-workers.v1"
    assert consumer._group_instance_id == "sync-workers.v1.worker-0"
    assert consumer._enable_auto_commit is False
    assert consumer._auto_offset_reset == "earliest"
    assert consumer._max_poll_records == 200
    assert consumer._rebalance_timeout_ms == 60_000
    await consumer.stop()


async def test_an_observer_is_no_static_member() -> None:
    consumer = kafka.consumer(
        SETTINGS, "bucket-dispatchers.v1", max_poll_records=1, auto_offset_reset="latest", static_member=False
    )

    assert consumer._group_instance_id is None
    assert consumer._auto_offset_reset == "latest"
    await consumer.stop()


async def test_a_producer_is_idempotent_and_compresses() -> None:
    producer = kafka.producer(SETTINGS)

    assert producer._txn_manager is not None
    assert producer._compression_type == "zstd"
    assert producer._sender._acks == -1
    await producer.stop()


def test_the_slow_codec_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka.require_fast_codec()
    monkeypatch.setattr(kafka, "DefaultRecordBatch", default_records._DefaultRecordBatchPy)

    with pytest.raises(kafka.SlowKafkaCodec, match="C extension"):
        kafka.require_fast_codec()
