"""Dead letters: the right reason, what is kept, and when too many of them stop the consumer."""

from collections.abc import Sequence

import pytest
from sync_contracts.commands import Command, encode
from sync_contracts.dead_letters import DeadLetterReason
from sync_worker.intake.dead_letters import (
    HEADER_BYTES,
    DeadLetters,
    TooManyInvalid,
    decoded_command,
    decoded_step,
    traceparent_of,
)
from sync_worker.publishing import Outgoing

from tests.unit.worker.records import Record, command, delivery


class Topic:
    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> None:
        assert topic == "gst.sync.dlq.v1"
        self.records += records


class World:
    def __init__(self) -> None:
        self.topic = Topic()
        self.counted: list[tuple[str, DeadLetterReason]] = []
        self.letters = DeadLetters(
            self.topic, clock_ms=lambda: 1_700, count=lambda topic, reason: self.counted.append((topic, reason))
        )

    async def refuse(self, record: Record) -> Outgoing:
        await self.letters.refuse_record(record, DeadLetterReason.UNDECODABLE)
        return self.topic.records[-1]

    async def one_in(self, share: int, *, of: int) -> None:
        """So many records, every n-th of them forged."""
        for number in range(of):
            if number % share == 0:
                await self.letters.refuse(delivery(command()), DeadLetterReason.WRONG_TENANT)
            else:
                self.letters.valid()


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, DeadLetterReason.UNDECODABLE),
        (b"", DeadLetterReason.UNDECODABLE),
        (b"\x00\xff", DeadLetterReason.UNDECODABLE),
        (b'{"a":' + b"[" * 2_000, DeadLetterReason.UNDECODABLE),
        (b"[]", DeadLetterReason.SCHEMA),
        (b'{"v":2}', DeadLetterReason.SCHEMA),
        (b" " * 5_000, DeadLetterReason.TOO_LARGE),
    ],
)
def test_what_cannot_be_read_is_told_apart(value: bytes | None, reason: DeadLetterReason) -> None:
    assert decoded_command(value) is reason
    assert decoded_step(value) is reason


def test_a_command_is_read_and_unknown_fields_are_ignored() -> None:
    value = encode(command())
    assert isinstance(decoded_command(value), Command)
    assert decoded_command(value[:-1] + b',"later":1}') == command()


def test_the_trace_is_found_among_odd_headers() -> None:
    assert traceparent_of([("a", None), ("traceparent", b"00-x")]) == b"00-x"
    assert traceparent_of([("traceparent", None)]) is None
    assert traceparent_of([]) is None


async def test_a_letter_keeps_key_value_and_headers_and_says_where_it_comes_from(world: World) -> None:
    kept = await world.refuse(Record("commands", 7, 42, b"key", b"value", (("h", b"1"), ("none", None))))
    assert (kept.key, kept.value, kept.partition) == (b"key", b"value", None)
    assert dict(kept.headers) == {
        "h": b"1",
        "none": b"",
        "dlq-topic": b"commands",
        "dlq-partition": b"7",
        "dlq-offset": b"42",
        "dlq-reason": b"UNDECODABLE",
        "dlq-at": b"1700",
    }
    assert world.counted == [("commands", DeadLetterReason.UNDECODABLE)]


async def test_a_record_without_key_and_value_can_be_kept(world: World) -> None:
    kept = await world.refuse(Record(key=None, value=None))
    assert (kept.key, kept.value) == (None, b"")


async def test_huge_values_and_headers_are_cut(world: World) -> None:
    kept = await world.refuse(Record(value=b"x" * 900_000, headers=(("a", b"1"), ("huge", b"y" * HEADER_BYTES))))
    headers = dict(kept.headers)
    assert kept.value is not None
    assert len(kept.value) == 524_288
    assert headers["dlq-cut"] == b"900000"
    assert "a" in headers
    assert "huge" not in headers


async def test_more_than_twenty_in_a_row_stop_the_consumer_after_they_are_kept(world: World) -> None:
    for _ in range(20):
        await world.refuse(Record())
    with pytest.raises(TooManyInvalid):
        await world.refuse(Record())
    assert len(world.topic.records) == 21


async def test_valid_records_in_between_keep_it_going_up_to_a_tenth(world: World) -> None:
    await world.one_in(11, of=400)
    with pytest.raises(TooManyInvalid):
        await world.one_in(5, of=200)
