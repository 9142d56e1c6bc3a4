"""Clients and look-ups."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from bucket_api.access.readiness import Readiness
from bucket_api.clients.identifiers import Gstin, Wrong
from bucket_api.http.schemas.kinds import Answer, Body, Instant

Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Line = Annotated[str, StringConstraints(max_length=200)]
SHOWN_LINE: Final = 40


class ClientBody(Body):
    """A new client."""

    gstin: Annotated[str, StringConstraints(max_length=40)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    trade_name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] | None = None
    filing_frequency: Literal["monthly", "quarterly", "composition", "unknown"] = "unknown"
    registration_status: Literal["active", "cancelled", "suspended", "unknown"] = "active"
    cancelled_on: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    status: Literal["active", "inactive"] = "active"
    tags: Annotated[list[Tag], Field(max_length=20)] = []
    email: Annotated[str, StringConstraints(max_length=200)] | None = None
    mobile: Annotated[str, StringConstraints(max_length=20)] | None = None


class ClientAccess(Answer):
    """Whether data can be fetched for the client now, and what stands in the way."""

    ready: bool
    reason: str | None
    consent_until: Instant | None
    session_until: Instant | None


class ClientAnswer(Answer):
    """One registration of the tenant."""

    id: str
    kind: str
    registration_kind: str
    gstin: str
    name: str
    trade_name: str | None
    state_code: str
    filing_frequency: str
    registration_status: str
    cancelled_on: str | None
    status: str
    tags: list[str]
    email: str | None
    mobile: str | None
    line_id: str
    access: ClientAccess
    created_at: Instant
    updated_at: Instant
    etag: str


class LookupBody(Body):
    """GSTINs, one a line."""

    lines: Annotated[list[Line], Field(max_length=10_000)]


class Matched(Answer):
    """A line (counted from 1) that names a client."""

    line: int
    client_id: str


class Unmatched(Answer):
    """A line (counted from 1) that names none."""

    line: int
    text: str
    code: str


class LookupAnswer(Answer):
    """Which lines name clients."""

    matched: list[Matched]
    unknown: list[Unmatched]


def client_answer(client: Mapping[str, Any], readiness: Readiness) -> ClientAnswer:
    """The client as it is told."""
    same: dict[str, Any] = {name: client.get(name) for name in ClientAnswer.model_fields if name not in _MADE}
    return ClientAnswer(
        **same,
        id=client["_id"],
        kind="gstin",
        registration_kind=client["kind"],
        access=ClientAccess(
            ready=readiness.ready,
            reason=readiness.reason,
            consent_until=readiness.consent_until,
            session_until=readiness.session_until,
        ),
        etag=f'"{client["etag"]}"',
    )


def lookup_answer(
    lines: Sequence[str], numbers: Sequence[Gstin | Wrong], known: Mapping[str, Mapping[str, Any]]
) -> LookupAnswer:
    """The answer to pasted lines. `numbers`: what each line was read as; `known`: clients by GSTIN."""
    answer = LookupAnswer(matched=[], unknown=[])
    for line, (text, number) in enumerate(zip(lines, numbers, strict=True), 1):
        client = known.get(number.text) if isinstance(number, Gstin) else None
        if client is not None:
            answer.matched.append(Matched(line=line, client_id=client["_id"]))
            continue
        code = "client_unknown" if isinstance(number, Gstin) else "gstin_invalid"
        answer.unknown.append(Unmatched(line=line, text=text[:SHOWN_LINE], code=code))
    return answer


_MADE = frozenset({"id", "kind", "registration_kind", "access", "etag"})
