"""Cues: keys only, and a burst is skipped."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from bucket_api.dispatch import cues
from bucket_api.dispatch.cues import CUES_A_POLL, Leadership, pass_cues


@dataclass
class Record:
    key: bytes | None


@dataclass
class Group:
    """A group member with two partitions whose records are given."""

    waiting: list[Record]
    sought: dict[int, int | str] = field(default_factory=dict)

    async def getmany(
        self,
        *partitions: TopicPartition,  # noqa: ARG002 - the port's signature
        timeout_ms: int,  # noqa: ARG002
        max_records: int,
    ) -> Mapping[TopicPartition, Sequence[Any]]:
        taken, self.waiting = self.waiting[:max_records], self.waiting[max_records:]
        return {TopicPartition("events", 0): taken} if taken else {}

    async def seek_to_end(self, *partitions: TopicPartition) -> None:
        self.sought.update({partition.partition: "end" for partition in partitions})

    def highwater(self, partition: TopicPartition) -> int | None:
        return {0: 9_000}.get(partition.partition)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition.partition] = offset

    def assignment(self) -> Collection[TopicPartition]:
        return [TopicPartition("events", 0), TopicPartition("events", 5)]


class Led:
    def __init__(self) -> None:
        self.owned: list[list[int]] = []
        self.touched: set[str] = set()
        self.shards: list[int] = []

    def own(self, shards: Iterable[int]) -> None:
        self.owned.append(list(shards))

    def touch(self, buckets: Iterable[str]) -> None:
        self.touched |= set(buckets)

    def touch_shards(self, shards: Iterable[int]) -> None:
        self.shards += shards


async def test_every_record_touches_the_bucket_of_its_key() -> None:
    led, group = Led(), Group([Record(b"b_1"), Record(None), Record(b"b_2"), Record(b"\xff")])
    assert await pass_cues(group, led) == 4
    assert {"b_1", "b_2"} <= led.touched
    assert led.shards == []
    assert group.sought == {}


async def test_of_a_burst_the_rest_is_skipped_and_all_shards_count_as_touched() -> None:
    led, group = Led(), Group([Record(b"b_1")] * (CUES_A_POLL + 300))
    assert await pass_cues(group, led) == CUES_A_POLL
    assert led.shards == [0, 5]
    assert group.sought == {0: 9_000}


async def test_leadership_follows_the_assignment_and_begins_at_the_end() -> None:
    led, group = Led(), Group([])
    counts: list[int] = []
    leadership = Leadership(group, led, counts.append)
    await leadership.on_partitions_assigned([TopicPartition("events", 5), TopicPartition("events", 0)])
    await leadership.on_partitions_revoked([])
    await leadership.on_partitions_assigned([])
    assert group.sought == {0: "end", 5: "end"}
    assert led.owned == [[0, 5], [], []]
    assert counts == [2, 0]


class Adrift(Group):
    """A group member whose positions cannot be set: the broker refuses, or does not answer."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__([])
        self._error = error

    async def seek_to_end(self, *partitions: TopicPartition) -> None:  # noqa: ARG002 - the port's signature
        if self._error:
            raise self._error
        await asyncio.sleep(60)


@pytest.mark.parametrize("error", [KafkaError("refused"), None])
async def test_shards_are_led_although_positions_cannot_be_set(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cues, "SEEK_DEADLINE_S", 0.01)
    led = Led()
    await Leadership(Adrift(error), led, lambda _: None).on_partitions_assigned([TopicPartition("events", 5)])
    assert led.owned == [[5]]
