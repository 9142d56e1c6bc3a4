"""A process's way to the primary, as the database's driver goes it: it asks again until its time is over, or gives up.

The real driver with `timeoutMS` and `retryWrites` always goes on until then; here a draw ends it earlier now and then.
What is asked again carries the number of the first time, by which the primary carries out each write once.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final, Generic, TypeVar

from msgspec import Struct
from pymongo.errors import AutoReconnect, NotPrimaryError

from tests.simulation.documents import MISSING
from tests.simulation.network import GIVE_UP_S, Link, Lost, Process, Reply, Simulation
from tests.simulation.primary import Primary
from tests.simulation.replica import Replica

T = TypeVar("T")
Execute = Callable[[Primary, Reply[T]], None]

ASKS_AGAIN: Final = 0.7
"""Chance that the driver asks again; an assumption that keeps errors frequent."""
PAUSE_S: Final = 0.5
"""Longest time until it asks again."""
ANSWERS_BEFORE_S: Final = 0.003
"""How much earlier than its client the server gives up waiting for a majority."""
NUMBERS: Final = count(1)
"""Of operations; no two have the same."""


class Answer(Struct, Generic[T], frozen=True):
    """What came of a write; whether a majority has it, or the time to wait for one was over."""

    outcome: T
    durable: bool = True


class Driver:
    """The database client of one process. Raises `AutoReconnect` or `NotPrimaryError`."""

    def __init__(self, sim: Simulation, replica: Replica, process: Process) -> None:
        self._sim = sim
        self._replica = replica
        self._link = Link(sim, process, "mongo")
        self.name = process.name

    async def read(self, what: str, execute: Execute[T]) -> T:
        """Ask what may be asked again."""
        return await self._ask(what, execute, again=True)

    async def write(self, what: str, change: Callable[[Primary], T], *, durably: bool, again: bool = True) -> Answer[T]:
        """Let the primary carry out a change. `durably`: answered when a majority has everything up to then.

        That wait is for a change that was refused or without effect too, as it may rest on what is not durable.
        """
        number = next(NUMBERS)
        ends_at = self._sim.loop.time() + GIVE_UP_S

        def execute(primary: Primary, reply: Reply[Answer[T]]) -> None:
            outcome = primary.outcome(number)
            if outcome is MISSING:
                outcome = change(primary)
                primary.note(number, outcome)
            if not durably:
                reply.answer(Answer(outcome))
                return
            primary.when_durable(reply, Answer(outcome))
            left_s = ends_at - self._sim.loop.time() - ANSWERS_BEFORE_S
            self._sim.loop.in_world(left_s, reply.answer, Answer(outcome, durable=False))

        return await self._ask(what, execute, again=again)

    async def _ask(self, what: str, execute: Execute[T], *, again: bool) -> T:
        def at_server(reply: Reply[T]) -> None:
            self._sim.trace(f"{self.name} {what}")
            primary = self._replica.primary_of(self.name)
            if primary is None:
                reply.refuse(NotPrimaryError("an election goes on"))
            else:
                execute(primary, reply)

        loop, rng = self._sim.loop, self._sim.rng
        ends_at = loop.time() + GIVE_UP_S
        while True:
            try:
                return await self._link.ask(at_server, give_up_s=max(0.0, ends_at - loop.time()))
            except (Lost, NotPrimaryError) as error:
                pause_s = rng.random() * PAUSE_S
                if not again or loop.time() + pause_s >= ends_at or rng.random() >= ASKS_AGAIN:
                    raise AutoReconnect("connection lost") if isinstance(error, Lost) else error from None
            await asyncio.sleep(pause_s)
