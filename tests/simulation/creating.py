"""Starts of buckets by several API processes at once, and the janitor a day later: pages first, the bucket last.

Callers repeat a key until they are answered, some with another body; the list of clients changes between two tries;
API processes die between any two steps; the primary is lost when somebody has seen what only it has.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

from bucket_api.access.store import AccessStore
from bucket_api.buckets.creation import BucketCreation, Reused, Start
from bucket_api.buckets.janitor import ORPHAN_AGE, Janitor
from bucket_api.buckets.planning import Period
from bucket_api.buckets.selection import Selection
from bucket_api.buckets.store import BucketStore
from bucket_api.refusal import Refusal
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors
from pymongo.errors import PyMongoError
from sync_contracts.buckets import digest
from sync_contracts.catalogue import Module
from sync_runtime.vault import KeyEncryptionKeys

from tests.component.api.firm import client_document, credential_document
from tests.simulation.documents import Document
from tests.simulation.log import as_any
from tests.simulation.network import Process, Simulation
from tests.simulation.primary import Change
from tests.simulation.replica import Replica
from tests.simulation.store import SimulatedDatabase

TENANT: Final = TenantScope("t_one")
KEYS: Final = KeyEncryptionKeys({1: bytes(range(32))})
CLIENTS: Final = 103
"""Two pages."""
PROCESSES: Final = 3
BURSTS: Final = 6
BURST_S: Final = 40.0
TRIES: Final = 12
REQUEST_S: Final = 60.0
"""An API process stops a request then."""


class Creations:
    """One run. `lists`: every list of clients that a filter has given, in plan order."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.rng = random.Random(f"creations {sim.seed}")
        self.replica = Replica(sim)
        self.lists: list[tuple[str, ...]] = []
        self._answered: dict[tuple[str, str], str] = {}
        self._spare = CLIENTS
        clients = [client_document(TENANT.tenant_id, n) for n in range(1, CLIENTS + 1)]
        self.replica.plant("clients", clients)
        self.replica.plant("credentials", [credential_document(TENANT.tenant_id, one["_id"]) for one in clients])
        self._remember_list()
        self.replica.watchers.append(self._durable)

    async def run(self) -> None:
        """Bursts of starts, a day apart, with the janitor at work; in the end nothing is left over."""
        for burst in range(1, BURSTS + 1):
            weather = self.sim.weather
            weather.lost, weather.slow = self.rng.choice((0.0, 0.02)), self.rng.choice((0.0, 0.2))
            callers = [self._caller(f"k{n}", self.rng.choice("AAB")) for n in (burst, burst, burst, burst, -burst)]
            await asyncio.gather(*callers, self._faults(), self._sweep_now_and_then())
            weather.lost = weather.slow = 0.0
            await asyncio.sleep(ORPHAN_AGE.total_seconds() - self.rng.random() * 2 * BURST_S)
        await asyncio.sleep(2 * ORPHAN_AGE.total_seconds())
        await self._janitor().sweep()
        await asyncio.sleep(1.0)
        self._nothing_is_left_over()

    # Who acts.

    async def _caller(self, key: str, body: str) -> None:
        """Posts until it is answered; each try is another process's, which may die in the middle of it."""
        await asyncio.sleep(self.rng.random() * self.rng.choice((0.05, 2.0, BURST_S)))
        for _ in range(TRIES):
            process = Process(f"api-{self.rng.randrange(PROCESSES)}", "api")
            task = self.sim.loop.create_task(self._post(process, key, body), context=process.lane.context.copy())
            if self.rng.random() < 0.5:
                self.sim.loop.in_world(self.rng.random() * 0.05, self._kill, process, task)
            await asyncio.wait([task], timeout=REQUEST_S)
            task.cancel()
            if not task.cancelled() and task.done() and task.result():
                return
            await asyncio.sleep(self.rng.random() * self.rng.choice((0.1, 3.0)))

    def _kill(self, process: Process, task: "asyncio.Task[bool]") -> None:
        if not task.done():
            self.sim.faults["crash api"] += 1
            process.alive = False
            self.sim.loop.cancel_lane(process.lane)

    async def _post(self, process: Process, key: str, body: str) -> bool:
        """Whether the caller was answered for good."""
        database = as_any(SimulatedDatabase(self.sim, self.replica, process))
        parts = BucketStore(database), AccessStore(database), Encryptors(database, KEYS)
        creation = BucketCreation(database, *parts, lambda: self.sim.now(process), watch_until=lambda *_: None)
        try:
            made = await creation.start(TENANT, _start(key, body))
        except (PyMongoError, ConnectionError):  # answered 503: posted again
            return False
        except Refusal as refusal:
            self.sim.guards[f"start refused: {refusal.code}"] += 1
            self._refused(key, body, refusal)
            return refusal.code != "idempotency_in_progress"
        self.sim.guards[f"start answered: {type(made).__name__}"] += 1
        self._accepted(key, body, made.bucket["_id"], opened=isinstance(made, Reused))
        return True

    async def _faults(self) -> None:
        """Lists that change, fail-overs, most of them after a sighting."""
        ends_at = self.sim.loop.time() + BURST_S
        while self.sim.loop.time() < ends_at:
            await asyncio.sleep(self.rng.expovariate(1 / 2.0))
            draw = self.rng.random()
            if draw < 0.3:
                self._change_list()
            elif draw < 0.4:
                self.replica.fail_over(rolls_back=True, away_s=self.rng.random())
            elif draw < 0.5:
                left_behind = [f"api-{n}" for n in range(PROCESSES) if self.rng.random() < 0.5]
                self.replica.depose(left_behind, away_s=0.2, lasts_s=self.rng.random() * 8)
            else:
                await self._betray()

    async def _betray(self) -> None:
        self.replica.stall(12.0)
        seen = await self.replica.sighting(self.rng.choice((1.0, 9.0)), _of_a_bucket)
        await asyncio.sleep(self.rng.choice((0.0, 0.01, 0.5)) * self.rng.random())
        self.sim.faults["start: fail-over after a sighting"] += seen is not None
        self.sim.faults["start: write rolled back"] += self.replica.fail_over(rolls_back=True, away_s=0.0)

    def _change_list(self) -> None:
        """One client leaves, another one comes."""
        self.sim.faults["start: another list"] += 1
        gone = self.rng.choice(sorted(self.replica.majority("clients")))
        for images in (self.replica.majority("clients"), self.replica.primary.local("clients")):
            images.pop(gone, None)
        self._spare += 1
        client = client_document(TENANT.tenant_id, self._spare, name=f"Client {self.rng.randrange(99):05d}b")
        self.replica.plant("clients", [client])
        self.replica.plant("credentials", [credential_document(TENANT.tenant_id, client["_id"])])
        self._remember_list()

    async def _sweep_now_and_then(self) -> None:
        for _ in range(4):
            await asyncio.sleep(self.rng.random() * BURST_S / 4)
            try:
                self.sim.guards["orphan page swept"] += (await self._janitor().sweep()).orphan_pages
            except PyMongoError:
                self.sim.guards["sweep failed"] += 1

    def _janitor(self) -> Janitor:
        process = Process("api-0", "api")
        return Janitor(as_any(SimulatedDatabase(self.sim, self.replica, process)), lambda: self.sim.now(process))

    # What must be true.

    def _remember_list(self) -> None:
        clients = sorted(self.replica.majority("clients").values(), key=lambda one: (one["name"], one["_id"]))
        self.lists.append(tuple(client["_id"] for client in clients))

    def _accepted(self, key: str, body: str, bucket: str, *, opened: bool) -> None:
        """C2, C6: what was answered is durable, and the same for every repetition."""
        if bucket not in self.replica.majority("buckets"):
            self.sim.broken(f"C2 {key} {body}: answered with {bucket}, which no majority has")
        first = self._answered.setdefault((key, body), bucket)
        if first != bucket and not opened:
            self.sim.broken(f"C6 {key} {body}: answered with {first}, then with {bucket}")

    def _refused(self, key: str, body: str, refusal: Refusal) -> None:
        """C5: a repetition is never taken for another body, unless its caller used the key for another one as well."""
        if refusal.code not in ("idempotency_key_reused", "idempotency_in_progress"):
            self.sim.broken(f"C5 {key} {body}: refused as {refusal.code}")
        buckets = self.replica.majority("buckets").values()
        shas = {also["sha"] for bucket in buckets for also in bucket["also_keys"] if also["key"] == key}
        shas |= {bucket["req_sha256"] for bucket in buckets if bucket["idem_key"] == key}
        if refusal.code == "idempotency_key_reused" and shas == {digest(_start(key, body).body)}:
            self.sim.broken(f"C5 {key} {body}: its own repetition was refused")

    def _durable(self, collection: str, document_id: Any, _before: Document | None, after: Document | None) -> None:
        """C1, C4: one bucket per key; whatever can be seen is complete and of one list."""
        if collection == "buckets" and after is not None:
            self._is_whole(after)
            buckets = self.replica.majority("buckets").values()
            if len({bucket["idem_key"] for bucket in buckets}) != len(buckets):
                self.sim.broken("C1 two buckets have one key")
        if collection == "bucket_pages" and after is None:
            bucket = self.replica.majority("buckets").get(document_id.rpartition(":")[0])
            if bucket is not None:
                self.sim.broken(f"C4 {document_id} is gone, its bucket is there")

    def _is_whole(self, bucket: Document) -> None:
        pages = sorted(self._pages_of(bucket["_id"]), key=lambda page: page["p"])
        clients = tuple(client["id"] for page in pages for client in page["c"])
        if [page["p"] for page in pages] != list(range(bucket["n_pages"])) or clients not in self.lists:
            self.sim.broken(f"C4 {bucket['_id']}: {len(pages)} of {bucket['n_pages']} pages, or of two lists")

    def _pages_of(self, bucket: str) -> Sequence[Document]:
        return [page for page in self.replica.majority("bucket_pages").values() if page["b"] == bucket]

    def _nothing_is_left_over(self) -> None:
        """C7."""
        buckets = self.replica.majority("buckets")
        orphans = {page["b"] for page in self.replica.majority("bucket_pages").values()} - buckets.keys()
        if orphans:
            self.sim.broken(f"C7 pages without a bucket stay: {sorted(orphans)}")


def _of_a_bucket(change: Change) -> bool:
    return change.collection in ("buckets", "bucket_pages")


def _start(key: str, body: str) -> Start:
    asked: dict[str, Any] = {"selection": {"all": True}, "presets": [], "modules": ["gstr2b"], "period": {}}
    return Start(
        key=key,
        body={"all": True, "kind": body},
        asked={**asked, "options": {}},
        selection=Selection(everyone=True),
        modules=(Module.GSTR2B, Module.NOTICES),
        period=Period(),
        options={"force": body == "B"},
        name=None,
        note=None,
        by="us_x",
        by_name=None,
        trace=None,
    )


def simulate_creations(seed: int) -> Simulation:
    """What came of the starts of a seed."""
    sim = Simulation(seed)
    creations = Creations(sim)
    try:
        sim.loop.run(creations.run())
    finally:
        sim.loop.cancel_all()
    return sim
