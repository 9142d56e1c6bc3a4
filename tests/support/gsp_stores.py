"""Sessions, OTP requests and access in memory, by the rules of the real stores; a vault with real cryptography."""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sync_contracts.documents import OtpRequestDocument, OtpState
from sync_runtime.vault import DecryptionRefused, KeyEncryptionKeys
from sync_worker.portal.gsp.otp import Access
from sync_worker.portal.gsp.session import Stored, stored_of

Document = dict[str, Any]


class MemorySessions:
    """`portal_sessions` by `tenant:client`."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.lost_writes = 0

    def of(self, tenant: str, client: str) -> Document:
        return self.documents.setdefault(f"{tenant}:{client}", {"fence": 0})

    async def load(self, tenant: str, client: str) -> Stored:
        found = self.documents.get(f"{tenant}:{client}")
        return Stored() if found is None else stored_of(cast("Any", copy.deepcopy(found)))

    async def write(self, tenant: str, client: str, tver: int, fields: Mapping[str, Any]) -> bool:
        document = self.documents.get(f"{tenant}:{client}")
        if document is None or document.get("tver", 0) != tver:
            self.lost_writes += 1
            return False
        for name, value in fields.items():
            if value is None:
                document.pop(name, None)
            else:
                document[name] = value
        document["tver"] = tver + 1
        return True

    async def lock(self, tenant: str, client: str, by: str, now: datetime, until: datetime) -> bool:
        document = self.of(tenant, client)
        if "lock" in document and document["lock"]["until"] > now:
            return False
        document["lock"] = {"by": by, "until": until}
        return True

    async def unlock(self, tenant: str, client: str, by: str) -> None:
        document = self.of(tenant, client)
        if document.get("lock", {}).get("by") == by:
            del document["lock"]

    async def write_guard(self, tenant: str, client: str, guard: Document) -> None:
        self.of(tenant, client)["guard"] = guard


class MemoryOtpRequests:
    """`otp_requests` by id."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}

    async def move(
        self, tenant: str, request: str, old: OtpState, new: OtpState, fields: Mapping[str, Any]
    ) -> OtpRequestDocument | None:
        document = self.documents.get(request)
        if document is None or document["tenant_id"] != tenant or document["state"] != old:
            return None
        document |= {"state": new, **fields}
        return cast("OtpRequestDocument", dict(document))


class MemoryAccess:
    """Clients with their portal users."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Access] = {}

    async def find(self, tenant: str, client: str) -> Access | None:
        return self.known.get((tenant, client))


class TestVault:
    """Envelope encryption as in production, with a key per tenant made on first use."""

    __test__ = False

    def __init__(self) -> None:
        self._keys = KeyEncryptionKeys({1: b"k" * 32})
        self._wrapped: dict[str, bytes] = {}

    async def seal(self, tenant: str, plain: bytes, *place: str) -> bytes:
        return self._keys.encryptor(tenant, self._of(tenant), 1).encrypt(plain, *place)

    async def unseal(self, tenant: str, sealed: bytes, *place: str) -> bytes | None:
        try:
            return self._keys.decryptor(tenant, {1: self._of(tenant)}).decrypt(sealed, *place)
        except DecryptionRefused:
            return None

    def _of(self, tenant: str) -> bytes:
        return self._wrapped.setdefault(tenant, self._keys.new_wrapped_key(tenant))
