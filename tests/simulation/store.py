"""The database client of one process, as far as the product uses one: collections over a simulated replica set.

The product's own stores run over it unchanged; their filters, updates and concerns are carried out as they are written.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import ReturnDocument, UpdateOne, WriteConcern
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError, NotPrimaryError
from pymongo.read_concern import ReadConcern
from pymongo.results import BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult
from sync_contracts.collections import Index
from sync_runtime.mongo import CLIENT

from tests.simulation.documents import Document, matches, projected, stored
from tests.simulation.network import Link, Lost, Process, Reply, Simulation
from tests.simulation.replica import Replica
from tests.simulation.updates import Update, updated, upserted

T = TypeVar("T")
DUPLICATE_KEY = 11000


class Taken(Exception):
    """A unique key is in use."""

    def __init__(self, index: Index | None) -> None:
        super().__init__("duplicate key")
        self.pattern = {"_id": 1} if index is None else dict(index.keys)


class SimulatedDatabase:
    """What `motor`'s database gives the product."""

    def __init__(self, sim: Simulation, replica: Replica, process: Process) -> None:
        self._sim = sim
        self._replica = replica
        self._link = Link(sim, process, "mongo")

    def __getitem__(self, name: str) -> "SimulatedCollection":
        return self.get_collection(name)

    def get_collection(
        self,
        name: str,
        *,
        codec_options: object = None,  # noqa: ARG002 - documents are documents here
        read_concern: ReadConcern | None = None,
        write_concern: WriteConcern | None = None,
    ) -> "SimulatedCollection":
        """A collection with the client's concerns, unless others are named."""
        return SimulatedCollection(
            self._sim,
            self._replica,
            self._link,
            name=name,
            read=read_concern or ReadConcern(CLIENT["readConcernLevel"]),
            write=write_concern or WriteConcern(CLIENT["w"]),
        )


