"""Images cannot be built everywhere, commands can be run: each service of docker-compose.yml is started as it is there.

Same command, same environment, same health check; only host names become loopback, ports become free ones, and the
volume with the keys becomes a directory.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local_stack.kafka import KafkaServer
from local_stack.mongod import MongoServer
from local_stack.ports import free_ports
from local_stack.process import ServerProcess, tail

from tests.support.containers import built_services, command_of

pytestmark = pytest.mark.timeout(600)
Json = dict[str, Any]
KEYS_VOLUME = "/var/lib/syncbucket/keys"
READY_DEADLINE_S = 120
ONE_SHOT_DEADLINE_S = 120
CHECK_DEADLINE_S = 60


@dataclass(frozen=True)
class Place:
    """This machine instead of a network of containers: what each address of the file becomes, longest first."""

    rewrites: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, kafka: KafkaServer, mongo: MongoServer, keys: Path) -> "Place":
        address = mongo.url.removeprefix("mongodb://").split("/")[0]
        return cls((("kafka:9092", kafka.bootstrap), ("mongo:27017", address), (KEYS_VOLUME, str(keys))))

    def rewritten(self, text: str) -> str:
        """A value of the file, as it is meant here."""
        for old, new in self.rewrites:
            text = text.replace(old, new)
        return text.replace("0.0.0.0", "127.0.0.1")


@dataclass(frozen=True)
class Service:
    """One service, made to run here. `ports`: the port of the container -> a free one."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    check: tuple[str, ...]

    @classmethod
    def of(cls, name: str, declared: Json, place: Place, hosts: dict[str, str]) -> "Service":
        ports = _free_ports_for(declared)
        hosts |= {f"{name}:{port}": f"127.0.0.1:{free}" for port, free in ports.items()}
        rewritten = {key: _with_hosts(place.rewritten(value), hosts) for key, value in declared["environment"].items()}
        environment = {
            key: ports.get(value, value) if key.endswith("PORT") else value for key, value in rewritten.items()
        }
        check = declared.get("healthcheck", {}).get("test", ["CMD"])[1:]
        return cls(name, _here(command_of(declared)), environment, _here(_with_ports(part, ports) for part in check))

    @property
    def process_environment(self) -> dict[str, str]:
        """Nothing of this machine's environment but the way to programs."""
        return {"PATH": os.environ["PATH"], **self.environment}

    def is_healthy(self) -> bool:
        """Does its own health check succeed?"""
        return self._run(self.check, CHECK_DEADLINE_S).returncode == 0

    def run_once(self, directory: Path) -> "subprocess.CompletedProcess[str]":
        """Run a one-shot service to its end."""
        return self._run(self.command, ONE_SHOT_DEADLINE_S, directory)

    def _run(
        self, command: Sequence[str], deadline_s: float, directory: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, env=self.process_environment, cwd=directory, capture_output=True, text=True,
            timeout=deadline_s, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def services(
    kafka_server: KafkaServer, mongo_server: MongoServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Service]:
    """Every service that runs an image of ours, in starting order."""
    place, hosts = Place.of(kafka_server, mongo_server, tmp_path_factory.mktemp("keys")), dict[str, str]()
    return {name: Service.of(name, declared, place, hosts) for name, declared in built_services().items()}


@pytest.fixture(scope="module")
def processes(
    services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ServerProcess]]:
    """The one-shot services have ended, all others run and are healthy by their own checks."""
    directory = tmp_path_factory.mktemp("container")
    with ExitStack() as ended:
        running = {}
        for name, service in services.items():
            if not service.check:
                done = service.run_once(directory)
                assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
                continue
            log = directory / f"{name}.log"
            running[name] = ServerProcess(service.command, log=log, env=service.process_environment)
            ended.callback(running[name].stop)
            running[name].start(service.is_healthy, READY_DEADLINE_S)
        yield running


def test_every_service_becomes_healthy_or_ends_well(
    services: dict[str, Service], processes: dict[str, ServerProcess]
) -> None:
    assert processes.keys() == {name for name, service in services.items() if service.check}
    assert {"sandbox", "api", "dispatcher", "scheduler", "aggregator", "worker-0", "worker-1"} == processes.keys()
    assert all(services[name].is_healthy() for name in processes)


def test_one_shot_services_may_run_again(
    services: dict[str, Service], processes: dict[str, ServerProcess], tmp_path: Path
) -> None:
    for name in services.keys() - processes.keys():
        assert services[name].run_once(tmp_path).returncode == 0, name


def test_every_process_ends_cleanly_within_its_grace_period(
    services: dict[str, Service], processes: dict[str, ServerProcess]
) -> None:
    declared = built_services()
    for name in reversed(services):
        if name in processes:
            grace_s = int(re.sub(r"\D", "", declared[name].get("stop_grace_period", "10s")))
            assert _exit_status(processes[name], grace_s) == 0, f"{name}: {tail(processes[name].log)}"


def _exit_status(process: ServerProcess, grace_s: float) -> int:
    child = process._child
    assert child is not None
    child.send_signal(signal.SIGTERM)
    return child.wait(grace_s)


def _here(command: Sequence[str] | Iterator[str]) -> tuple[str, ...]:
    """`python` of the image is this interpreter."""
    return tuple(sys.executable if word == "python" else word for word in command)


def _free_ports_for(declared: Json) -> dict[str, str]:
    wanted = [value for key, value in declared["environment"].items() if key.endswith("_PORT")]
    return dict(zip(wanted, map(str, free_ports(len(wanted))), strict=True)) if wanted else {}


def _with_hosts(text: str, hosts: dict[str, str]) -> str:
    for old, new in hosts.items():
        text = text.replace(old, new)
    return text


def _with_ports(text: str, ports: dict[str, str]) -> str:
    for old, new in ports.items():
        text = text.replace(f":{old}/", f":{new}/")
    return text
