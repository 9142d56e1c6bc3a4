"""Topics as lists of records, and how a process publishes to them: batches per partition, acknowledged or unknown."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sync_contracts.topics import TOPICS
from sync_runtime.publisher import Record as ToPublish
from sync_runtime.publisher import SendUnknown, by_partition

from tests.simulation.network import Link, Lost, Process, Reply, Simulation

SEND_DEADLINE_S: Final = 30.0
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record in a partition, as consumers get it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


Written = Callable[[Stored, str], None]


class Partition:
    """Records by offset; None where one was lost. `hidden` names the offsets that no consumer will be given."""

    def __init__(self) -> None:
        self.records: list[Stored | None] = []

    @property
    def end(self) -> int:
        """Offset of the next record."""
        return len(self.records)


class Log:
    """All topics. `watchers` are told of each record and of who wrote it, `readers` are woken."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.topics = {topic.name: [Partition() for _ in range(topic.partitions)] for topic in TOPICS}
        self.watchers: list[Written] = []
        self.readers: list[Callable[[str], None]] = []
        self._swallowed: Mapping[str, float] = {}

    def partition(self, topic: str, number: int) -> Partition:
        """One partition."""
        return self.topics[topic][number]

    def append(self, topic: str, number: int, record: ToPublish | Stored, by: str) -> Stored:
        """Write a record at the end of a partition."""
        partition = self.partition(topic, number)
        headers = tuple((name, value) for name, value in record.headers)
        now_ms = self._sim.now_ms()
        kept = Stored(topic, number, partition.end, now_ms, record.key, record.value, headers)
        swallowed = self._sim.loop.time() < self._swallowed.get(topic, 0.0)
        self._sim.faults["lost record"] += swallowed
        partition.records.append(None if swallowed else kept)
        for written in self.watchers:
            written(kept, by)
        for wake in self.readers:
            wake(topic)
        return kept

    def swallow(self, topics: Sequence[str], until: float) -> None:
        """Lose what is written to these topics from now on."""
        self._swallowed = dict.fromkeys(topics, until)

    def present(self, topic: str) -> list[Stored]:
        """Every record that is there."""
        return [record for partition in self.topics[topic] for record in partition.records if record is not None]


class SimulatedProducer:
    """Publishes as `PartitionBatches` does: in order per partition, each partition's batch at its own time."""

    def __init__(self, sim: Simulation, log: Log, process: Process) -> None:
        self._sim = sim
        self._log = log
        self._process = process
        self._links: dict[tuple[str, int], Link] = {}

    async def publish(self, topic: str, records: Sequence[ToPublish]) -> None:
        """Publish; raises `SendUnknown` for what was not acknowledged."""
        lanes = by_partition(records, len(self._log.topics[topic]))
        sends = [self._send(topic, number, records, lane) for number, lane in sorted(lanes.items())]
        unknown = [position for part in await asyncio.gather(*sends) for position in part]
        if unknown:
            raise SendUnknown(topic, records, unknown, "TimeoutError")

    async def _send(self, topic: str, number: int, records: Sequence[ToPublish], lane: list[int]) -> list[int]:
        """Positions that are not known to be written."""
        link = self._links.get((topic, number))
        if link is None:
            link = self._links[topic, number] = Link(self._sim, self._process, "kafka")

        def execute(reply: Reply[None]) -> None:
            self._sim.trace(f"{self._process.name} publish {topic} {number} {len(lane)}")
            for position in lane:
                self._log.append(topic, number, records[position], self._process.name)
            reply.answer(None)

        try:
            await link.ask(execute, in_order=True, give_up_s=SEND_DEADLINE_S)
        except Lost:
            return lane
        return []


def as_any(value: object) -> Any:
    """A double where the product names the class of a client library."""
    return value
