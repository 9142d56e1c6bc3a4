"""Header and credential checks of both styles; each returns the refusal of the first thing that is wrong."""

import secrets
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from portal_sandbox.envelope import Refusal
from portal_sandbox.identifiers import STATES, is_gstin
from portal_sandbox.sessions import Dead

HEADER_MISSING = Refusal("RET11400")
INVALID_API = Refusal("RET11403")
INVALID_STATE = Refusal("RET11404")
INVALID_TXN = Refusal("RET11408")
INVALID_GSTIN = Refusal("RET11410")
INVALID_HEADER = Refusal("RET11420")
CLIENT_ID_MISSING = Refusal("AUT4031", http=401)
CLIENT_SECRET_MISSING = Refusal("AUT4032", http=401)
CLIENT_INVALID = Refusal("AUT4033", http=403)


def client_refusal(accounts: Mapping[str, str], client_id: str, client_secret: str) -> Refusal | None:
    """The GSP's own credentials."""
    if not client_id:
        return CLIENT_ID_MISSING
    if not client_secret:
        return CLIENT_SECRET_MISSING
    known = accounts.get(client_id)
    if known is None or not secrets.compare_digest(known.encode(), client_secret.encode()):
        return CLIENT_INVALID
    return None


def missing_header(headers: Mapping[str, str], names: Iterable[str]) -> Refusal | None:
    return None if all(headers.get(name) for name in names) else HEADER_MISSING


def address_refusal(address: str) -> Refusal | None:
    try:
        ip_address(address)
    except ValueError:
        return INVALID_HEADER
    return None


def state_refusal(state: str, gstin: str) -> Refusal | None:
    """The state code must exist and, where a registration is named, be its own."""
    return None if state in STATES and gstin[:2] in ("", state) else INVALID_STATE


def gstin_refusal(asked_for: str, in_header: str | None) -> Refusal | None:
    """The query's GSTIN must be well formed and equal the header's; None in the header where a call has none."""
    return None if is_gstin(asked_for) and in_header in (None, asked_for) else INVALID_GSTIN


def period_refusal(asked_for: str, in_header: str) -> Refusal | None:
    return None if asked_for == in_header else INVALID_HEADER


def dead_session_code(dead: Dead, *, replaced: str) -> str:
    """`replaced` is the module's own code for a token that a newer login or refresh has voided."""
    return {Dead.UNKNOWN: "AUTH4033", Dead.EXPIRED: "AUTH4038", Dead.REPLACED: replaced}[dead]
