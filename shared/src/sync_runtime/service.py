"""One way to run a background process: start, watch, drain at SIGTERM, health server; FastStream keeps the life cycle.

Order at SIGTERM: health server closes, `drain`, broker stops, exit 0. A death of the running part, a failed start or a
drain beyond its deadline end with exit 1, without draining: the next process takes over as after a crash.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

import uvicorn
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker

from sync_runtime.health import Health
from sync_runtime.kafka import stop_within
from sync_runtime.logging import log_loop_error
from sync_runtime.settings import RuntimeSettings

log = logging.getLogger(__name__)

OPEN_REQUESTS_DEADLINE_S = 2
GOODBYE_DEADLINE_S = 10.0
"""From the end of the drain to the end of the process; a producer waits for its broker for ever."""
YOUNG_OBJECTS = 100_000
"""New objects until the garbage collector looks at them; its usual 700 costs a tenth of the CPU under load. A worker
with 1,000 units under way holds tens of thousands of young objects that die by themselves: at 20,000 it was stopped
some 30 times in 20,000 units, at 100,000 twice. Garbage in cycles, which only the collector takes away, is rare."""
STOPPED = 0
DIED = 1


class BackgroundService(Protocol):
    """What a background process does."""

    async def start(self) -> None:
        """Open clients, check what must hold, start owned tasks. Raising ends the process with exit 1."""

    async def run(self) -> None:
        """Return after `drain` was called and everything has ended; raise when a part dies (`Tasks.watch`)."""

    async def drain(self) -> None:
        """Take no new work, finish or hand back what runs, commit, close clients; makes `run` return."""


@dataclass(frozen=True)
class Background:
    """A composed background process: what it does, the broker it publishes single messages with, its health."""

    service: BackgroundService
    broker: KafkaBroker
    health: Health


class RunEnded(Exception):
    """The running part returned although nobody asked it to stop."""

    log_safe = True


class StartFailed(Exception):
    """The start failed; the cause is in the log line before. It carries no cause, for servers print it as it is."""

    log_safe = True


class DrainOverran(Exception):
    """The drain did not end within its deadline; the rest is redelivered to the next process."""

    log_safe = True


def serve(build: Callable[[], Background], settings: RuntimeSettings) -> int:
    """Run a background process until SIGTERM or a death; returns its exit code. `build` is called in the event loop."""
    asked_early = _EarlyStop()
    # The health server installs its own handlers while it runs and raises the signal again afterwards: with the
    # default handler in place, a graceful end would look like a kill.
    signal.signal(signal.SIGTERM, asked_early)
    signal.signal(signal.SIGINT, asked_early)
    return asyncio.run(_serve(build, settings, asked_early))


async def _serve(build: Callable[[], Background], settings: RuntimeSettings, asked_early: "_EarlyStop") -> int:
    asyncio.get_running_loop().set_exception_handler(log_loop_error)
    port = settings.required_health_port()
    background = build()
    if asked_early.asked:
        return STOPPED
    life = _Life(background, settings)
    app = AsgiFastStream(
        background.broker,
        asgi_routes=background.health.routes(),
        on_startup=[life.start],
        on_shutdown=[life.stop],
        logger=None,
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.health_host,
            port=port,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=OPEN_REQUESTS_DEADLINE_S,
        )
    )
    life.on_death = lambda: setattr(server, "should_exit", True)
    try:
        await server.serve()
    except SystemExit:  # how the server tells that the start failed or the port is taken
        life.note_death(None)
    return STOPPED if life.death is None else DIED


def _spare_garbage_collection() -> None:
    """What is there after the start stays; units are freed without the collector, which need not look so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _end_by_force() -> None:
    log.critical("process does not end by itself", extra={"action": "end-by-force"})
    logging.shutdown()
    os._exit(DIED)


class _EarlyStop:
    """Remembers a signal that comes before the server listens for signals."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _signum: int, _frame: FrameType | None) -> None:
        self.asked = True


class _Life:
    """From start to end of one background process."""

    def __init__(self, background: Background, settings: RuntimeSettings) -> None:
        self._service = background.service
        self._broker = background.broker
        self._readiness = background.health.readiness
        self._settings = settings
        self._run: asyncio.Task[None] | None = None
        self._stopping = False
        self.death: str | None = None
        self.on_death: Callable[[], object] = lambda: None

    async def start(self) -> None:
        """Connect the broker here already: a broker that fails later would leave a server without a life behind it."""
        try:
            async with asyncio.timeout(self._settings.start_deadline_s):
                await self._broker.connect()
                await self._service.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and makes the exit code
            self.note_death(error)
            await stop_within(self._broker, GOODBYE_DEADLINE_S)
            raise StartFailed from None
        _spare_garbage_collection()
        self._run = asyncio.create_task(self._service.run(), name="run")
        self._run.add_done_callback(self._ended)
        self._readiness.hold("started")
        log.info("started", extra={"action": "start"})

    async def stop(self) -> None:
        """Drain, unless the process dies anyway; then the process ends, in time or by force."""
        self._stopping = True
        self._readiness.lose("started", "stopping")
        if self._run is not None and self.death is None:
            await self._drain(self._run)
        asyncio.get_running_loop().call_later(GOODBYE_DEADLINE_S, _end_by_force)

    async def _drain(self, run: asyncio.Task[None]) -> None:
        log.info("draining", extra={"action": "drain"})
        try:
            async with asyncio.timeout(self._settings.drain_deadline_s):
                await self._service.drain()
                await asyncio.shield(run)
        except TimeoutError as error:
            overrun = DrainOverran(f"drain took more than {self._settings.drain_deadline_s} s")
            overrun.__cause__ = error
            self.note_death(overrun)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and makes the exit code
            self.note_death(error)
        else:
            log.info("drained", extra={"action": "drained"})

    def note_death(self, error: BaseException | None) -> None:
        """Log the first cause and make the process end."""
        if self.death is not None:
            return
        self.death = "the health server could not start" if error is None else type(error).__name__
        log.critical("process dies: %s", self.death, exc_info=error, extra={"action": "death"})
        self._readiness.lose("started", self.death)
        self.on_death()

    def _ended(self, run: asyncio.Task[None]) -> None:
        if run.cancelled():
            self.note_death(asyncio.CancelledError())
        elif error := run.exception():
            self.note_death(error)
        elif not self._stopping:
            self.note_death(RunEnded("run() returned before drain() was called"))
