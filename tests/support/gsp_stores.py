"""Sessions, OTP requests and access in memory, by the rules of the real stores; a vault with real cryptography."""

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sync_contracts.documents import OtpRequestDocument, OtpState
from sync_contracts.sessions import SessionCommand
from sync_runtime.vault import DecryptionRefused, KeyEncryptionKeys
from sync_worker.portal.gsp import claims
from sync_worker.portal.gsp.claims import Claim, Claimed
from sync_worker.portal.gsp.identity import Access
from sync_worker.portal.gsp.session import Stored, stored_of

Document = dict[str, Any]


class MemorySessions:
    """`portal_sessions` by `tenant:client`; `clock` is the database's."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
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

    async def lock(self, tenant: str, client: str, by: str, lasts: timedelta) -> bool:
        document, now = self.of(tenant, client), self._clock()
        if "lock" not in document or document["lock"]["until"] <= now:
            document["lock"] = {"by": by, "until": now + lasts}
        return bool(document["lock"]["by"] == by)

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

    async def claim(self, command: SessionCommand) -> Claim:
        document = self._matching(claims.waiting(command))
        if document is None:
            return claims.unclaimed(command, self.documents.get(command.request))
        document["state"] = claims.claimed_state(command)
        return Claimed(cast("OtpRequestDocument", dict(document)))

    async def finish(self, command: SessionCommand, state: OtpState, fields: Mapping[str, Any]) -> None:
        document = self._matching(claims.under_way(command))
        if document is not None:
            document |= {"state": state, **fields}

    def _matching(self, wanted: Mapping[str, Any]) -> Document | None:
        document = self.documents.get(wanted["_id"], {})
        return document if document and all(document.get(name) == value for name, value in wanted.items()) else None


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
