"""Who a client is at the portal's edge."""

from msgspec import Struct
from sync_contracts.credentials import GST_PORTAL_USER
from sync_contracts.documents import ClientDocument, CredentialDocument


class Identity(Struct, frozen=True):
    """A client of a tenant with its registration. `cred_ver` 0: no portal user is on file."""

    tenant: str
    client: str
    gstin: str
    cred_ver: int

    @property
    def cred_ref(self) -> str | None:
        """Which credential a session was opened with; a changed one makes the session useless."""
        return f"{GST_PORTAL_USER}:{self.cred_ver}" if self.cred_ver else None

    def values(self) -> dict[str, str]:
        """What templates may ask for."""
        return {"gstin": self.gstin, "state_code": self.gstin[:2]}


class Access(Struct, frozen=True):
    """What a step needs of a client: who it is, over which line, and the portal user on file."""

    identity: Identity
    line_id: str
    username_enc: bytes | None


def identity_of(tenant: str, client: ClientDocument, credential: CredentialDocument | None) -> Identity:
    """The identity that two documents describe."""
    return Identity(tenant, client["_id"], client["gstin"], 0 if credential is None else credential["cred_ver"])
