"""The consumer of one process: a member of its group, which may go on as a zombie with what it had been assigned."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, RequestTimedOutError

from tests.simulation.group import JOIN_S, Group
from tests.simulation.log import Stored
from tests.simulation.network import Link, Lost, Process, Simulation

HEARTBEAT_S: Final = 1.0
REQUEST_S: Final = 30.0
RETRY_S: Final = 0.1
T = TypeVar("T")


class SimulatedConsumer:
    """What `AIOKafkaConsumer` gives the product."""

    def __init__(self, sim: Simulation, group: Group, process: Process, *, from_end: bool = False) -> None:
        self._sim = sim
        self._group = group
        self._process = process
        self._from_end = from_end
        self._link = Link(sim, process, "kafka")
        self._member = process.name
        self._generation = 0
        self.deaf_until = 0.0
        self._listener: Any = None
        self._owned: dict[int, int | None] = {}
        self._epoch = 0
        self._reassigning = True
        self._paused: set[TopicPartition] = set()
        self._arrived = asyncio.Event()
        self._membership: asyncio.Task[None] | None = None

    # Membership.

    def subscribe(self, topics: Sequence[str], listener: Any = None) -> None:
        """Name the topic and who is told of assignments."""
        assert list(topics) == [self._group.topic]
        self._listener = listener

    async def start(self) -> None:
        """Take part in the group from now on."""
        self._group.log.readers.append(self._wake)
        self._membership = asyncio.create_task(self._take_part(), name=f"{self._member} membership")

    async def stop(self) -> None:
        """Leave the group."""
        if self._membership is not None:
            self._membership.cancel()
        self.forget()
        await self._asked(lambda: self._group.leave(self._member))

    def forget(self) -> None:
        """The process is gone: nobody has to be woken."""
        if self._wake in self._group.log.readers:
            self._group.log.readers.remove(self._wake)

    async def _take_part(self) -> None:
        while True:
            try:
                joined: tuple[int, list[int]] = await self._link.ask(
                    lambda reply: self._group.join(self._member, reply), give_up_s=2 * JOIN_S
                )
            except Lost:
                continue
            self._generation, partitions = joined
            self._owned = dict.fromkeys(partitions)
            self._paused.clear()
            self._epoch += 1
            self._reassigning = False
            self._arrived.set()
            await self._listener.on_partitions_assigned(self._places(partitions))
            while await self._may_go_on():  # noqa: ASYNC110 - heartbeats
                await asyncio.sleep(HEARTBEAT_S)
            owned = self._places(self._owned)
            self._reassigning = True
            await self._listener.on_partitions_revoked(owned)
            self._owned = {}

    async def _may_go_on(self) -> bool:
        if self._sim.loop.time() < self.deaf_until:
            return True
        try:
            return bool(await self._asked(lambda: self._group.heartbeat(self._member, self._generation)))
        except KafkaError:
            return True

    def go_deaf(self, seconds: float) -> None:
        """The group goes on without this member, which hears of it later."""
        self.deaf_until = self._sim.loop.time() + seconds
        self._group.expel(self._member)

    # Reading.

    async def getmany(
        self, *_places: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Stored]]:
        """The next records of the partitions that are not paused; waits for some until the time is over.

        While partitions are being reassigned nothing is given out, and nothing that was asked for before.
        """
        ends_at = self._sim.loop.time() + timeout_ms / 1000
        while True:
            self._arrived.clear()
            found = await self._fetched(max_records or 500)
            left_s = ends_at - self._sim.loop.time()
            if found or left_s <= 0:
                return found
            try:
                await asyncio.wait_for(self._arrived.wait(), left_s)
            except TimeoutError:
                return {}

    async def _fetched(self, limit: int) -> dict[TopicPartition, list[Stored]]:
        if self._reassigning or not self._has_news():
            await asyncio.sleep(0)
            return {}
        epoch = self._epoch
        try:
            found = await self._asked(lambda: self._read(limit))
        except KafkaError:
            return {}
        if epoch != self._epoch or self._is_reassigning():
            return {}
        result: dict[TopicPartition, list[Stored]] = {}
        for number, (position, records, following) in found.items():
            place = TopicPartition(self._group.topic, number)
            if self._owned.get(number, -1) == position and place not in self._paused:
                self._owned[number] = following
                if records:
                    result[place] = records
        return result

    def _is_reassigning(self) -> bool:
        return self._reassigning

    def _has_news(self) -> bool:
        log, topic = self._group.log, self._group.topic
        for number, position in self._owned.items():
            if position is None or position != log.partition(topic, number).end:
                return True
        return False

    def _read(self, limit: int) -> dict[int, tuple[int | None, list[Stored], int]]:
        """At the broker: from each position some records, and the position after them."""
        found: dict[int, tuple[int | None, list[Stored], int]] = {}
        for number, position in self._owned.items():
            if TopicPartition(self._group.topic, number) in self._paused:
                continue
            records = self._group.log.partition(self._group.topic, number).records
            start = self._start(number, len(records)) if position is None or position > len(records) else position
            stop = min(len(records), start + max(0, limit))
            found[number] = (position, [record for record in records[start:stop] if record is not None], stop)
            limit -= stop - start
        return found

    def _start(self, number: int, end: int) -> int:
        """Where to begin: at the committed offset, else at the end that the consumer was made for."""
        committed = self._group.committed.get(number)
        if committed is not None and committed <= end and not self._from_end:
            return committed
        return end if self._from_end else 0

    def _wake(self, topic: str) -> None:
        if topic == self._group.topic:
            self._sim.loop.call_soon(self._arrived.set, context=self._process.lane.context)

    # Positions.

    def assignment(self) -> set[TopicPartition]:
        """What this member believes to own."""
        return set(self._places(self._owned))

    def paused(self) -> set[TopicPartition]:
        """What is not read now."""
        return set(self._paused)

    def pause(self, *places: TopicPartition) -> None:
        """Read these no further."""
        self._paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        """Read on."""
        self._paused -= set(places)
        self._arrived.set()

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on from there."""
        if place.partition in self._owned:
            self._owned[place.partition] = offset
            self._arrived.set()

    async def seek_to_end(self, *places: TopicPartition) -> None:
        """Go on from the end."""
        for place, end in (await self.end_offsets(places)).items():
            self.seek(place, end)

    async def position(self, place: TopicPartition) -> int:
        """Offset of the next record."""
        if place.partition not in self._owned:
            raise IllegalStateError(f"{place} is not assigned")
        position = self._owned[place.partition]
        if position is None:
            end = self._group.log.partition(self._group.topic, place.partition).end
            position = await self._asked(lambda: self._start(place.partition, end))
        return position

    def highwater(self, place: TopicPartition) -> int | None:
        """End of the partition as last heard of."""
        return self._group.log.partition(self._group.topic, place.partition).end

    async def end_offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Ends of partitions."""
        log, topic = self._group.log, self._group.topic
        return await self._asked(lambda: {place: log.partition(topic, place.partition).end for place in places})

    async def beginning_offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Begins of partitions: nothing is ever deleted by age."""
        return await self._asked(lambda: dict.fromkeys(places, 0))

    async def committed(self, place: TopicPartition) -> int | None:
        """The group's committed offset."""
        return await self._asked(lambda: self._group.committed.get(place.partition))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit. A member of an earlier generation is refused, or not: a commit must be true whoever sends it."""
        values = {place.partition: offset for place, offset in offsets.items()}

        def change() -> bool:
            current = self._group.assigned.get(self._member, ())
            fenced = any(partition not in current for partition in values)
            if fenced and self._sim.rng.random() < 0.5:
                return False
            self._sim.guards["commit of a zombie"] += fenced
            self._group.commit(values)
            return True

        if not await self._asked(change):
            raise CommitFailedError("the group has another generation")

    async def _asked(self, execute: Callable[[], T]) -> T:
        """The client asks again by itself until its own time is over."""
        give_up_at = self._sim.loop.time() + REQUEST_S
        while True:
            try:
                return await self._link.ask(lambda reply: reply.answer(execute()), give_up_s=REQUEST_S)
            except Lost:
                if self._sim.loop.time() >= give_up_at:
                    raise RequestTimedOutError from None
            await asyncio.sleep(RETRY_S)

    def _places(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._group.topic, number) for number in partitions]