class SimulatedCollection:
    """What `motor`'s collection gives the product."""

    def __init__(
        self, sim: Simulation, replica: Replica, link: Link, *, name: str, read: ReadConcern, write: WriteConcern
    ) -> None:
        self._sim = sim
        self._replica = replica
        self._link = link
        self.name = name
        self._read = read
        self._write = write

    def with_options(
        self,
        *,
        codec_options: object = None,  # noqa: ARG002 - documents are documents here
        read_concern: ReadConcern | None = None,
        write_concern: WriteConcern | None = None,
    ) -> "SimulatedCollection":
        """The same collection with other concerns."""
        read, write = read_concern or self._read, write_concern or self._write
        return SimulatedCollection(self._sim, self._replica, self._link, name=self.name, read=read, write=write)

    def find(self, query: Mapping[str, Any] | None = None, projection: Any = None) -> "Cursor":
        """A cursor; nothing is asked before it is read."""
        return Cursor(lambda: self.read_all(query or {}), projection)

    def aggregate(self, stages: Sequence[Mapping[str, Any]], **_options: object) -> "Cursor":
        """`$match` first, then `$set`."""
        first, *rest = stages

        async def read() -> list[Document]:
            found = await self.read_all(first["$match"])
            return [updated(document, rest, self._sim.now()) for document in found]

        return Cursor(read, None)

    async def find_one(self, query: Mapping[str, Any] | None = None, projection: Any = None) -> Document | None:
        """The first match."""
        found = await self.read_all(query or {})
        return projected(found[0], projection) if found else None

    async def count_documents(self, query: Mapping[str, Any]) -> int:
        """How many match."""
        return len(await self.read_all(query))

    async def read_all(self, query: Mapping[str, Any]) -> list[Document]:
        """Everything that matches, by this collection's read concern."""

        def execute(reply: Reply[list[Document]]) -> None:
            level = self._read.level
            if level == "linearizable":
                self._replica.when_durable(LaterReply(reply, lambda: self._found(query, durable=True)), None)
            else:
                reply.answer(self._found(query, durable=level == "majority"))

        return await self._ask("find", execute)

    async def insert_one(self, document: Mapping[str, Any]) -> InsertOneResult:
        """Insert; raises `DuplicateKeyError`."""
        kept = stored(document)
        await self._written("insert", lambda: self._insert(kept))
        return InsertOneResult(kept["_id"], acknowledged=True)

    async def insert_many(self, documents: Iterable[Mapping[str, Any]], *, ordered: bool = True) -> InsertManyResult:  # noqa: ARG002
        """Insert all; documents without an id get one."""
        kept = [stored(document) for document in documents]

        def insert() -> None:
            for document in kept:
                self._insert({"_id": f"{self.name}-{self._replica.optime}", **document})

        await self._written("insert", insert)
        return InsertManyResult([], acknowledged=True)

    async def update_one(
        self,
        query: Mapping[str, Any],
        update: Update,
        *,
        upsert: bool = False,
        array_filters: Sequence[Mapping[str, Any]] = (),
    ) -> UpdateResult:
        """Change the first match; raises `DuplicateKeyError`."""
        raw = await self._written("update", lambda: self._update(query, update, upsert, array_filters))
        return UpdateResult(raw, acknowledged=True)

    async def find_one_and_update(
        self,
        query: Mapping[str, Any],
        update: Update,
        *,
        projection: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
    ) -> Document | None:
        """Change the first match and return it."""

        def change() -> Document | None:
            before = self._first(query)
            raw = self._update(query, update, upsert, ())
            after = self._replica.local(self.name).get(raw.get("upserted") or (before or {}).get("_id"))
            return after if return_document == ReturnDocument.AFTER else before

        found = await self._written("findAndModify", change)
        return None if found is None else projected(found, projection)

    async def bulk_write(self, writes: Sequence[UpdateOne], *, ordered: bool = True) -> BulkWriteResult:
        """Carry out updates; raises `BulkWriteError` with what met a key that is taken."""

        def change() -> dict[str, Any]:
            result: dict[str, Any] = {"nMatched": 0, "nModified": 0, "nUpserted": 0, "writeErrors": []}
            for index, write in enumerate(writes):
                try:
                    raw = self._update(write._filter, write._doc, write._upsert or False, write._array_filters or ())
                except Taken as taken:
                    self._sim.guards[f"{self.name}: write refused"] += 1
                    error = {"index": index, "code": DUPLICATE_KEY, "keyPattern": taken.pattern}
                    result["writeErrors"].append(error)
                    if ordered:
                        break
                else:
                    result["nMatched"] += raw["n"]
                    result["nModified"] += raw["nModified"]
            return result

        result = await self._written("update", change)
        if result["writeErrors"]:
            raise BulkWriteError({**result, "writeConcernErrors": []})
        return BulkWriteResult(result, acknowledged=True)

    async def delete_many(self, query: Mapping[str, Any]) -> DeleteResult:
        """Remove all matches."""

        def change() -> int:
            found = self._found(query, durable=False)
            for document in found:
                self._replica.put(self.name, document["_id"], None)
            return len(found)

        return DeleteResult({"n": await self._written("delete", change)}, acknowledged=True)

    async def _written(self, what: str, change: Callable[[], T]) -> T:
        def execute(reply: Reply[T]) -> None:
            written = self._replica.optime
            try:
                value = change()
            except Taken as taken:
                details = {"keyPattern": taken.pattern, "code": DUPLICATE_KEY}
                reply.refuse(DuplicateKeyError("E11000 duplicate key", DUPLICATE_KEY, details))
                return
            if self._write.document.get("w") == "majority" and self._replica.optime > written:
                self._replica.when_durable(reply, value)
            else:
                reply.answer(value)

        return await self._ask(what, execute)

    async def _ask(self, what: str, execute: Callable[[Reply[T]], None]) -> T:
        def at_server(reply: Reply[T]) -> None:
            self._sim.trace(f"{self._link.process.name} {what} {self.name}")
            if self._replica.is_away:
                reply.refuse(NotPrimaryError("an election goes on"))
            else:
                execute(reply)

        try:
            return await self._link.ask(at_server)
        except Lost:
            raise AutoReconnect("connection lost") from None

    def _found(self, query: Mapping[str, Any], *, durable: bool) -> list[Document]:
        replica = self._replica
        images = replica.majority(self.name) if durable else replica.local(self.name)
        now = self._sim.now()
        return [document for document in _named(images, query) if matches(document, query, now)]

    def _first(self, query: Mapping[str, Any]) -> Document | None:
        now = self._sim.now()
        named = _named(self._replica.local(self.name), query)
        return next((document for document in named if matches(document, query, now)), None)

    def _insert(self, document: Document) -> None:
        if document["_id"] in self._replica.local(self.name):
            raise Taken(None)
        self._put(document)

    def _put(self, document: Document) -> None:
        if index := self._replica.taken(self.name, document):
            raise Taken(index)
        self._replica.put(self.name, document["_id"], document)

    def _update(
        self, query: Mapping[str, Any], update: Update, upsert: bool, array_filters: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        before, now = self._first(query), self._sim.now()
        if before is None:
            if not upsert:
                self._sim.guards[refused_by(self.name, query)] += 1
                return {"n": 0, "nModified": 0}
            fresh = upserted(query, update, now)
            self._insert(fresh)
            return {"n": 0, "nModified": 0, "upserted": fresh["_id"]}
        after = updated(before, update, now, array_filters=array_filters)
        if array_filters and before != {**after, "rev": before["rev"]}:
            self._sim.guards["selection removed early"] += 1
        if after is before:
            return {"n": 1, "nModified": 0}
        self._put(after)
        return {"n": 1, "nModified": 1}


def refused_by(collection: str, query: Mapping[str, Any]) -> str:
    """What refused a write that matched nothing, by the filter's own words."""
    if "summary.seq" in query:
        return "old summary"
    if collection == "bucket_pages":
        return "page of another version"
    if collection == "buckets" and query.get("status") == "RUNNING" and "round" in query:
        return "wish too late" if "tenant_id" in query else "completion matched nothing"
    return f"{collection}: matched nothing"


class LaterReply(Reply[None]):
    """Answers with what is there when the answer is made."""

    __slots__ = ("_read", "_to")

    def __init__(self, to: Reply[list[Document]], read: Callable[[], list[Document]]) -> None:
        self._to = to
        self._read = read

    def answer(self, value: None) -> None:  # noqa: ARG002
        self._to.answer(self._read())

    def refuse(self, error: Exception) -> None:
        self._to.refuse(error)


class Cursor:
    """A query that is carried out when it is read, as a whole."""

    def __init__(self, read: Callable[[], Any], projection: Any) -> None:
        self._read = read
        self._projection = projection
        self._order: Sequence[tuple[str, int]] = ()
        self._limit = 0

    def sort(self, keys: str | Sequence[tuple[str, int]], direction: int = 1) -> "Cursor":
        """Order the documents."""
        self._order = [(keys, direction)] if isinstance(keys, str) else keys
        return self

    def limit(self, limit: int) -> "Cursor":
        """At most so many documents; 0: all."""
        self._limit = limit
        return self

    def hint(self, _index: object) -> "Cursor":
        """There are no indexes to choose from."""
        return self

    def batch_size(self, _documents: int) -> "Cursor":
        """Everything is one batch."""
        return self

    async def to_list(self, length: int | None) -> list[Document]:
        """The documents."""
        found: list[Document] = await self._read()
        for field, direction in reversed(self._order):
            found = sorted(found, key=lambda document: document.get(field), reverse=direction < 0)  # type: ignore[arg-type, return-value]
        if self._limit:
            found = found[: self._limit]
        if length is not None:
            found = found[:length]
        return [projected(document, self._projection) for document in found]

    async def __aiter__(self) -> AsyncIterator[Document]:
        for document in await self.to_list(None):
            yield document


def _named(images: Mapping[Any, Document], query: Mapping[str, Any]) -> Iterable[Document]:
    """The documents that may match: those whose ids are named, or all."""
    wanted = query.get("_id")
    if isinstance(wanted, str):
        return [images[wanted]] if wanted in images else []
    if isinstance(wanted, Mapping) and "$in" in wanted:
        return [images[one] for one in dict.fromkeys(wanted["$in"]) if one in images]
    return list(images.values())
