"""One primary: what it has, what it knows a majority to have, and the writes in between, which may be rolled back."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import NotPrimaryError
from sync_contracts.collections import COLLECTIONS, Index

from tests.simulation.documents import MISSING, Document, found_at, matches
from tests.simulation.network import Reply, Simulation

LAG_S: Final = 0.003
Images = dict[str, dict[Any, Document]]
Watcher = Callable[[str, Any, Document | None, Document | None], None]
Sighted = Callable[["Change"], None]

UNIQUE: Final[Mapping[str, tuple[Index, ...]]] = {
    collection.name: tuple(index for index in collection.indexes if index.unique) for collection in COLLECTIONS
}


@dataclass(frozen=True)
class Change:
    """A write that a majority has not got yet, and whose it is. `after` None: a removal; no collection: a no-op."""

    optime: int
    collection: str
    id: Any
    after: Document | None
    by: str


class Primary:
    """`committed` is told of every change that a majority has, in order; `sighted` of what somebody saw too early."""

    def __init__(self, sim: Simulation, committed: list[Watcher], sighted: list[Sighted]) -> None:
        self._sim = sim
        self._committed = committed
        self._sighted = sighted
        self._local: Images = {}
        self._majority: Images = {}
        self._pending: deque[Change] = deque()
        self._waiting: deque[tuple[int, Reply[Any], Any]] = deque()
        self._outcomes: dict[int, tuple[int, Any]] = {}
        self._stalled_until = 0.0
        self._is_cut_off = False
        self.optime = 0

    @property
    def unreplicated(self) -> int:
        """Writes that would be rolled back if this primary were lost now."""
        return sum(1 for change in self._pending if change.collection)

    def local(self, collection: str) -> dict[Any, Document]:
        """What it has."""
        return self._local.setdefault(collection, {})

    def majority(self, collection: str) -> dict[Any, Document]:
        """What cannot roll back, as far as it knows."""
        return self._majority.setdefault(collection, {})

    def put(self, collection: str, document_id: Any, after: Document | None, by: str) -> None:
        """Write; a majority follows."""
        images = self.local(collection)
        if after is None:
            images.pop(document_id, None)
        else:
            images[document_id] = after
        self._append(collection, document_id, after, by)

    def confirm(self, reply: Reply[Any], value: Any, by: str) -> None:
        """Answer once a majority has acknowledged that this is the primary: a no-op goes round."""
        self._append("", None, None, by)
        self.when_durable(reply, value)

    def when_durable(self, reply: Reply[Any], value: Any) -> None:
        """Answer once a majority has everything written so far."""
        if not self._pending:
            reply.answer(value)
        else:
            self._waiting.append((self.optime, reply, value))

    def stall(self, seconds: float) -> None:
        """The secondaries fall behind for a while."""
        self._stalled_until = self._sim.loop.time() + seconds

    # What the driver asks twice is done once, as with the numbers of retryable writes.

    def outcome(self, operation: int) -> Any:
        """What came of an operation that was carried out before, else MISSING."""
        return self._outcomes.get(operation, (0, MISSING))[1]

    def note(self, operation: int, value: Any) -> None:
        """Keep what came of an operation; it is rolled back with its writes."""
        self._outcomes[operation] = (self.optime, value)

    # The end of its time.

    def successor(self) -> "Primary":
        """A new primary with what a majority has; this one is on its own from now on."""
        new = Primary(self._sim, self._committed, self._sighted)
        new._majority, self._majority = self._majority, {name: dict(images) for name, images in self._majority.items()}
        new._local = {name: dict(images) for name, images in self._majority.items()}
        done = self._pending[0].optime - 1 if self._pending else self.optime
        new._outcomes = {operation: kept for operation, kept in self._outcomes.items() if kept[0] <= done}
        new.optime = self.optime
        self._is_cut_off = True
        return new

    def catch_up(self) -> None:
        """A majority gets everything at once."""
        self._replicated(self.optime, at_once=True)

    def resign(self) -> None:
        """Nobody who waits here gets what he waits for."""
        waiting, self._waiting = self._waiting, deque()
        for _, reply, _ in waiting:
            reply.refuse(NotPrimaryError("a new primary was elected"))

    # What must not be built on.

    def sees(self, collection: str, document_id: Any) -> None:
        """Somebody acts on a document as this primary has it: told if a majority has another one."""
        if self.local(collection).get(document_id) is self.majority(collection).get(document_id):
            return
        change = next(c for c in reversed(self._pending) if (c.collection, c.id) == (collection, document_id))
        for sighted in self._sighted:
            sighted(change)

    def taken(self, collection: str, document: Document) -> tuple[Index, Any] | None:
        """The unique index that forbids this document among the present ones, and the id of the other document."""
        for index in UNIQUE.get(collection, ()):
            if (key := _key(index, document, self._sim)) is None:
                continue
            for other in self.local(collection).values():
                if other["_id"] != document["_id"] and _key(index, other, self._sim) == key:
                    return index, other["_id"]
        return None

    def _append(self, collection: str, document_id: Any, after: Document | None, by: str) -> None:
        self.optime += 1
        self._pending.append(Change(self.optime, collection, document_id, after, by))
        self._sim.loop.in_world(self._sim.rng.random() * 2 * LAG_S, self._replicated, self.optime)

    def _replicated(self, optime: int, *, at_once: bool = False) -> None:
        if self._is_cut_off:
            return
        if (left_s := self._stalled_until - self._sim.loop.time()) > 0 and not at_once:
            self._sim.loop.in_world(left_s + LAG_S, self._replicated, optime)
            return
        while self._pending and self._pending[0].optime <= optime:
            self._commit(self._pending.popleft())
        while self._waiting and self._waiting[0][0] <= optime:
            _, reply, value = self._waiting.popleft()
            reply.answer(value)

    def _commit(self, change: Change) -> None:
        if not change.collection:
            return
        images = self.majority(change.collection)
        before = images.get(change.id)
        if change.after is None:
            images.pop(change.id, None)
        else:
            images[change.id] = change.after
        for committed in self._committed:
            committed(change.collection, change.id, before, change.after)


def _key(index: Index, document: Document, sim: Simulation) -> tuple[Any, ...] | None:
    """The document's key in a unique index, None when a partial one leaves it out."""
    if index.partial is not None and not matches(document, index.partial, sim.now()):
        return None
    return tuple(next(_values(document, field), None) for field, _ in index.keys)


def _values(document: Document, field: str) -> Iterator[Any]:
    return (value for value in found_at(document, field.split(".")) if value is not MISSING)
