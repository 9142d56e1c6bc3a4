"""Kafka and mongod of a stack, as slots of the supervisor beside the services."""

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
_ANSWER_DEADLINE_S = 40
_JOIN_DELAY_MS = 1_000
"""All workers start together: waiting for the second one is shorter than the rebalance that it would cause."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The two servers that everything else stands on."""

    kafka: KafkaBroker
    mongod: MongoMember

    @classmethod
    def of(cls, settings: StackSettings, tools: Tools) -> "Servers":
        kafka_dir, mongod_dir = settings.data_dir / KAFKA, settings.data_dir / MONGOD
        broker = KafkaBroker(
            kafka_dir,
            settings.kafka_port,
            settings.kafka_controller_port,
            tools,
            host=settings.host,
            join_delay_ms=_JOIN_DELAY_MS,
        )
        member = MongoMember(
            mongod_dir, settings.mongo_port, tools, host=settings.host, cache_gb=settings.mongo_cache_gb
        )
        return cls(broker, member)

    def slots(self) -> list[Slot]:
        """Both as the supervisor runs them."""
        kafka = Slot(KAFKA, tuple(self.kafka.command), {}, None, signal.SIGTERM, _STOP_TIMEOUT_S)
        environment = self.mongod.environment
        return [kafka, Slot(MONGOD, tuple(self.mongod.command), environment, None, signal.SIGTERM, _STOP_TIMEOUT_S)]

    def prepare(self) -> None:
        """Configuration and data directories, before the first start."""
        self.kafka.prepare()
        self.mongod.prepare()

    def answers(self, name: str) -> bool:
        """Is this server up?"""
        return self.kafka.answers() if name == KAFKA else self.mongod.is_writable_primary()

    def wait(self) -> None:
        """Wait for both; makes the replica set on first use. Raises NotReady."""
        if not wait_until(self.mongod.answers, _ANSWER_DEADLINE_S):
            raise NotReady(f"{MONGOD} does not answer on {self.mongod.address}")
        initiate([self.mongod])
        wait_writable([self.mongod])
        if not wait_until(self.kafka.answers, _ANSWER_DEADLINE_S):
            raise NotReady(f"{KAFKA} does not answer on {self.kafka.bootstrap}")
