"""Parts of a unit that several portal calls bring: kept one by one, for the next attempt to go on there."""

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from sync_worker.datasets import sealing, versions
from sync_worker.datasets.sealing import CHUNK_BYTES, TenantVault
from sync_worker.datasets.store import DatasetStore
from sync_worker.datasets.versions import Known, Part, Target


class KeptParts:
    """Parts of one unit that survive the attempt: each durable before it is noted."""

    def __init__(
        self, store: DatasetStore, vault: TenantVault, now: Callable[[], datetime], target: Target, known: Known
    ) -> None:
        self._store = store
        self._vault = vault
        self._now = now
        self._target = target
        self._known = known

    async def kept(self, gen: str) -> Mapping[str, bytes]:
        """Parts stored under the portal's marker `gen`; those that cannot be read are left out."""
        part = self._known.kept_parts(self._target.bucket, gen)
        found = {}
        for name in part.done if part else ():
            data = await self._read(str(part and part.ver), name)
            if data is not None:
                found[name] = data
        return found

    async def keep(self, name: str, data: bytes, *, gen: str, expected: int) -> None:
        """Store one part, then note it under the fence."""
        target = self._target
        part = self._known.kept_parts(target.bucket, gen) or Part(target.own_version, (), expected, gen)
        packed = await sealing.packed(data)
        for number, piece in enumerate(sealing.pieces(packed)):
            place = f"{name}.{number}"
            sealed = await self._vault.seal(target.tenant, piece, target.id, part.ver, place)
            await self._store.put_chunk(target.tenant, target.id, part.ver, place, sealed)
        noted = replace(part, done=tuple(dict.fromkeys((*part.done, name))), expected=expected)
        await self._store.write(versions.note_part(target, noted, self._now()))
        self._known = replace(self._known, part=noted)

    async def _read(self, ver: str, name: str) -> bytes | None:
        target, packed, number = self._target, b"", 0
        while True:
            sealed = await self._store.chunk(target.tenant, target.id, ver, f"{name}.{number}")
            if sealed is None:
                break
            plain = await self._vault.unseal(target.tenant, sealed, target.id, ver, f"{name}.{number}")
            if plain is None:
                return None
            packed, number = packed + plain, number + 1
            if len(plain) < CHUNK_BYTES:
                break
        return await sealing.unpacked(packed) if packed else None
