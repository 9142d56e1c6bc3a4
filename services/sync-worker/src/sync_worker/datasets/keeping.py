"""What becomes of a module's result: a new version, a fresh look at the old one, or a note of what the portal said."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from msgspec import Struct
from sync_contracts.commands import Command
from sync_contracts.outcomes import Code

from sync_worker.datasets import sealing, versions
from sync_worker.datasets.parts import KeptParts
from sync_worker.datasets.sealing import INLINE_LIMIT, INLINE_PLACE, TenantVault, Unreadable
from sync_worker.datasets.store import DatasetStore, Outcome, Stale, Superseded
from sync_worker.datasets.versions import Known, Target, dataset_of
from sync_worker.modules.port import Fetched, Observed, Previous, Unchanged

TRIES: Final = 5


class Kept(Struct, frozen=True):
    """The result is durable (or overtaken by a later one that is)."""

    code: Code
    rows: int | None = None
    ver: str | None = None


class LostBase(Struct, frozen=True):
    """What was fetched could not be stored, and nothing later stands for it: the unit must be fetched again."""


class DatasetKeeper:
    """Keeps results of one process's units."""

    def __init__(self, store: DatasetStore, vault: TenantVault, now: Callable[[], datetime]) -> None:
        self._store = store
        self._vault = vault
        self._now = now

    def known(self, command: Command) -> asyncio.Future[Known]:
        """What is stored before the fetch. Must be awaited.

        It may be read before the fence is taken: every write names what it rests on.
        """
        return self._store.known(command.tenant, dataset_of(command))

    def previous(self, target: Target, known: Known) -> Previous | None:
        """The stored version as a module sees it."""
        if known.ver is None or known.fetched_at is None:
            return None
        return Previous(known.marker, known.rows, known.fetched_at, lambda: self._load(target, known))

    def parts(self, target: Target, known: Known) -> KeptParts:
        """The unit's parts of earlier attempts of the same bucket."""
        return KeptParts(self._store, self._vault, self._now, target, known)

    async def keep(self, target: Target, known: Known, result: Fetched | Unchanged | Observed) -> Kept | LostBase:
        """Make a result durable."""
        match result:
            case Unchanged(rows=rows):
                outcome = await self._store.write(versions.touch(target, known, self._now()))
                return LostBase() if isinstance(outcome, Stale) else Kept(Code.UNCHANGED, rows, known.ver)
            case Observed(code=code, detail=detail):
                await self._write_until_decided(versions.observe(target, code, detail, self._now()))
                return Kept(code)
            case Fetched():
                return await self._keep_fetched(target, known, result)

    async def prepare(self, target: Target, until: datetime) -> None:
        """Note that the portal prepares the data for this bucket."""
        await self._write_until_decided(versions.pend(target, until))

    async def _keep_fetched(self, target: Target, known: Known, fetched: Fetched) -> Kept | LostBase:
        """A later delivery that has stored no data (the portal told it to wait) does not make this fetch good."""
        sha256 = sealing.digest_of(fetched.body)
        if known.ver is not None and known.sha256 == sha256:
            outcome = await self._store.write(versions.touch(target, known, self._now(), fetched))
            if not isinstance(outcome, Stale):
                return Kept(Code.UNCHANGED, fetched.rows, known.ver)
        ver = target.own_version
        packed = await sealing.packed(fetched.body)
        inline, n_chunks = await self._laid_down(target, ver, packed)
        outcome = await self._write_until_decided(
            versions.flip(target, fetched, ver=ver, sha256=sha256, inline=inline, n_chunks=n_chunks, at=self._now())
        )
        if isinstance(outcome, Superseded) and not outcome.has_data:
            return LostBase()
        return Kept(Code.OK, fetched.rows, ver)

    async def _laid_down(self, target: Target, ver: str, packed: bytes) -> tuple[bytes | None, int]:
        """Sealed bytes to lie in the document, or the number of chunks written."""
        if len(packed) <= INLINE_LIMIT:
            return await self._vault.seal(target.tenant, packed, target.id, ver, INLINE_PLACE), 0
        pieces = sealing.pieces(packed)
        for number, piece in enumerate(pieces):
            sealed = await self._vault.seal(target.tenant, piece, target.id, ver, str(number))
            await self._store.put_chunk(target.tenant, target.id, ver, str(number), sealed)
        return None, len(pieces)

    async def _write_until_decided(self, write: versions.Write) -> Outcome:
        """Stale here means that a newer write was rolled back after it refused ours: write again."""
        outcome: Outcome = Stale()
        for _ in range(TRIES):
            outcome = await self._store.write(write)
            if not isinstance(outcome, Stale):
                return outcome
        raise Undecided(f"a dataset write was refused {TRIES} times although nothing newer is stored")

    async def _load(self, target: Target, known: Known) -> bytes:
        return await load(self._store, self._vault, target.tenant, target.id, known)


class Undecided(Exception):
    """The database contradicts itself; the process ends and the record is delivered again."""

    log_safe = True


async def load(store: DatasetStore, vault: TenantVault, tenant: str, dataset: str, known: Known) -> bytes:
    """Canonical plain text of a stored version; raises `Unreadable`."""
    ver = str(known.ver)
    places = [INLINE_PLACE] if known.n_chunks == 0 else [str(number) for number in range(known.n_chunks)]
    packed = b""
    for place in places:
        if known.n_chunks == 0:
            sealed = await store.inline(tenant, dataset, ver)
        else:
            sealed = await store.chunk(tenant, dataset, ver, place)
        if sealed is None:
            raise Unreadable("a chunk is missing")
        packed += await sealing.opened(vault, tenant, sealed, dataset, ver, place)
    return await sealing.unpacked(packed)
