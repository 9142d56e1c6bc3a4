"""Apache Kafka as one KRaft broker and controller on loopback."""

import base64
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from local_stack.kafka_wire import broker_answers
from local_stack.ports import free_ports
from local_stack.process import ServerProcess
from local_stack.tools import Tools

START_DEADLINE_S = 120

_PROPERTIES = """\
# Written at every start; edit deploy/local/src/local_stack/kafka.py instead
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{advertised_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={log_dir}
# One broker: every internal topic has one copy
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
min.insync.replicas=1
# Topics are made by `sync_runtime provision` with their settings, never by a typing error
auto.create.topics.enable=false
unclean.leader.election.enable=false
offsets.retention.minutes=20160
# A broker killed with -9 may register again as soon as its old session is over (default 9 s)
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# How long the first member of an empty group waits for the others; tests use short sessions
group.initial.rebalance.delay.ms={join_delay_ms}
group.min.session.timeout.ms=1000
"""

_LOG4J = """\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
"""


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    """One broker's place: its data directory and its two ports."""

    data_dir: Path
    port: int
    controller_port: int
    tools: Tools
    host: str = "127.0.0.1"
    heap_mb: int = 512
    join_delay_ms: int = 0
    advertised_port: int | None = None
    """The port that clients are sent to, when a proxy stands before the broker."""

    @property
    def bootstrap(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def command(self) -> list[str]:
        """Runs the broker in the foreground; SIGTERM stops it cleanly."""
        return [*self._java(self.heap_mb), "kafka.Kafka", str(self._properties)]

    def prepare(self) -> None:
        """Write the configuration; format the data directory unless it was formatted. Data of earlier runs is kept."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log_dir = self.data_dir / "log"
        ports = {"port": self.port, "controller_port": self.controller_port}
        ports["advertised_port"] = self.advertised_port or self.port
        text = _PROPERTIES.format(host=self.host, log_dir=log_dir, join_delay_ms=self.join_delay_ms, **ports)
        self._properties.write_text(text)
        (self.data_dir / "log4j2.properties").write_text(_LOG4J)
        if not (log_dir / "meta.properties").exists():
            tool = [*self._java(256), "kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c"]
            subprocess.run([*tool, str(self._properties)], check=True, capture_output=True, timeout=START_DEADLINE_S)

    def answers(self) -> bool:
        """The port answers and the broker knows itself."""
        return broker_answers(self.host, self.port)

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    def _java(self, heap_mb: int) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.data_dir / 'log4j2.properties'}"
        options = [f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", logging]
        return [str(self.tools.java), *options, "-cp", f"{self.tools.kafka_libs}/*"]


def cluster_id() -> str:
    """A new random cluster id as Kafka writes it: 22 characters, never starting with a dash (read as an option)."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


class KafkaServer:
    """A broker of its own for tests: free ports, data kept over kill and restart, gone with the test process."""

    def __init__(self, data_dir: Path, *, tools: Tools | None = None) -> None:
        port, controller_port = free_ports(2)
        self.broker = KafkaBroker(data_dir, port, controller_port, tools or Tools.of_checkout())
        self._process = ServerProcess(self.broker.command, log=data_dir / "broker.out")

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients."""
        return self.broker.bootstrap

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> Self:
        """Format on first use, start, wait for metadata. Raises NotReady."""
        self.broker.prepare()
        self._process.start(self.broker.answers, START_DEADLINE_S)
        return self

    def kill(self) -> None:
        """SIGKILL; the data directory stays as it is."""
        self._process.kill()

    def stop(self) -> None:
        """Clean stop, bounded."""
        self._process.stop()

    def restart(self) -> None:
        """Clean stop if it runs, then start on the same data and ports."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
