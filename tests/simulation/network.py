"""Processes and their ways to the servers: latency, lost requests, lost answers, cuts. A seed decides each of them."""

import asyncio
import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, Literal, TypeVar

from tests.simulation.loop import Lane, SimulatedLoop

T = TypeVar("T")

Service = Literal["mongo", "kafka", "portal"]
SERVICES: Final[tuple[Service, ...]] = ("mongo", "kafka", "portal")
QUICK_S: Final = 0.002
"""Usual time of one way; drawn between nothing and twice of it."""
SLOW_S: Final = (0.05, 0.5, 4.0, 9.0)
"""A slow way takes up to one of these."""
LATE_S: Final = 15.0
"""Longest way of a request that is under way when its sender has long given up."""
GIVE_UP_S: Final = 10.0
"""`timeoutMS` of the database client; the other clients have similar limits."""
TRACE_KEPT: Final = 400


class Lost(Exception):
    """No answer came; whether the request had its effect is not known."""


class Process:
    """One program as the world sees it. A dead one has no effect any more; a stopped one goes on later."""

    def __init__(self, name: str, role: str, start: int = 0) -> None:
        self.name = name
        self.draws = f"{name} {start}"
        """Names what its own randomness is drawn from: no two starts under one name draw the same."""
        self.role = role
        self.lane = Lane(name)
        self.alive = True
        self.skew_ms = 0
        self.cut_until: dict[Service, float] = {}

    @property
    def stopped(self) -> bool:
        """Whether it is stopped by a signal."""
        return self.lane.stopped


class Weather:
    """How bad the network is now: chances per request."""

    def __init__(self) -> None:
        self.lost = 0.0
        self.slow = 0.0
        self.late = 0.0


class Simulation:
    """Loop, randomness, counters and trace that all doubles share."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.loop = SimulatedLoop(seed)
        self.rng = random.Random(f"world {seed}")
        self.weather = Weather()
        self.faults: Counter[str] = Counter()
        self.guards: Counter[str] = Counter()
        self.violations: list[str] = []
        self.recent: deque[str] = deque(maxlen=TRACE_KEPT)
        self._hash = hashlib.sha256()

    def trace(self, line: str) -> None:
        """Note what happened; the digest of all lines is the same in every run of a seed."""
        entry = f"{self.loop.time() - 1_800_000_000:.4f} {line}"
        self.recent.append(entry)
        self._hash.update(entry.encode())

    @property
    def digest(self) -> str:
        """Of everything that happened so far."""
        return self._hash.hexdigest()[:16]

    def broken(self, sentence: str) -> None:
        """A promise is broken."""
        self.trace(f"BROKEN {sentence}")
        self.violations.append(sentence)

    def now_ms(self, process: Process | None = None) -> int:
        """Epoch milliseconds by the clock of a process, or by the true one."""
        return int(self.loop.time() * 1000) + (process.skew_ms if process else 0)

    def now(self, process: Process | None = None) -> datetime:
        """The same as an aware time."""
        return datetime.fromtimestamp(self.now_ms(process) / 1000, UTC)


class Reply(Generic[T]):
    """The answer to one request, on its way back."""

    __slots__ = ("_back_s", "_future", "_lost", "_sim")

    def __init__(self, sim: Simulation, future: "asyncio.Future[T]", back_s: float, *, lost: bool) -> None:
        self._sim = sim
        self._future = future
        self._back_s = back_s
        self._lost = lost

    def answer(self, value: T) -> None:
        """The request had its effect."""
        if not self._lost:
            self._sim.loop.in_world(self._back_s, self._settle, value, None)

    def refuse(self, error: Exception) -> None:
        """The request was refused."""
        if not self._lost:
            self._sim.loop.in_world(self._back_s, self._settle, None, error)

    def _settle(self, value: Any, error: Exception | None) -> None:
        if self._future.done():
            return
        if error is not None:
            self._future.set_exception(error)
        else:
            self._future.set_result(value)


@dataclass
class Fate:
    """What becomes of one request: seconds of each way, and what is lost."""

    out_s: float
    back_s: float
    request_lost: bool = False
    answer_lost: bool = False


Execute = Callable[[Reply[T]], None]


class Link:
    """The way of one process to one service. `ask` may raise `Lost`, with or without an effect."""

    def __init__(self, sim: Simulation, process: Process, service: Service) -> None:
        self._sim = sim
        self.process = process
        self._service = service
        self._last_arrival = 0.0

    async def ask(self, execute: Execute[T], *, in_order: bool = False, give_up_s: float = GIVE_UP_S) -> T:
        """Send a request; `execute` runs at the server. With `in_order` it arrives after all earlier ones."""
        sim, process = self._sim, self.process
        if not process.alive:
            raise asyncio.CancelledError
        future: asyncio.Future[T] = sim.loop.create_future()
        fate = self._fate(may_be_late=in_order or self._service == "mongo")
        if not fate.request_lost:
            arrives = sim.loop.time() + fate.out_s
            if in_order:
                arrives = self._last_arrival = max(arrives, self._last_arrival + 1e-6)
            reply = Reply(sim, future, fate.back_s, lost=fate.answer_lost)
            sim.loop.in_world(arrives - sim.loop.time(), execute, reply)
            if fate.answer_lost:  # the connection breaks, however long the server goes on with the request
                sim.loop.in_world(arrives - sim.loop.time() + fate.back_s, self._fail, future)
        elif self._is_cut():
            sim.faults["partition"] += 1
        else:
            sim.loop.in_world(fate.out_s, self._fail, future)
        expiry = sim.loop.call_later(give_up_s, self._fail, future)
        try:
            return await future
        finally:
            expiry.cancel()

    def _fate(self, *, may_be_late: bool) -> "Fate":
        sim = self._sim
        rng, weather = sim.rng, sim.weather
        fate = Fate(self._one_way(), self._one_way())
        if self._is_cut():
            fate.request_lost, fate.answer_lost = rng.random() < 0.7, True
            return fate
        draw = rng.random()
        if draw < weather.lost:
            fate.request_lost = rng.random() < 0.5
            fate.answer_lost = not fate.request_lost
            sim.faults["lost request" if fate.request_lost else "lost answer"] += 1
        elif draw < weather.lost + weather.slow:
            delay_s = rng.random() * rng.choice(SLOW_S)
            if rng.random() < 0.5:
                fate.out_s += delay_s
            else:
                fate.back_s += delay_s
                sim.faults["late answer"] += 1
        elif may_be_late and draw < weather.lost + weather.slow + weather.late:
            fate.out_s += rng.random() * LATE_S
            sim.faults["late request"] += 1
        return fate

    def _one_way(self) -> float:
        return self._sim.rng.random() * 2 * QUICK_S

    def _is_cut(self) -> bool:
        return self.process.cut_until.get(self._service, 0.0) > self._sim.loop.time()

    def _fail(self, future: "asyncio.Future[T]") -> None:
        if not future.done():
            future.set_exception(Lost())
