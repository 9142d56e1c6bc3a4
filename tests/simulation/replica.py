"""A replica set: its primary, elections, and a primary that was deposed, does not know it yet and still gives answers.

A deposed one answers those who can reach only it: local readers with its own writes, majority readers with what a
majority had when it was cut off. It has no majority to acknowledge, and when it steps down it loses what was
written to it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

from tests.simulation.documents import Document
from tests.simulation.network import Simulation
from tests.simulation.primary import Change, Primary, Sighted, Watcher


class Replica:
    """Documents by collection and id. `watchers` are told of every change that a majority has, in order."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self.watchers: list[Watcher] = []
        self._sighted: list[Sighted] = []
        self.primary = Primary(sim, self.watchers, self._sighted)
        self._deposed: Primary | None = None
        self._left_behind: frozenset[str] = frozenset()
        self._away_until = 0.0

    def primary_of(self, process: str) -> Primary | None:
        """Whom a process takes for the primary; None while an election goes on."""
        if self._deposed is not None and process in self._left_behind:
            return self._deposed
        return None if self._sim.loop.time() < self._away_until else self.primary

    def majority(self, collection: str) -> dict[Any, Document]:
        """What cannot roll back."""
        return self.primary.majority(collection)

    def plant(self, collection: str, documents: Iterable[Document]) -> None:
        """Documents that are there from the beginning."""
        for document in documents:
            self.primary.local(collection)[document["_id"]] = document
            self.primary.majority(collection)[document["_id"]] = document

    def stall(self, seconds: float) -> None:
        """The secondaries fall behind for a while."""
        self.primary.stall(seconds)

    def fail_over(self, *, rolls_back: bool, away_s: float) -> int:
        """A new primary, with or without what only the old one had; returns how many writes are taken back."""
        old = self.primary
        if not rolls_back:
            old.catch_up()
        taken_back = old.unreplicated
        self.primary = old.successor()
        self._away_until = self._sim.loop.time() + away_s
        old.resign()
        return taken_back

    def depose(self, left_behind: Collection[str], *, away_s: float, lasts_s: float) -> int:
        """The primary is cut off with some processes and learns of it later; returns how many writes are doomed."""
        if self._deposed is not None:
            self._step_down(self._deposed)
        old = self._deposed = self.primary
        self._left_behind = frozenset(left_behind)
        self.primary = old.successor()
        self._away_until = self._sim.loop.time() + away_s
        self._sim.loop.in_world(lasts_s, self._step_down, old)
        return old.unreplicated

    def _step_down(self, old: Primary) -> None:
        if self._deposed is old:
            self._deposed = None
            self._sim.faults["write to a deposed primary"] += old.unreplicated
            old.resign()

    async def sighting(self, within_s: float, fits: Callable[[Change], bool]) -> Change | None:
        """The next such write that somebody acts on before a majority has it; None if nobody does within the time."""
        seen: asyncio.Future[Change] = asyncio.get_running_loop().create_future()

        def first(change: Change) -> None:
            if not seen.done() and fits(change):
                seen.set_result(change)

        self._sighted.append(first)
        try:
            return await asyncio.wait_for(seen, within_s)
        except TimeoutError:
            return None
        finally:
            self._sighted.remove(first)
