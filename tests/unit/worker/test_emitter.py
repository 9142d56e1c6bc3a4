"""The emitter: one batch at a time, sent again while unknown, offsets released only when acknowledged."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from sync_contracts import events
from sync_contracts.outcomes import Code
from sync_worker import publishing
from sync_worker.delivery import Delivery
from sync_worker.execution.announcing import event_of, started
from sync_worker.execution.emitter import Emitter
from sync_worker.execution.retry import Done, GiveUp, Stopped, TryAgain
from sync_worker.publishing import Outgoing

from tests.support.eventually import eventually
from tests.unit.worker.records import command, delivery


class Unacknowledged(ConnectionError):
    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__()
        self.positions = positions


class Topic:
    """A topic that acknowledges, or does not know, as it is told."""

    def __init__(self) -> None:
        self.batches: list[list[Outgoing]] = []
        self.unknown: list[Sequence[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> None:
        assert topic == "gst.sync.events.v1"
        self.batches.append(list(records))
        await self.open.wait()
        if self.unknown:
            raise Unacknowledged(self.unknown.pop(0))


class World:
    def __init__(self) -> None:
        self.topic = Topic()
        self.finished: list[Delivery] = []
        self.emitter = Emitter(self.topic, self.finished.append)

    def emit(self, offset: int, *, ends: bool = True) -> Delivery:
        one = delivery(command(), offset, traceparent=b"00-trace")
        event = event_of(one.command, Done(Code.OK, 3)) if ends else started(one.command)
        self.emitter.emit(one, event, ends=ends)
        return one


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(publishing, "RESEND_PAUSE_S", 0.001)
    world = World()
    running = asyncio.create_task(world.emitter.run())
    yield world
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_events_that_gather_while_a_batch_is_under_way_leave_together(world: World) -> None:
    world.topic.open.clear()
    first = world.emit(0)
    await eventually(lambda: len(world.topic.batches) == 1)
    rest = [world.emit(offset) for offset in range(1, 5)]
    assert not world.finished
    world.topic.open.set()
    await eventually(lambda: len(world.finished) == 5)
    assert [len(batch) for batch in world.topic.batches] == [1, 4]
    assert world.finished == [first, *rest]


async def test_only_what_is_unknown_is_sent_again_and_nothing_is_released_before(world: World) -> None:
    world.topic.unknown = [[1, 3], [0]]
    world.topic.open.clear()
    emitted = [world.emit(offset) for offset in range(5)]
    await eventually(lambda: len(world.topic.batches) == 1)
    assert not world.finished
    world.topic.open.set()
    await eventually(lambda: len(world.finished) == 5)
    first, second, third = world.topic.batches
    assert second == [first[1], first[3]]
    assert third == [first[1]]
    assert world.finished == emitted


async def test_a_started_event_releases_nothing(world: World) -> None:
    world.emit(0, ends=False)
    await eventually(lambda: len(world.topic.batches) == 1)
    last = world.emit(0)
    await eventually(lambda: bool(world.finished))
    assert world.finished == [last]


async def test_a_record_goes_to_the_shard_with_bucket_as_key_and_the_commands_trace(world: World) -> None:
    world.emit(0)
    await eventually(lambda: bool(world.finished))
    record = world.topic.batches[0][0]
    assert (record.key, record.partition) == (b"b_1", 3)
    assert dict(record.headers) == {
        "content-type": b"application/json",
        "schema": b"sync.event.v1",
        "traceparent": b"00-trace",
    }
    assert record.value is not None
    assert isinstance(events.decode(record.value), events.Succeeded)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (Done(Code.OK, 3, 1, "b_1.1"), events.Succeeded),
        (TryAgain(Code.PORTAL_ERROR, True, 2_000, pcode="RTN_1"), events.Retry),
        (TryAgain(Code.PORTAL_PREPARING, False, 60_000, "token"), events.Retry),
        (GiveUp(Code.OTP_REQUIRED, "AUTH4033"), events.Failed),
        (Stopped(), events.Cancelled),
    ],
)
def test_each_ending_has_its_event_which_decodes_as_it_was(ending: object, kind: type) -> None:
    event = event_of(command(), ending)  # type: ignore[arg-type]
    assert isinstance(event, kind)
    assert events.decode(events.encode(event)) == event
