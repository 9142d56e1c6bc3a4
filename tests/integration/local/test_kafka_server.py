"""A broker of our own keeps what was written to it."""

from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from local_stack.kafka import KafkaServer
from local_stack.kafka_wire import broker_answers
from local_stack.ports import free_ports


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def _write(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    async with producer:
        await producer.send_and_wait(topic, value, partition=0)


async def _read_all(bootstrap: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    async with consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        return [bytes((await consumer.getone(partition)).value) for _ in range(end)]


async def test_data_outlives_a_kill_and_a_clean_restart_on_the_same_port(tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "kafka") as kafka:
        await _create(kafka.bootstrap, "kept")
        await _write(kafka.bootstrap, "kept", b"before the kill")
        before, address = kafka.pid, kafka.bootstrap
        kafka.kill()
        kafka.restart()
        assert kafka.pid != before
        assert kafka.bootstrap == address
        await _write(kafka.bootstrap, "kept", b"before the stop")
        kafka.restart()
        assert await _read_all(kafka.bootstrap, "kept") == [b"before the kill", b"before the stop"]
    assert not kafka.broker.answers()


async def test_topics_are_never_made_by_a_typing_error(kafka_admin: AIOKafkaAdminClient, unique_prefix: str) -> None:
    described = await kafka_admin.describe_topics([f"{unique_prefix}typo"])
    assert described[0]["error_code"] == 3, "unknown topic"
    assert f"{unique_prefix}typo" not in await kafka_admin.list_topics()


def test_a_silent_port_is_no_broker() -> None:
    assert not broker_answers("127.0.0.1", free_ports(1)[0])
