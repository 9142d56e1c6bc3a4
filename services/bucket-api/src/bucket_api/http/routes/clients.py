"""The client master."""

from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Query, Response

from bucket_api.access.readiness import readiness
from bucket_api.clients.drafts import Draft, draft_of, new_client
from bucket_api.clients.filters import ClientFilter
from bucket_api.clients.identifiers import Gstin, gstin
from bucket_api.http.auth import ClientsRead, ClientsWrite
from bucket_api.http.paging import cursor
from bucket_api.http.schemas.clients import (
    ClientAnswer,
    ClientBody,
    LookupAnswer,
    LookupBody,
    client_answer,
    lookup_answer,
)
from bucket_api.http.schemas.kinds import ListOf
from bucket_api.http.services import App, PageSize, PageToken, Services
from bucket_api.refusal import FieldError, Refusal, not_found
from bucket_api.scope import TenantScope

router = APIRouter(prefix="/v1", tags=["clients"])

Status = Literal["active", "inactive", "archived"]
Frequency = Literal["monthly", "quarterly", "composition", "unknown"]
Texts = Annotated[list[Annotated[str, Query(max_length=40)]], Query(max_length=100)]


@router.get("/clients")
async def list_clients(
    caller: ClientsRead,
    app: App,
    q: Annotated[str | None, Query(max_length=120)] = None,
    tag: Texts = [],
    status: Annotated[list[Status], Query()] = [],
    state_code: Texts = [],
    filing_frequency: Annotated[list[Frequency], Query()] = [],
    sort: Literal["gstin", "name"] = "gstin",
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> ListOf[ClientAnswer]:
    """Clients by filter. `q`: part of the name, a GSTIN or a PAN."""
    wanted = ClientFilter(q, tuple(tag), tuple(status), tuple(state_code), tuple(filing_frequency))
    filters = {"q": q, "tag": tag, "status": status, "state": state_code, "freq": filing_frequency, "sort": sort}
    at = cursor(caller.tenant, "/v1/clients", filters, page_token, app.now())
    after = at.position.after
    found, total, more = await app.clients.page(caller.tenant, wanted, sort=sort, after=after, size=page_size)
    items = await _told(app, caller.tenant, found)
    return ListOf(items=items, total_size=total, next_page_token=at.next_after(found, more=more))


@router.post("/clients", status_code=201)
async def create_client(caller: ClientsWrite, app: App, body: ClientBody, response: Response) -> ClientAnswer:
    """Create one client."""
    draft = _draft(body)
    client = new_client(f"c_{uuid4().hex}", caller.tenant.tenant_id, draft, app.now())
    if not await app.clients.insert(caller.tenant, client):
        existing = await app.clients.by_gstin(caller.tenant, [draft.gstin.text])
        raise Refusal("already_exists", client_id=existing[draft.gstin.text]["_id"])
    response.headers["location"] = f"/v1/clients/{client['_id']}"
    return client_answer(client, readiness(None, None, app.now()))


@router.get("/clients/{client_id}")
async def get_client(caller: ClientsRead, app: App, client_id: str) -> ClientAnswer:
    """One client."""
    client = await app.clients.get(caller.tenant, client_id)
    if client is None:
        raise not_found()
    return (await _told(app, caller.tenant, [client]))[0]


@router.post("/client-lookups")
async def look_up(caller: ClientsRead, app: App, body: LookupBody) -> LookupAnswer:
    """Which clients a pasted list of GSTINs names. Lines are counted from 1."""
    numbers = [gstin(text) for text in body.lines]
    valid = sorted({number.text for number in numbers if isinstance(number, Gstin)})
    return lookup_answer(body.lines, numbers, await app.clients.by_gstin(caller.tenant, valid))


def _draft(body: ClientBody) -> Draft:
    """The checked client. Raises `gstin_invalid` or `validation_failed`."""
    given = body.model_dump(exclude={"tags"}, exclude_none=True, exclude_unset=True)
    draft = draft_of(given, tuple(body.tags))
    if isinstance(draft, Draft):
        return draft
    errors = [FieldError(f"/{error.pointer}", error.code, error.detail) for error in draft]
    code = "gstin_invalid" if [error.code for error in draft] == ["gstin_invalid"] else "validation_failed"
    raise Refusal("gstin_invalid" if code == "gstin_invalid" else "validation_failed", errors=errors)


async def _told(app: Services, tenant: TenantScope, found: list[dict[str, object]]) -> list[ClientAnswer]:
    """Clients with their access."""
    ids = [str(client["_id"]) for client in found]
    sessions = await app.access.sessions(tenant, ids)
    versions = await app.access.versions_of(tenant, ids)
    now = app.now()
    return [
        client_answer(client, readiness(sessions.get(id_), versions.get(id_), now))
        for id_, client in zip(ids, found, strict=True)
    ]
