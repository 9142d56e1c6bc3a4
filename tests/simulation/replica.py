"""A replica set: what the primary has, what a majority has, and the writes between them that a fail-over rolls back."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import NotPrimaryError
from sync_contracts.collections import COLLECTIONS, Index

from tests.simulation.documents import MISSING, Document, found_at, matches
from tests.simulation.network import Reply, Simulation

LAG_S: Final = 0.003
Images = dict[str, dict[Any, Document]]
Watcher = Callable[[str, Any, Document | None, Document | None], None]

UNIQUE: Final[Mapping[str, tuple[Index, ...]]] = {
    collection.name: tuple(index for index in collection.indexes if index.unique) for collection in COLLECTIONS
}


@dataclass(frozen=True)
class Change:
    """A write that a majority has not got yet; `after` None is a removal."""

    optime: int
    collection: str
    id: Any
    after: Document | None


class Replica:
    """Documents by collection and id. `watch` is told of every change that a majority has, in order."""

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._local: Images = {}
        self._majority: Images = {}
        self._pending: deque[Change] = deque()
        self._waiting: deque[tuple[int, Reply[Any], Any]] = deque()
        self.optime = 0
        self._term = 0
        self._stalled_until = 0.0
        self._away_until = 0.0
        self.watchers: list[Watcher] = []

    @property
    def is_away(self) -> bool:
        """Whether an election goes on."""
        return self._sim.loop.time() < self._away_until

    @property
    def unreplicated(self) -> int:
        """Writes that a fail-over would take back."""
        return len(self._pending)

    def local(self, collection: str) -> dict[Any, Document]:
        """What the primary has."""
        return self._local.setdefault(collection, {})

    def majority(self, collection: str) -> dict[Any, Document]:
        """What cannot roll back."""
        return self._majority.setdefault(collection, {})

    def plant(self, collection: str, documents: Iterable[Document]) -> None:
        """Documents that are there from the beginning."""
        for document in documents:
            self.local(collection)[document["_id"]] = document
            self.majority(collection)[document["_id"]] = document

    def put(self, collection: str, document_id: Any, after: Document | None) -> None:
        """The primary writes; a majority follows."""
        images = self.local(collection)
        if after is None:
            images.pop(document_id, None)
        else:
            images[document_id] = after
        self.optime += 1
        self._pending.append(Change(self.optime, collection, document_id, after))
        lag_s = self._sim.rng.random() * 2 * LAG_S
        stalled_s = max(0.0, self._stalled_until - self._sim.loop.time())
        self._sim.loop.in_world(stalled_s + lag_s, self._replicated, self.optime, self._term)

    def when_durable(self, reply: Reply[Any], value: Any) -> None:
        """Answer once a majority has everything written so far."""
        if not self._pending:
            reply.answer(value)
        else:
            self._waiting.append((self.optime, reply, value))

    def stall(self, seconds: float) -> None:
        """The secondaries fall behind for a while."""
        self._stalled_until = self._sim.loop.time() + seconds

    def fail_over(self, *, rolls_back: bool, away_s: float) -> int:
        """A new primary, with or without what only the old one had; returns how many writes are taken back."""
        taken_back = len(self._pending) if rolls_back else 0
        if rolls_back:
            for change in self._pending:
                self._restore(change.collection, change.id)
            self._pending.clear()
        else:
            self._replicated(self.optime, self._term)
        self._term += 1
        self._stalled_until = 0.0
        self._away_until = self._sim.loop.time() + away_s
        waiting, self._waiting = self._waiting, deque()
        for _, reply, _ in waiting:
            reply.refuse(NotPrimaryError("a new primary was elected"))
        return taken_back

    def taken(self, collection: str, document: Document) -> Index | None:
        """The unique index that forbids this document among the present ones."""
        for index in UNIQUE.get(collection, ()):
            if (key := _key(index, document, self._sim)) is None:
                continue
            for other in self.local(collection).values():
                if other["_id"] != document["_id"] and _key(index, other, self._sim) == key:
                    return index
        return None

    def _restore(self, collection: str, document_id: Any) -> None:
        durable = self.majority(collection).get(document_id)
        if durable is None:
            self.local(collection).pop(document_id, None)
        else:
            self.local(collection)[document_id] = durable

    def _replicated(self, optime: int, term: int) -> None:
        if term != self._term:
            return
        while self._pending and self._pending[0].optime <= optime:
            self._commit(self._pending.popleft())
        while self._waiting and self._waiting[0][0] <= optime:
            _, reply, value = self._waiting.popleft()
            reply.answer(value)

    def _commit(self, change: Change) -> None:
        images = self.majority(change.collection)
        before = images.get(change.id)
        if change.after is None:
            images.pop(change.id, None)
        else:
            images[change.id] = change.after
        for watch in self.watchers:
            watch(change.collection, change.id, before, change.after)


def _key(index: Index, document: Document, sim: Simulation) -> tuple[Any, ...] | None:
    """The document's key in a unique index, None when a partial one leaves it out."""
    if index.partial is not None and not matches(document, index.partial, sim.now()):
        return None
    return tuple(next(_values(document, field), None) for field, _ in index.keys)


def _values(document: Document, field: str) -> Iterator[Any]:
    return (value for value in found_at(document, field.split(".")) if value is not MISSING)
