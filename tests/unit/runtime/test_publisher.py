import pytest
from aiokafka.partitioner import murmur2
from sync_contracts.topics import EVENTS, SESSIONS
from sync_runtime.publisher import (
    RECORD_LIMITS,
    OutgoingRecord,
    RecordRefused,
    SendUnknown,
    message_headers,
    partition_of,
    refuse_unsendable,
)


def test_partitions_are_those_of_every_other_kafka_client() -> None:
    # values of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own UtilsTest
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}

    assert {key: murmur2(key) - 2**32 for key in known} == known
    assert [partition_of(key, 48) for key in known] == [(value & 0x7FFFFFFF) % 48 for value in known.values()]


@pytest.mark.parametrize("partition", [-1, 3, 99])
def test_a_partition_that_does_not_exist_is_refused(partition: int) -> None:
    with pytest.raises(RecordRefused, match="the topic has 3"):
        refuse_unsendable(OutgoingRecord(b"k", b"v", partition), 3, 100)


def test_a_record_is_bounded_with_key_and_headers() -> None:
    fits = OutgoingRecord(b"k" * 10, b"v" * 80, 0, [("head", b"ers666")])
    refuse_unsendable(fits, 1, 100)

    with pytest.raises(RecordRefused, match="limit of 99"):
        refuse_unsendable(fits, 1, 99)


def test_a_record_without_key_and_value_is_refused() -> None:
    with pytest.raises(RecordRefused, match="needs a key or a value"):
        refuse_unsendable(OutgoingRecord(None, None), 1, 100)


def test_each_topic_bounds_its_records() -> None:
    assert RECORD_LIMITS[EVENTS.name] == 65_536
    assert RECORD_LIMITS[SESSIONS.name] == 4_096


def test_an_unknown_send_names_positions_and_keys_once() -> None:
    records = [OutgoingRecord(key, b"v") for key in (b"a", b"b", b"a", b"c")]

    unknown = SendUnknown("t", records, [2, 0, 3], "TimeoutError")

    assert unknown.positions == (0, 2, 3)
    assert unknown.keys == (b"a", b"c")
    assert str(unknown) == "3 of 4 records to t are not acknowledged: TimeoutError"
    assert isinstance(unknown, ConnectionError)


def test_headers_carry_schema_type_and_trace() -> None:
    assert message_headers("sync.event.v1", None) == [
        ("content-type", b"application/json"),
        ("schema", b"sync.event.v1"),
    ]
    assert message_headers("sync.event.v1", "00-x")[-1] == ("traceparent", b"00-x")
