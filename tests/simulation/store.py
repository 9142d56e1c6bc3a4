"""The database client of one process, as far as the product uses one: collections over a simulated replica set.

The product's own stores run over it unchanged; their filters, updates and concerns are carried out as they are written.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import ReturnDocument, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, WTimeoutError
from pymongo.read_concern import ReadConcern
from pymongo.results import BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult
from sync_runtime.mongo import CLIENT

from tests.simulation.cursor import Cursor
from tests.simulation.documents import Document, matches, named, projected, stored
from tests.simulation.driver import Answer, Driver
from tests.simulation.network import Process, Reply, Simulation
from tests.simulation.primary import Primary
from tests.simulation.replica import Replica
from tests.simulation.updates import Update, updated, upserted

T = TypeVar("T")
DUPLICATE_KEY = 11000
NOT_CONFIRMED: dict[str, Any] = {"code": 50, "codeName": "MaxTimeMSExpired", "errmsg": "operation exceeded time limit"}
"""Of a write that was carried out and that no majority had within the client's time."""


class SimulatedDatabase:
    """What `motor`'s database gives the product."""

    def __init__(self, sim: Simulation, replica: Replica, process: Process) -> None:
        self._sim = sim
        self._driver = Driver(sim, replica, process)

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
            self._driver,
            name=name,
            read=read_concern or ReadConcern(CLIENT["readConcernLevel"]),
            write=write_concern or WriteConcern(CLIENT["w"]),
        )


