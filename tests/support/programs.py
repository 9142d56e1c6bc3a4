"""A program of the product as a child of the test, as the supervisor runs it: its health port, its metrics, its end."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from local_stack.ports import free_ports

from tests.support.eventually import PATIENCE_S, eventually


@dataclass(frozen=True)
class Program:
    """A started process."""

    child: subprocess.Popen[bytes]
    port: int

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        await eventually(lambda: asyncio.to_thread(self._is_ready), what="readiness")

    async def metric(self, name: str) -> float:
        """The sum of all samples whose line begins so."""
        return await asyncio.to_thread(self._sum_of, name)

    async def ended(self, ask: signal.Signals | None = None) -> int:
        """Its exit status once it has ended, by itself or because it was asked to."""
        if ask is not None:
            self.child.send_signal(ask)
        return await asyncio.to_thread(self.child.wait, PATIENCE_S)

    def _is_ready(self) -> bool:
        with suppress(OSError), self._answer("/readyz") as answer:
            return bool(answer.status == 200)
        return False

    def _sum_of(self, name: str) -> float:
        with self._answer("/metrics") as answer:
            lines: list[str] = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def _answer(self, path: str) -> "urllib.request._UrlopenRet":
        return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S)


@contextmanager
def program(*arguments: str, environment: Mapping[str, str], log: Path) -> Iterator[Program]:
    """`python -m` with these arguments; what it logs is appended to the file. Gone at the end of the block."""
    (port,) = free_ports(1)
    own = {**os.environ, **environment, "SB_HEALTH_PORT": str(port)}
    with log.open("ab") as output:
        child = subprocess.Popen([sys.executable, "-m", *arguments], env=own, stderr=output)
    try:
        yield Program(child, port)
    finally:
        child.kill()
        child.wait()
