"""The processes of a benchmark: servers of their own on free ports, and the product's real processes beside them."""

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from local_stack.process import ServerProcess
from local_stack.programs import Program, slots
from local_stack.servers import KAFKA, MONGOD
from local_stack.settings import StackSettings
from local_stack.stack import Stack
from motor.motor_asyncio import AsyncIOMotorClient
from msgspec import Struct
from sync_runtime.mongo import CLIENT, Database

READY_DEADLINE_S: Final = 60.0
PROVISION_DEADLINE_S: Final = 60.0
_PROBE_S: Final = 2


class Servers(Struct, frozen=True):
    """Kafka and MongoDB of a benchmark. `pids` by name."""

    kafka: str
    mongo: str
    pids: Mapping[str, int]


class World:
    """One benchmark's world, gone at the end of the `with` block."""

    def __init__(self) -> None:
        self._life = ExitStack()
        self._folder = Path(self._life.enter_context(tempfile.TemporaryDirectory(prefix="sb-bench-")))
        self.settings = StackSettings.on_free_ports(self._folder, workers=1)
        self._stack = Stack(self.settings, attached=True)
        self._running: dict[str, ServerProcess] = {}

    def __enter__(self) -> Self:
        self._life.callback(self._stack.down)
        try:
            self._stack.up_servers()
            self._provision()
        except BaseException:
            self._life.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._running):
            self.stop(name)
        self._life.close()

    @property
    def servers(self) -> Servers:
        """The two servers."""
        pids = {name: self._stack.pid(name) for name in (KAFKA, MONGOD)}
        return Servers(self.settings.kafka_bootstrap, self.settings.mongo_url, pids)

    @property
    def kek_file(self) -> Path:
        """The key-encryption key of this world."""
        return self.settings.keys_dir / "kek"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the servers and of all processes that run, by name."""
        return {**self.servers.pids, **{name: process.pid for name, process in self._running.items()}}

    def start(self, program: Program, module: Sequence[str] | None = None, **env: str) -> None:
        """Start every slot of a program and wait until it is ready. `module` replaces what follows `python -m`."""
        for slot in slots(program, self.settings, sys.executable):
            command = [sys.executable, "-m", *(module or program.module)]
            log = self.settings.logs_dir / f"{slot.name}.log"
            process = ServerProcess(command, log=log, env={**os.environ, **slot.environment, **env})
            process.start(partial(_answers, slot.ready_url), READY_DEADLINE_S)
            self._running[slot.name] = process

    def environment(self, program: Program) -> dict[str, str]:
        """Environment of slot 0 of a program."""
        return {**os.environ, **slots(program, self.settings, sys.executable)[0].environment}

    def stop(self, name: str) -> None:
        """Stop a process cleanly."""
        self._running.pop(name).stop(deadline_s=60)

    def log(self, name: str) -> str:
        """What a process has logged."""
        return (self.settings.logs_dir / f"{name}.log").read_text()

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The product's database, with its options. Inside a running event loop."""
        client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(self.settings.mongo_url, **CLIENT)
        try:
            yield client[self.settings.mongo_database]
        finally:
            client.close()

    def _provision(self) -> None:
        env = {**os.environ, **self._stack.env, "SB_INSTANCE_ID": "provision"}
        subprocess.run(
            [sys.executable, "-m", "sync_runtime", "provision"],
            env=env,
            check=True,
            capture_output=True,
            timeout=PROVISION_DEADLINE_S,
        )


def _answers(url: str | None) -> bool:
    if url is None:
        return True
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
