"""The client a unit is about: master data and portal user, read for many units together and known for a moment."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol, cast

from msgspec import Struct
from sync_contracts.credentials import GST_PORTAL_USER, credential_id
from sync_contracts.documents import ClientDocument, CredentialDocument

from sync_worker.combining import Combiner
from sync_worker.durable import Document

AGE_S: Final = 2.0
KEPT: Final = 2_000
MAX_BATCH: Final = 200
WORTHWHILE: Final = 100
APART_S: Final = 0.04
"""Clients are read in advance of the calls, so that a batch may wait for more; one that comes alone never does."""

Key = tuple[str, str]


class Subject(Struct, frozen=True):
    """A client with its credential, whose secret parts are still encrypted. `read_at`: monotonic seconds."""

    client: ClientDocument
    credential: CredentialDocument | None
    read_at: float


class Reads(Protocol):
    """Majority reads of clients and credentials."""

    async def clients(self, keys: Collection[Key]) -> dict[str, Document]: ...
    async def credentials(self, keys: Collection[Key], kind: str) -> dict[str, Document]: ...


class Subjects:
    """Clients of running units. A changed credential is seen within two seconds."""

    def __init__(self, reads: Reads, clock_s: Callable[[], float]) -> None:
        self._reads = reads
        self._clock_s = clock_s
        self._known: OrderedDict[Key, Subject] = OrderedDict()
        self._combiner: Combiner[Key, Subject | None] = Combiner(
            self._read_all, max_batch=MAX_BATCH, worthwhile=WORTHWHILE, apart_s=APART_S
        )

    async def of(self, tenant: str, client: str) -> Subject | None:
        """The client, None when the tenant has none of this id."""
        known = self._known.get((tenant, client))
        if known is not None and known.read_at + AGE_S > self._clock_s():
            return known
        return await self._combiner.ask((tenant, client))

    async def _read_all(self, keys: Sequence[Key]) -> Sequence[Subject | None]:
        read_at = self._clock_s()
        wanted = list(dict.fromkeys(keys))
        clients = await self._reads.clients(wanted)
        credentials = await self._reads.credentials(wanted, GST_PORTAL_USER)
        found: dict[Key, Subject] = {}
        for tenant, client in wanted:
            document = clients.get(client)
            if document is not None and document["tenant_id"] == tenant:
                credential = credentials.get(credential_id(tenant, client))
                found[tenant, client] = Subject(
                    cast("ClientDocument", document), cast("CredentialDocument | None", credential), read_at
                )
        self._remember(found)
        return [found.get(key) for key in keys]

    def _remember(self, found: dict[Key, Subject]) -> None:
        for key, subject in found.items():
            self._known[key] = subject
            self._known.move_to_end(key)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
