"""Walks over all routes: scopes, foreign tenants, headers, problems, the published document."""

import json
from pathlib import Path

import httpx
import pytest
from bucket_api.http.application import http_application
from bucket_api.http.auth import RouteUnguarded, refuse_unguarded
from bucket_api.http.dev_issuer import SCOPES_OF
from bucket_api.http.problems import PROBLEMS
from fastapi import APIRouter, FastAPI
from opentelemetry.trace import NoOpTracer
from starlette.responses import Response
from starlette.routing import Route

from tests.component.api.conftest import Api
from tests.component.api.routes import CALLS, PUBLIC, served, world_of

ALL_SCOPES = sorted({scope for scopes in SCOPES_OF.values() for scope in scopes})
DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"
UNKNOWN = {
    "client_id": "c_nobody",
    "bucket_id": "b_nothing",
    "action_id": "ac_nothing",
    "import_id": "ci_nothing",
    "request_id": "otp_nothing",
    "unit_id": "u_0_0",
    "run": "1",
    "schedule_id": "sc_nothing",
    "event": "gstr2b_published",
    "period": "2026-11",
    "line_id": "up_nothing",
    "window_id": "mw_nothing",
}
OF_NO_TENANT = ("unit_id", "run", "line_id", "window_id", "event", "period")


def test_the_list_of_calls_is_the_list_of_routes(api: Api) -> None:
    assert {(call.method, call.path) for call in CALLS + PUBLIC} == set(served(api.app))


def test_a_route_that_names_no_scope_is_refused_when_the_application_is_made(api: Api) -> None:
    router = APIRouter(prefix="/v1")

    @router.get("/forgotten")
    async def forgotten() -> dict[str, str]:
        return {}

    app = http_application(api.app.state.gate, NoOpTracer())
    refuse_unguarded(app)
    app.include_router(router)
    with pytest.raises(RouteUnguarded, match="/v1/forgotten"):
        refuse_unguarded(app)
    raw = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, routes=[Route("/v1/raw", lambda _: Response())])
    with pytest.raises(RouteUnguarded, match="/v1/raw"):
        refuse_unguarded(raw)


async def test_each_route_succeeds_for_its_owner(api: Api) -> None:
    world = await world_of(api, "t_one")
    http = api.caller("t_one")
    for call in CALLS + PUBLIC:
        answer = await call.send(http, world)
        expected = {"/v1/buckets/{bucket_id}/statement": 409}.get(call.path)
        later = call.method == "POST" and "submit" in call.path
        assert answer.status_code == expected or answer.status_code < 300 or (later and answer.status_code == 409), (
            call,
            answer.text,
        )


async def test_each_route_needs_exactly_its_scope(api: Api) -> None:
    world = await world_of(api, "t_one")
    for scope in (*ALL_SCOPES, "nothing"):
        http = api.caller("t_one", scope)
        for call in CALLS:
            answer = await call.send(http, UNKNOWN if call.scope == scope else world)
            if call.scope in (None, scope):
                assert answer.status_code != 403, (call, scope)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (call, scope)
                assert answer.json()["required_scope"] == call.scope


async def test_each_route_needs_a_token(api: Api) -> None:
    anonymous = api.anonymous()
    for call in CALLS:
        assert (await call.send(anonymous, UNKNOWN)).status_code == 401, call
    for call in PUBLIC:
        assert (await call.send(anonymous, UNKNOWN)).status_code == 200, call


async def test_what_belongs_to_another_tenant_does_not_exist(api: Api) -> None:
    """Every id of the one, in every place where the other may put it, is answered like an id that nobody has."""
    worlds = {tenant: await world_of(api, tenant) for tenant in ("t_one", "t_two")}
    before = await _dump(api, "t_two")
    http = api.caller("t_one")
    tried = 0
    for call in CALLS:
        names = [name for name in UNKNOWN if f"{{{name}}}" in call.path and name not in OF_NO_TENANT]
        for name in names:
            foreign = worlds["t_one"] | {name: worlds["t_two"][name]}
            absent = worlds["t_one"] | {name: UNKNOWN[name]}
            leaked, unknown = await call.send(http, foreign), await call.send(http, absent)
            assert leaked.status_code == unknown.status_code == 404, (call, name, leaked.text)
            assert _shape(leaked) == _shape(unknown)
            tried += 1
    assert tried >= 20
    assert await _dump(api, "t_two") == before


