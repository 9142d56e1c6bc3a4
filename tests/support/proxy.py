"""A TCP proxy on loopback whose network can be made bad in the ways that networks are, and good again."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeVar, assert_never

T = TypeVar("T")
CHUNK: Final = 65_536
SLOW_CHUNK: Final = 1_024
CALL_DEADLINE_S: Final = 10.0
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
Direction = Literal["to_server", "to_client"]


@dataclass(frozen=True)
class Cut:
    """Every connection is reset, and new ones at once."""


@dataclass(frozen=True)
class OneWayCut:
    """Nothing comes through in this direction; it comes when the network is good again, as TCP sends anew."""

    direction: Direction = "to_client"


@dataclass(frozen=True)
class Delay:
    """Each piece of data comes so much later."""

    mean_ms: float = 300
    spread_ms: float = 100


@dataclass(frozen=True)
class Resets:
    """This share of the pieces resets its connection instead."""

    share: float = 0.05


@dataclass(frozen=True)
class HalfOpen:
    """Connections are silent both ways, new ones too: the other side is gone and nobody says so. In the end all die."""


@dataclass(frozen=True)
class Slow:
    """So many bytes a second in each direction of a connection."""

    bytes_per_s: int = 10_000


NetworkFault = Cut | OneWayCut | Delay | Resets | HalfOpen | Slow


class _Connection:
    """The two sockets of one connection and what it has been through."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = list(writers)
        self.was_silent = False

    def reset(self) -> None:
        """End both sides with a TCP reset."""
        for writer in self.writers:
            with contextlib.suppress(OSError):
                raw: Any = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()


class Proxy:
    """Listens on `port` and connects to `target`, both on loopback. Used from a thread without an event loop."""

    def __init__(self, port: int, target: int, *, seed: int = 1) -> None:
        self.port = port
        self._target = target
        self._draw = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-{port}", daemon=True)
        self._fault: NetworkFault | None = None
        self._changed = asyncio.Event()
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.hit = 0
        """Connections or pieces of data that a fault has touched."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_DEADLINE_S)
        self._loop.close()

    @contextmanager
    def bad(self, fault: NetworkFault) -> Iterator[None]:
        """The network is bad until the end of the block."""
        self._call(self._set(fault))
        try:
            yield
        finally:
            self._call(self._set(None))

    def _call(self, step: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(CALL_DEADLINE_S)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._open):
            connection.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _set(self, fault: NetworkFault | None) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        doomed = [c for c in self._open if isinstance(fault, Cut) or (fault is None and c.was_silent)]
        self.hit += len(doomed)
        for connection in doomed:
            connection.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(writer)
        self._open.add(connection)
        try:
            await self._serve(connection, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # an end that this proxy is made for
        finally:
            connection.reset()
            self._open.discard(connection)
            self._tasks.discard(task)

    async def _serve(self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._fault, Cut):
            self.hit += 1
            return
        await self._while(lambda: isinstance(self._fault, HalfOpen), connection)
        if connection.was_silent:
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        connection.writers.append(far_writer)
        pumps = [
            asyncio.ensure_future(self._pump(connection, reader, far_writer, "to_server")),
            asyncio.ensure_future(self._pump(connection, far_reader, writer, "to_client")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction
    ) -> None:
        """Carry one direction until its end."""
        while data := await reader.read(CHUNK):
            await self._while(lambda: isinstance(self._fault, HalfOpen), connection)
            await self._while(lambda: isinstance(self._fault, OneWayCut) and self._fault.direction == way)
            if not await self._carried(connection, data, writer):
                return

    async def _carried(self, connection: _Connection, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Write one piece as the network of the moment does; False when it ended the connection."""
        match self._fault:
            case Delay(mean_ms=mean_ms, spread_ms=spread_ms):
                self.hit += 1
                await asyncio.sleep((mean_ms + spread_ms * self._draw.uniform(-1, 1)) / 1000)
            case Resets(share=share) if self._draw.random() < share:
                self.hit += 1
                connection.reset()
                return False
            case Slow(bytes_per_s=bytes_per_s):
                self.hit += 1
                return await self._trickled(data, writer, bytes_per_s)
            case None | Cut() | OneWayCut() | HalfOpen() | Resets():
                pass
            case _ as never:
                assert_never(never)
        writer.write(data)
        await writer.drain()
        return True

    async def _trickled(self, data: bytes, writer: asyncio.StreamWriter, bytes_per_s: int) -> bool:
        for start in range(0, len(data), SLOW_CHUNK):
            piece = data[start : start + SLOW_CHUNK]
            if isinstance(self._fault, Slow):
                await asyncio.sleep(len(piece) / bytes_per_s)
            writer.write(piece)
            await writer.drain()
        return True

    async def _while(self, holds: Callable[[], bool], silenced: _Connection | None = None) -> None:
        """Wait as long as the network is bad in this way."""
        while holds():
            self.hit += 1
            if silenced is not None:
                silenced.was_silent = True
            await self._changed.wait()
