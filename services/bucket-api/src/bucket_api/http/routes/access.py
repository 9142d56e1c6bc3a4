"""Access of clients to the portal: user name on file, session, OTP requests."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from bucket_api.access.readiness import Readiness, readiness
from bucket_api.access.steps import UNDER_WAY, Ask
from bucket_api.http.auth import AccessRead, AccessWrite, OtpWrite
from bucket_api.http.paging import cursor
from bucket_api.http.schemas.access import (
    AccessAnswer,
    AccessCheckAnswer,
    CredentialBody,
    MendedBody,
    OtpAskBody,
    OtpRequestAnswer,
    OtpSubmitBody,
    access_answer,
    check_answer,
    otp_answer,
)
from bucket_api.http.schemas.kinds import ListOf
from bucket_api.http.services import App, Key, PageSize, PageToken, Services, TraceOf, Wait
from bucket_api.refusal import Refusal, not_found
from bucket_api.scope import TenantScope

router = APIRouter(prefix="/v1", tags=["access"])
_UNANSWERED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": OtpRequestAnswer, "description": "The portal has not answered yet"}
}

AccessReason = Literal[
    "no_access",
    "login_guard",
    "otp_required",
    "consent_expired",
    "access_disabled",
    "password_expired",
    "account_locked",
]


@router.get("/access")
async def list_access(
    caller: AccessRead,
    app: App,
    *,
    ready: bool | None = None,
    reason: Annotated[list[AccessReason], Query()] = [],
    page_size: PageSize = 50,
    page_token: PageToken = None,
) -> ListOf[AccessAnswer]:
    """Access of the active clients, in the order of their GSTINs."""
    at = cursor(caller.tenant, "/v1/access", {"ready": ready, "reason": reason}, page_token, app.now())
    every = await _readiness(app, caller.tenant, await app.clients.active_ids(caller.tenant))
    wanted = [
        i for i, state in every.items() if ready in (None, state.ready) and (not reason or state.reason in reason)
    ]
    end = at.position.offset + page_size
    items = await _told(app, caller.tenant, {i: every[i] for i in wanted[at.position.offset : end]})
    token = at.next_at(end if end < len(wanted) else None, None)
    return ListOf(items=items, total_size=len(wanted), next_page_token=token)


@router.get("/clients/{client_id}/access")
async def get_access(caller: AccessRead, app: App, client_id: str) -> AccessAnswer:
    """What stands between us and the client's data."""
    await _known(app, caller.tenant, client_id)
    return (await _told(app, caller.tenant, await _readiness(app, caller.tenant, [client_id])))[0]


@router.put("/clients/{client_id}/credential", status_code=204)
async def put_credential(caller: AccessWrite, app: App, client_id: str, body: CredentialBody) -> None:
    """Put the client's portal user on file, encrypted. It can never be read again. Releases the log-in guard."""
    await _known(app, caller.tenant, client_id)
    await app.credentials.put(caller.tenant, client_id, body.username, by=caller.subject)


@router.delete("/clients/{client_id}/credential", status_code=204)
async def delete_credential(caller: AccessWrite, app: App, client_id: str, trace: TraceOf) -> None:
    """Take the portal user from file and end its session."""
    await _known(app, caller.tenant, client_id)
    if not await app.access.remove_credential(caller.tenant, client_id):
        raise not_found()
    await app.steps.log_out(caller.tenant, client_id, by=caller.subject, trace=trace.traceparent)


@router.post("/clients/{client_id}/mended", status_code=204)
async def mended(caller: OtpWrite, app: App, client_id: str, body: MendedBody) -> None:
    """Tell that the portal password was renewed, or the account released: units that failed for it can run again."""
    await _known(app, caller.tenant, client_id)
    if not await app.access.mend(caller.tenant, client_id, body.reason, caller.subject, app.now()):
        raise not_found()


@router.post(
    "/clients/{client_id}/access-checks",
    status_code=202,
    responses={200: {"model": AccessCheckAnswer, "description": "The portal has answered"}},
)
async def check_access(
    caller: AccessRead, app: App, client_id: str, wait: Wait, trace: TraceOf, response: Response
) -> AccessCheckAnswer:
    """Whether the client's portal session lives or can be extended; never sends an OTP. 202 while that is not known."""
    await _known(app, caller.tenant, client_id)
    by, parent = caller.subject, trace.traceparent
    check = await app.steps.check(caller.tenant, client_id, by=by, trace=parent, wait_s=wait)
    response.status_code = 202 if check["state"] in UNDER_WAY else 200
    return check_answer(check)


@router.post("/clients/{client_id}/otp-requests", status_code=201, responses=_UNANSWERED)
async def ask_otp(
    caller: OtpWrite,
    app: App,
    client_id: str,
    body: OtpAskBody,
    key: Key,
    wait: Wait,
    trace: TraceOf,
    response: Response,
) -> OtpRequestAnswer:
    """Ask the portal to send the taxpayer an OTP. 202 while the portal has not answered: then poll the request."""
    await _known(app, caller.tenant, client_id)
    asked = Ask(key, body.consent, caller.subject)
    request, replayed = await app.steps.ask(caller.tenant, client_id, asked, trace=trace.traceparent, wait_s=wait)
    response.status_code = 202 if request["state"] in UNDER_WAY else 201
    response.headers["location"] = f"/v1/otp-requests/{request['_id']}"
    response.headers.update({"idempotent-replayed": "true"} if replayed else {})
    return otp_answer(request)


@router.get("/otp-requests/{request_id}")
async def get_otp_request(caller: OtpWrite, app: App, request_id: str) -> OtpRequestAnswer:
    """The OTP request. `rejected`: another try is open."""
    return otp_answer(await app.steps.find(caller.tenant, request_id))


@router.post("/otp-requests/{request_id}/submit", responses=_UNANSWERED)
async def submit_otp(
    caller: OtpWrite,
    app: App,
    request_id: str,
    body: OtpSubmitBody,
    wait: Wait,
    trace: TraceOf,
    response: Response,
) -> OtpRequestAnswer:
    """Enter the code that the taxpayer read out. 202 while the portal has not answered."""
    request = await app.steps.submit(caller.tenant, request_id, body.otp, trace=trace.traceparent, wait_s=wait)
    response.status_code = 202 if request["state"] in UNDER_WAY else 200
    match request["state"]:
        case "rejected":
            raise Refusal("otp_rejected", tries_left=request["tries_left"])
        case "expired" | "closed" | "failed":
            raise Refusal("otp_closed", state=request["state"], reason=request["reason"])
    return otp_answer(request)


async def _known(app: Services, tenant: TenantScope, client_id: str) -> None:
    if await app.clients.get(tenant, client_id) is None:
        raise not_found()


async def _readiness(app: Services, tenant: TenantScope, ids: list[str]) -> dict[str, Readiness]:
    """Readiness by client id, in the given order."""
    sessions, versions = await app.access.sessions(tenant, ids), await app.access.versions_of(tenant, ids)
    return {client: readiness(sessions.get(client), versions.get(client), app.now()) for client in ids}


async def _told(app: Services, tenant: TenantScope, states: dict[str, Readiness]) -> list[AccessAnswer]:
    changed = await app.access.changed_at(tenant, list(states))
    opened = await app.access.open_requests(tenant, list(states), app.now())
    return [
        access_answer(
            client,
            state,
            changed_at=changed.get(client),
            open_request=opened.get(client),
            logins_per_day=app.logins_per_day,
            now=app.now(),
        )
        for client, state in states.items()
    ]