async def test_lists_hold_nothing_of_another_tenant(api: Api) -> None:
    mine, theirs = await world_of(api, "t_one"), await world_of(api, "t_two")
    http = api.caller("t_one")
    for call in CALLS:
        if call.method == "GET":
            text = (await call.send(http, mine)).text
            for foreign in (theirs["client_id"], theirs["bucket_id"], theirs["import_id"], "t_two"):
                assert foreign not in text, call
    look_up = await http.post("/v1/client-lookups", json={"lines": [theirs["client_id"]]})
    assert look_up.json()["matched"] == []


async def test_every_answer_carries_its_trace_and_the_security_headers(api: Api) -> None:
    world = await world_of(api, "t_one")
    http = api.caller("t_one")
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    http.headers["traceparent"] = parent
    for call in CALLS + PUBLIC:
        answer = await call.send(http, world)
        assert answer.headers["x-trace-id"] == "ab" * 16, call
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in answer.headers


async def test_every_error_is_a_problem_of_the_published_list(api: Api) -> None:
    http = api.caller("t_one")
    published = {row["code"]: row for row in (await http.get("/v1/problems")).json()["items"]}
    assert set(published) == set(PROBLEMS)
    for answer in (
        await http.get("/v1/nowhere"),
        await http.patch("/v1/clients"),
        await http.get("/v1/clients", params={"page_size": 501}),
        await http.get("/v1/clients", params={"sort": "secret"}),
        await http.post(
            "/v1/buckets", content=b"{", headers={"content-type": "application/json", "idempotency-key": "k"}
        ),
        await http.post("/v1/buckets", content=b"x", headers={"content-type": "text/plain", "idempotency-key": "k"}),
    ):
        _assert_problem(answer, published)


def _assert_problem(answer: httpx.Response, published: dict[str, dict[str, object]]) -> None:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    row = published[body["code"]]
    assert (body["type"], body["title"], body["status"]) == (row["type"], row["title"], answer.status_code)
    assert body["trace_id"] == answer.headers["x-trace-id"]
    assert body["instance"] == answer.request.url.path


async def test_the_served_document_is_the_committed_one(http: httpx.AsyncClient) -> None:
    served_document = (await http.get("/v1/openapi.json")).json()
    committed = json.loads(DOCUMENT.read_text("utf-8"))
    assert served_document == committed, "run: python -m bucket_api openapi > docs/openapi.json"


async def test_every_operation_of_the_document_tells_its_scope(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/v1/openapi.json")).json()["paths"]
    for call in CALLS:
        operation = paths[call.path][call.method.lower()]
        told = [scope for entry in operation["security"] for scopes in entry.values() for scope in scopes]
        assert told == ([call.scope] if call.scope else []), call


async def test_the_document_tells_which_keys_are_required_and_which_answers_come(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/v1/openapi.json")).json()["paths"]
    for path, answers in (
        ("/v1/buckets", {"202", "200", "default"}),
        ("/v1/buckets/{bucket_id}/actions", {"202", "200", "default"}),
        ("/v1/clients/{client_id}/otp-requests", {"201", "202", "default"}),
    ):
        operation = paths[path]["post"]
        keys = [p["required"] for p in operation["parameters"] if p["name"] == "idempotency-key"]
        assert (keys, set(operation["responses"])) == ([True], answers), path


def _shape(answer: httpx.Response) -> tuple[int, dict[str, object]]:
    """The answer without what differs by address."""
    body = answer.json()
    return answer.status_code, {name: body[name] for name in body if name not in ("trace_id", "instance")}


async def _dump(api: Api, tenant: str) -> list[str]:
    found = []
    collections = ("buckets", "bucket_pages", "clients", "credentials", "otp_requests", "client_imports")
    for name in (*collections, "schedules", "schedule_streaks", "calendar_days"):
        found += [repr(document) async for document in api.database[name].find({"tenant_id": tenant})]
    return sorted(found)
