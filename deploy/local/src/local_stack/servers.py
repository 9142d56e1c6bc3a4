"""Kafka and MongoDB of a stack, as slots of the supervisor beside the services."""

import signal
from dataclasses import dataclass

from local_stack.kafka import KafkaBroker
from local_stack.mongod import MongoMember, initiate, wait_writable
from local_stack.process import NotReady, wait_until
from local_stack.programs import Slot
from local_stack.settings import StackSettings
from local_stack.tools import Tools

SERVERS = KAFKA, MONGOD = "kafka", "mongod"
_STOP_TIMEOUT_S = 20
_ANSWER_DEADLINE_S = 120
_JOIN_DELAY_MS = 1_000
"""All workers start together: waiting for the second one is shorter than the rebalance that it would cause."""


def member_names(count: int) -> list[str]:
    """`mongod`, `mongod-1`, `mongod-2`."""
    return [MONGOD, *(f"{MONGOD}-{number}" for number in range(1, count))]


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that everything else stands on: a broker, and a replica set of one member or three."""

    kafka: KafkaBroker
    members: tuple[MongoMember, ...]

    @classmethod
    def of(cls, settings: StackSettings, tools: Tools) -> "Servers":
        broker = KafkaBroker(
            settings.data_dir / KAFKA,
            settings.kafka_port,
            settings.kafka_controller_port,
            tools,
            host=settings.host,
            join_delay_ms=_JOIN_DELAY_MS,
            advertised_port=settings.kafka_proxy,
        )
        folders = (settings.data_dir / name for name in member_names(settings.mongo_members))
        members = (
            MongoMember(folder, port, tools, host=settings.host, cache_gb=settings.mongo_cache_gb)
            for folder, port in zip(folders, settings.mongo_ports, strict=True)
        )
        return cls(broker, tuple(members))

    @property
    def mongod(self) -> dict[str, MongoMember]:
        """The members of the replica set by the names that the supervisor knows."""
        return dict(zip(member_names(len(self.members)), self.members, strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which they start."""
        return (KAFKA, *self.mongod)

    @property
    def addresses(self) -> dict[str, str]:
        """Where each listens."""
        return {KAFKA: self.kafka.bootstrap, **{name: member.address for name, member in self.mongod.items()}}

    def slots(self) -> list[Slot]:
        """As the supervisor runs them."""
        kafka = Slot(KAFKA, tuple(self.kafka.command), {}, None, signal.SIGTERM, _STOP_TIMEOUT_S)
        return [kafka, *(_member_slot(name, member) for name, member in self.mongod.items())]

    def prepare(self) -> None:
        """Configuration and data directories, before the first start."""
        self.kafka.prepare()
        for member in self.members:
            member.prepare()

    def answers(self, name: str) -> bool:
        """Is this server up? One member of several need not be the primary."""
        if name == KAFKA:
            return self.kafka.answers()
        member = self.mongod[name]
        return member.is_writable_primary() if len(self.members) == 1 else member.answers()

    def wait(self) -> None:
        """Wait for all; makes the replica set on first use. Raises NotReady."""
        for name, member in self.mongod.items():
            if not wait_until(member.answers, _ANSWER_DEADLINE_S):
                raise NotReady(f"{name} does not answer on {member.address}")
        initiate(list(self.members))
        wait_writable(list(self.members))
        if not wait_until(self.kafka.answers, _ANSWER_DEADLINE_S):
            raise NotReady(f"{KAFKA} does not answer on {self.kafka.bootstrap}")


def _member_slot(name: str, member: MongoMember) -> Slot:
    return Slot(name, tuple(member.command), member.environment, None, signal.SIGTERM, _STOP_TIMEOUT_S)
