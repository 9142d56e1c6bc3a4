"""A background process for the life-cycle tests: `background_program.py <behaviour> <trigger file>`."""

import asyncio
import signal
import sys
from pathlib import Path

from sync_runtime import kafka
from sync_runtime.health import Health
from sync_runtime.logging import configure
from sync_runtime.metrics import Metrics
from sync_runtime.service import Background, serve
from sync_runtime.settings import RuntimeSettings
from sync_runtime.tasks import Tasks


def tell(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


class Program:
    """Publishes one message in its drain: the broker must still work there."""

    def __init__(self, behaviour: str, settings: RuntimeSettings) -> None:
        self.behaviour = behaviour
        self.health = Health(Metrics(), "work")
        self.broker = kafka.broker(settings)
        self._topic = settings.prefixed("drained")
        self._trigger = Path(sys.argv[2])
        self._tasks = Tasks()
        self._stop = asyncio.Event()

    async def start(self) -> None:
        if self.behaviour == "start-fails":
            raise RuntimeError
        if self.behaviour == "start-hangs":
            await asyncio.Event().wait()
        self._tasks.own("work", self._work())
        tell("started")

    async def run(self) -> None:
        await self._tasks.watch()

    async def drain(self) -> None:
        tell("draining")
        if self.behaviour == "drain-hangs":
            await asyncio.Event().wait()
        await self.broker.publish(b"drained", self._topic)
        self._tasks.end()
        self._stop.set()
        tell("drained")

    async def _work(self) -> None:
        beat = self.health.liveness.expect("work", 0.5 if self.behaviour == "loop-stalls" else 60)
        self.health.readiness.hold("work")
        while not self._stop.is_set():
            if self.behaviour != "loop-stalls":
                beat()
            if self._trigger.exists():
                self._react()
                if self.behaviour == "task-returns":
                    return
            await asyncio.sleep(0.02)

    def _react(self) -> None:
        match self.behaviour:
            case "task-dies":
                raise KeyError
            case "loses-readiness":
                self.health.readiness.lose("work", "no partitions")
            case _:
                pass


def main() -> int:
    settings = RuntimeSettings.from_environment()
    configure(settings, "program")

    def build() -> Background:
        if sys.argv[1] == "signal-while-building":
            signal.raise_signal(signal.SIGTERM)
        program = Program(sys.argv[1], settings)
        return Background(program, program.broker, program.health)

    return serve(build, settings)


if __name__ == "__main__":
    sys.exit(main())
