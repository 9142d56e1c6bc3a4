"""A tenant's data key: made by its first secret or its first bucket, and used here to close secrets only."""

from typing import Any, Protocol

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import DuplicateKeyError
from sync_contracts import collections

from bucket_api.scope import TenantScope


class Encryptor(Protocol):
    """Closes secrets of one tenant; has no way to open them."""

    @property
    def key_version(self) -> int: ...

    def encrypt(self, plain: bytes, *context: str) -> bytes: ...


class TenantKeys(Protocol):
    """Makes and unwraps data keys under the key-encryption key."""

    def new_wrapped_key(self, tenant_id: str) -> bytes: ...

    def encryptor(self, tenant_id: str, wrapped: bytes, key_version: int) -> Encryptor: ...


class Encryptors:
    """The encryptor of each tenant."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]], keys: TenantKeys) -> None:
        self._tenants = database[collections.TENANTS.name]
        self._keys = keys

    async def of(self, tenant: TenantScope) -> Encryptor:
        """The tenant's encryptor; its document and data key are made on first need."""
        document = await self._kept(tenant)
        return self._keys.encryptor(tenant.tenant_id, document["data_key_wrapped"], document["key_version"])

    async def ensure(self, tenant: TenantScope) -> None:
        """See to it that the tenant has a data key: workers close what they fetch with it, and never make one."""
        await self._kept(tenant)

    async def _kept(self, tenant: TenantScope) -> dict[str, Any]:
        return await self._with_key(tenant.tenant_id) or await self._make(tenant.tenant_id)

    async def _with_key(self, tenant_id: str) -> dict[str, Any] | None:
        return await self._tenants.find_one({"_id": tenant_id, "data_key_wrapped": {"$exists": True}})

    async def _make(self, tenant_id: str) -> dict[str, Any]:
        """Whoever comes first gives the key; everybody reads it back."""
        fields = {"data_key_wrapped": self._keys.new_wrapped_key(tenant_id), "key_version": 1}
        wanted = {"_id": tenant_id, "data_key_wrapped": {"$exists": False}}
        try:
            update = {"$set": fields, "$setOnInsert": {"name": tenant_id, "weight": 1}}
            await self._tenants.update_one(wanted, update, upsert=True)
        except DuplicateKeyError:
            pass  # another process was first
        document = await self._with_key(tenant_id)
        if document is None:
            raise ConnectionError("the tenant's document cannot be read back")
        return document
