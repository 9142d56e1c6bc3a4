"""The intake of session commands: every record ends as a step, a dead letter or a crash, then it is committed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
from sync_contracts import sessions
from sync_contracts.dead_letters import DeadLetterReason
from sync_contracts.sessions import SessionCommand
from sync_worker.durable import StoreUnavailable
from sync_worker.intake.dead_letters import DeadLetters, TooManyInvalid
from sync_worker.intake.session_steps import SessionIntake
from sync_worker.publishing import Outgoing

from tests.support.eventually import PATIENCE_S, eventually
from tests.unit.worker.records import Record

PLACE = TopicPartition("sessions", 0)
CarryOut = Callable[[SessionCommand, datetime], Awaitable[DeadLetterReason | None]]


def record(offset: int, value: bytes | None = None, request: str = "otp_1") -> Record:
    command = SessionCommand(tenant="t_1", client="c_1", request=request, step="OTP_REQUEST", expires_at=0)
    return Record("sessions", 0, offset, b"t_1:c_1", sessions.encode(command) if value is None else value)


class PlayedConsumer:
    """Hands out batches, then nothing; remembers what was committed."""

    def __init__(self, *batches: Sequence[Record], commit_lasts_s: float = 0) -> None:
        self._batches = list(batches)
        self._commit_lasts_s = commit_lasts_s
        self.committed: list[int] = []

    async def getmany(self, **_: Any) -> dict[TopicPartition, Sequence[Record]]:
        await asyncio.sleep(0.001)
        return {PLACE: self._batches.pop(0)} if self._batches else {}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await asyncio.sleep(self._commit_lasts_s)
        self.committed.append(offsets[PLACE])


class PlayedPublisher:
    """Remembers dead letters."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def publish(self, topic: str, records: Sequence[Outgoing]) -> None:  # noqa: ARG002
        self.reasons += [dict(kept.headers)["dlq-reason"].decode() for kept in records]


async def done(command: SessionCommand, now: datetime) -> None:
    """A step that ended in its request."""


async def foreign(command: SessionCommand, now: datetime) -> DeadLetterReason | None:
    return None if command.request == "otp_1" else DeadLetterReason.WRONG_TENANT


def intake(
    consumer: PlayedConsumer, publisher: PlayedPublisher, carry_out: CarryOut, commit_deadline_s: float = PATIENCE_S
) -> SessionIntake:
    letters = DeadLetters(publisher, clock_ms=lambda: 0, count=lambda _topic, _reason: None)
    return SessionIntake(consumer, dead_letters=letters, carry_out=carry_out, commit_deadline_s=commit_deadline_s)


async def test_steps_and_dead_letters_are_committed() -> None:
    consumer, publisher = PlayedConsumer([record(7), record(8, b"{")], [record(9, request="otp_9")]), PlayedPublisher()
    steps = intake(consumer, publisher, foreign)
    running = asyncio.create_task(steps.run())
    await eventually(lambda: consumer.committed == [9, 10])
    steps.stop()
    await running
    assert publisher.reasons == ["UNDECODABLE", "WRONG_TENANT"]


@pytest.mark.parametrize("error", [StoreUnavailable, KeyError])
async def test_a_step_that_could_not_end_is_not_committed_and_ends_the_process(error: type[Exception]) -> None:
    ended: list[str] = []

    async def carry_out(command: SessionCommand, now: datetime) -> DeadLetterReason | None:
        if command.request == "otp_1":
            raise error
        await asyncio.sleep(0.05)
        ended.append(command.request)
        return None

    consumer = PlayedConsumer([record(7), record(8, request="otp_2")])
    with pytest.raises(error):
        await intake(consumer, PlayedPublisher(), carry_out).run()
    assert consumer.committed == []
    assert ended == ["otp_2"]


async def test_too_many_foreign_commands_stop_the_intake_although_each_could_be_read() -> None:
    forged = [record(offset, request="otp_9") for offset in range(21)]
    publisher = PlayedPublisher()
    with pytest.raises(TooManyInvalid):
        await intake(PlayedConsumer(forged), publisher, foreign).run()
    assert set(publisher.reasons) == {"WRONG_TENANT"}


async def test_a_hundred_foreign_commands_among_good_ones_all_go_to_the_dead_letters() -> None:
    batches = [[record(n * 10, request="otp_9"), *(record(n * 10 + i) for i in range(1, 10))] for n in range(100)]
    consumer, publisher = PlayedConsumer(*batches), PlayedPublisher()
    steps = intake(consumer, publisher, foreign)
    running = asyncio.create_task(steps.run())
    await eventually(lambda: len(consumer.committed) == 100)
    steps.stop()
    await running
    assert publisher.reasons == ["WRONG_TENANT"] * 100


async def test_a_commit_that_hangs_holds_nothing_up() -> None:
    consumer = PlayedConsumer([record(7)], commit_lasts_s=3600)
    steps = intake(consumer, PlayedPublisher(), done, commit_deadline_s=0.05)
    running = asyncio.create_task(steps.run())
    await eventually(lambda: not consumer._batches)
    steps.stop()
    await asyncio.wait_for(running, PATIENCE_S)
    assert consumer.committed == []


async def test_a_rebalance_waits_until_steps_under_way_have_ended_and_are_committed() -> None:
    gate = asyncio.Event()

    async def carry_out(command: SessionCommand, now: datetime) -> None:
        await gate.wait()

    consumer = PlayedConsumer([record(7)])
    steps = intake(consumer, PlayedPublisher(), carry_out)
    await asyncio.wait_for(steps.on_partitions_revoked(()), PATIENCE_S)
    running = asyncio.create_task(steps.run())
    await eventually(lambda: not consumer._batches)
    await asyncio.sleep(0)
    leaving = asyncio.create_task(steps.on_partitions_revoked([PLACE]))
    done_early, _ = await asyncio.wait([leaving], timeout=0.05)
    assert not done_early
    gate.set()
    await asyncio.wait_for(leaving, PATIENCE_S)
    assert consumer.committed == [8]
    steps.stop()
    await running
