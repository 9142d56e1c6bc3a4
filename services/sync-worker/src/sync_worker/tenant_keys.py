"""Closing and opening a tenant's secrets and datasets: its data key, unwrapped and kept for a minute."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from sync_contracts.collections import TENANTS

from sync_worker.durable import Database, until_answered

KEY_AGE_S: Final = 60.0
TENANTS_KEPT: Final = 1_000


class UnknownTenant(Exception):
    """The tenant has no data key: it does not exist, or its data was made unreadable on purpose."""

    log_safe = True


class Encryptor(Protocol):
    """Closes what belongs to one tenant, bound to a place."""

    def encrypt(self, plain: bytes, *context: str) -> bytes: ...


class Decryptor(Protocol):
    """Opens what belongs to one tenant."""

    def decrypt(self, sealed: bytes, *context: str) -> bytes: ...


class KeyEncryption(Protocol):
    """The key-encryption keys, which unwrap data keys."""

    def encryptor(self, tenant_id: str, wrapped: bytes, key_version: int) -> Encryptor: ...
    def decryptor(self, tenant_id: str, wrapped_by_version: Mapping[int, bytes]) -> Decryptor: ...


@dataclass(frozen=True, slots=True)
class _Keys:
    encryptor: Encryptor
    decryptor: Decryptor
    read_at: float


class TenantKeys:
    """Seals and unseals for any tenant. `refused` is what the vault raises for bytes that do not open."""

    def __init__(
        self,
        database: Database,
        keys: KeyEncryption,
        *,
        refused: type[Exception],
        clock_s: Callable[[], float],
    ) -> None:
        self._tenants = database[TENANTS.name]
        self._keys = keys
        self._refused = refused
        self._clock_s = clock_s
        self._known: OrderedDict[str, _Keys] = OrderedDict()

    async def seal(self, tenant: str, plain: bytes, *place: str) -> bytes:
        """Ciphertext bound to tenant and place; raises `UnknownTenant`."""
        return (await self._of(tenant)).encryptor.encrypt(plain, *place)

    async def unseal(self, tenant: str, sealed: bytes, *place: str) -> bytes | None:
        """The plain bytes; None when they were altered, moved, or closed with a key that is gone."""
        keys = await self._of(tenant)
        try:
            return keys.decryptor.decrypt(sealed, *place)
        except self._refused:
            return None

    async def _of(self, tenant: str) -> _Keys:
        known = self._known.get(tenant)
        now = self._clock_s()
        if known is not None and known.read_at + KEY_AGE_S > now:
            return known
        document = await until_answered(
            lambda: self._tenants.find_one({"_id": tenant}, {"data_key_wrapped": 1, "key_version": 1})
        )
        if document is None:
            self._known.pop(tenant, None)
            raise UnknownTenant("no data key")
        wrapped, version = bytes(document["data_key_wrapped"]), document["key_version"]
        known = _Keys(
            self._keys.encryptor(tenant, wrapped, version), self._keys.decryptor(tenant, {version: wrapped}), now
        )
        self._known[tenant] = known
        if len(self._known) > TENANTS_KEPT:
            self._known.popitem(last=False)
        return known