class SimulatedCollection:
    """What `motor`'s collection gives the product."""

    def __init__(self, sim: Simulation, driver: Driver, *, name: str, read: ReadConcern, write: WriteConcern) -> None:
        self._sim = sim
        self._driver = driver
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
        return SimulatedCollection(self._sim, self._driver, name=self.name, read=read, write=write)

    def find(self, query: Mapping[str, Any] | None = None, projection: Any = None) -> "Cursor":
        """A cursor; nothing is asked before it is read."""
        return Cursor(lambda: self.read_all(query or {}), projection)

    def aggregate(self, stages: Sequence[Mapping[str, Any]], **_options: object) -> "Cursor":
        """`$match` first, then `$set`; or `$group` by one field alone."""
        first, *rest = stages

        async def groups() -> list[Document]:
            field = first["$group"]["_id"].removeprefix("$")
            found = await self.read_all({})
            return [{"_id": value} for value in dict.fromkeys(document[field] for document in found)]

        if first.keys() == {"$group"} and first["$group"].keys() == {"_id"} and not rest:
            return Cursor(groups, None)

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

        level = self._read.level

        def execute(primary: Primary, reply: Reply[list[Document]]) -> None:
            found = self._found(primary, query, durable=level != "local")
            if level == "linearizable":
                primary.confirm(reply, self._found(primary, query, durable=False), self._driver.name)
            else:
                reply.answer(found)

        return await self._driver.read(f"find {self.name}", execute)

    async def insert_one(self, document: Mapping[str, Any]) -> InsertOneResult:
        """Insert; raises `DuplicateKeyError`."""
        kept = stored(document)
        await self._written("insert", lambda primary: self._insert(primary, kept))
        return InsertOneResult(kept["_id"], acknowledged=True)

    async def insert_many(self, documents: Iterable[Mapping[str, Any]], *, ordered: bool = True) -> InsertManyResult:  # noqa: ARG002
        """Insert all; documents without an id get one."""
        kept = [stored(document) for document in documents]

        def insert(primary: Primary) -> None:
            for document in kept:
                self._insert(primary, {"_id": f"{self.name}-{primary.optime}", **document})

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
        raw = await self._written("update", lambda primary: self._update(primary, query, update, upsert, array_filters))
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

        def change(primary: Primary) -> Document | None:
            before = self._first(primary, query)
            raw = self._update(primary, query, update, upsert, ())
            after = primary.local(self.name).get(raw.get("upserted") or (before or {}).get("_id"))
            return after if return_document == ReturnDocument.AFTER else before

        found = await self._written("findAndModify", change)
        return None if found is None else projected(found, projection)

    async def bulk_write(self, writes: Sequence[UpdateOne], *, ordered: bool = True) -> BulkWriteResult:
        """Carry out updates; raises `BulkWriteError` with what met a key that is taken."""

        def change(primary: Primary) -> dict[str, Any]:
            result: dict[str, Any] = {"nMatched": 0, "nModified": 0, "nUpserted": 0, "writeErrors": []}
            for index, write in enumerate(writes):
                options = write._upsert or False, write._array_filters or ()
                try:
                    raw = self._update(primary, write._filter, write._doc, *options)
                except DuplicateKeyError as taken:
                    self._sim.guards[f"{self.name}: write refused"] += 1
                    result["writeErrors"].append({"index": index, **(taken.details or {})})
                    if ordered:
                        break
                else:
                    result["nMatched"] += raw["n"]
                    result["nModified"] += raw["nModified"]
            return result

        answer = await self._asked("update", change)
        result = answer.outcome
        unconfirmed = [] if answer.durable else [NOT_CONFIRMED]
        if result["writeErrors"] or unconfirmed:
            raise BulkWriteError({**result, "writeConcernErrors": unconfirmed})
        return BulkWriteResult(result, acknowledged=True)

    async def delete_many(self, query: Mapping[str, Any]) -> DeleteResult:
        """Remove all matches."""

        def change(primary: Primary) -> int:
            found = self._found(primary, query, durable=False)
            for document in found:
                primary.put(self.name, document["_id"], None, self._driver.name)
            return len(found)

        return DeleteResult({"n": await self._written("delete", change, again=False)}, acknowledged=True)

    async def _written(self, what: str, change: Callable[[Primary], T], *, again: bool = True) -> T:
        """What came of one write. A refusal is an answer whether or not a majority has what refused it."""

        def judged(primary: Primary) -> T | DuplicateKeyError:
            try:
                return change(primary)
            except DuplicateKeyError as taken:
                return taken

        answer = await self._asked(what, judged, again=again)
        if isinstance(answer.outcome, DuplicateKeyError):
            raise answer.outcome
        if not answer.durable:
            raise WTimeoutError(NOT_CONFIRMED["errmsg"], NOT_CONFIRMED["code"], NOT_CONFIRMED)
        return answer.outcome

    async def _asked(self, what: str, change: Callable[[Primary], T], *, again: bool = True) -> Answer[T]:
        durably = self._write.document.get("w") == "majority"
        return await self._driver.write(f"{what} {self.name}", change, durably=durably, again=again)

    def _found(self, primary: Primary, query: Mapping[str, Any], *, durable: bool) -> list[Document]:
        images, now = primary.majority(self.name) if durable else primary.local(self.name), self._sim.now()
        found = [document for document in named(images, query) if matches(document, query, now)]
        if not durable:
            for document in found:
                primary.sees(self.name, document["_id"])
        return found

    def _first(self, primary: Primary, query: Mapping[str, Any]) -> Document | None:
        now = self._sim.now()
        candidates = named(primary.local(self.name), query)
        return next((document for document in candidates if matches(document, query, now)), None)

    def _insert(self, primary: Primary, document: Document) -> None:
        if document["_id"] in primary.local(self.name):
            primary.sees(self.name, document["_id"])
            raise _taken({"_id": 1})
        self._put(primary, document)

    def _put(self, primary: Primary, document: Document) -> None:
        if taken := primary.taken(self.name, document):
            primary.sees(self.name, taken[1])
            raise _taken(dict(taken[0].keys))
        primary.put(self.name, document["_id"], document, self._driver.name)

    def _update(
        self,
        primary: Primary,
        query: Mapping[str, Any],
        update: Update,
        upsert: bool,
        array_filters: Sequence[Mapping[str, Any]],
    ) -> dict[str, Any]:
        before, now = self._first(primary, query), self._sim.now()
        if before is None:
            if not upsert:
                self._sim.guards[refused_by(self.name, query)] += 1
                primary.sees(self.name, query.get("_id"))
                return {"n": 0, "nModified": 0}
            fresh = upserted(query, update, now)
            self._insert(primary, fresh)
            return {"n": 0, "nModified": 0, "upserted": fresh["_id"]}
        after = updated(before, update, now, array_filters=array_filters)
        if array_filters and before != {**after, "rev": before["rev"]}:
            self._sim.guards["selection removed early"] += 1
        if after is before:
            return {"n": 1, "nModified": 0}
        self._put(primary, after)
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


def _taken(pattern: dict[str, Any]) -> DuplicateKeyError:
    return DuplicateKeyError("E11000 duplicate key", DUPLICATE_KEY, {"keyPattern": pattern, "code": DUPLICATE_KEY})
