"""Portal users on file: closed with the tenant's key before they are stored, and never read here again."""

from collections.abc import Callable
from datetime import datetime

from bucket_api.access.store import USERNAME_FIELD, AccessStore
from bucket_api.scope import TenantScope
from bucket_api.tenants import Encryptors


class Credentials:
    """Puts portal users on file."""

    def __init__(self, access: AccessStore, encryptors: Encryptors, now: Callable[[], datetime]) -> None:
        self._access = access
        self._encryptors = encryptors
        self._now = now

    async def put(self, tenant: TenantScope, client: str, username: str, *, by: str) -> None:
        """Put the client's portal user on file in place of an earlier one."""
        encryptor = await self._encryptors.of(tenant)
        sealed = encryptor.encrypt(username.encode(), client, USERNAME_FIELD)
        version, now = encryptor.key_version, self._now()
        users = [(client, sealed)]
        await self._access.put_credentials(tenant, users, key_version=version, now=now, by=by, replace=True)
