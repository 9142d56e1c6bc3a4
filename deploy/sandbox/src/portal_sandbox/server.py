"""Serves the portal and its control port in one process; either one's death ends the other."""

import asyncio
import contextlib
import signal
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from portal_sandbox.app import apps_over
from portal_sandbox.delivery import CuttableProtocol
from portal_sandbox.keeping import StateFile
from portal_sandbox.portal import Portal
from portal_sandbox.script import play, read_script
from portal_sandbox.settings import Settings

_DRAIN_S = 2


class _Server(uvicorn.Server):
    """Leaves signals to `serve`, which stops both servers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(settings: Settings) -> bool:
    """Runs until SIGTERM or SIGINT; False when a server could not start or stopped by itself. Raises BadScript."""
    state = Portal(settings)
    if settings.script is not None:
        play(read_script(settings.script), state)
    portal, control = apps_over(state)
    kept = StateFile(settings.state_file, state) if settings.state_file else None
    if kept:
        kept.restore()
    servers = [
        _server(portal, settings.host, settings.port, settings),
        _server(control, settings.control_host, settings.control_port, settings),
    ]
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    running = [asyncio.create_task(server.serve()) for server in servers]
    waiting = asyncio.create_task(asked.wait())
    keeping = asyncio.create_task(kept.keep() if kept else asked.wait())
    await asyncio.wait([*running, waiting, keeping], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    keeping.cancel()
    for server in servers:
        server.should_exit = True
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    if kept:
        kept.save()
    return asked.is_set() and not any(isinstance(outcome, BaseException) for outcome in outcomes)


def _server(app: ASGIApp, host: str, port: int, settings: Settings) -> _Server:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level=settings.log_level,
        timeout_graceful_shutdown=_DRAIN_S,
        server_header=False,
        date_header=False,
        backlog=4096,
    )
    return _Server(config)
