"""Limits of a request: size, nesting, time, media type; and what happens when something behind it fails."""

import asyncio
import gzip
import json
import logging
from typing import Any

import httpx
import pytest
from bucket_api.http import problems
from bucket_api.http.auth import SignedIn
from bucket_api.http.bodies import BODY_BYTES
from bucket_api.http.edge import Edge
from bucket_api.http.metering import Unmetered
from fastapi import FastAPI
from opentelemetry.trace import NoOpTracer
from pymongo.errors import ServerSelectionTimeoutError

from tests.component.api.conftest import Api

JSON = {"content-type": "application/json", "idempotency-key": "k"}


def body_of(size: int) -> bytes:
    """A JSON body of exactly that many bytes, refused for its content but not for its size."""
    empty = json.dumps({"lines": [""]}).encode()
    return empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')


def nested(depth: int) -> bytes:
    return b'{"selection":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


async def post(http: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    return await http.post("/v1/client-lookups", content=content, headers={**JSON, **headers})


async def test_a_body_may_have_two_mebibytes_and_not_one_byte_more(http: httpx.AsyncClient) -> None:
    assert (await post(http, body_of(BODY_BYTES))).status_code == 422
    refused = await post(http, body_of(BODY_BYTES + 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")


async def test_a_packed_body_counts_unpacked(http: httpx.AsyncClient) -> None:
    packed = {"content-encoding": "gzip"}
    small = gzip.compress(json.dumps({"lines": ["x"]}).encode())
    assert (await post(http, small, **packed)).status_code == 200
    bomb = gzip.compress(b'{"lines": ["' + b"0" * 50_000_000 + b'"]}')
    assert len(bomb) < 100_000
    assert (await post(http, bomb, **packed)).status_code == 413
    assert (await post(http, b"no gzip", **packed)).status_code == 400
    assert (await post(http, small, **{"content-encoding": "br"})).status_code == 415


async def test_a_body_may_be_nested_eight_deep(http: httpx.AsyncClient) -> None:
    assert (await post(http, nested(9))).json()["code"] == "invalid_request"
    eight = await post(http, nested(8))
    assert eight.json()["errors"][0]["code"] in ("required", "unknown_field")
    brackets_in_text = json.dumps({"lines": ["[" * 50 + '\\"' + "{" * 50]}).encode()
    assert (await post(http, brackets_in_text)).status_code == 200


async def test_other_media_types_are_refused(http: httpx.AsyncClient) -> None:
    for media in ("text/plain", "application/xml", "application/x-www-form-urlencoded", ""):
        refused = await post(http, b'{"lines": []}', **{"content-type": media})
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    assert (await http.post("/v1/client-imports", content=b"{}", headers=JSON)).status_code == 415


async def test_long_lists_are_refused(http: httpx.AsyncClient) -> None:
    fits = await post(http, json.dumps({"lines": ["x"] * 10_000}).encode())
    beyond = await post(http, json.dumps({"lines": ["x"] * 10_001}).encode())
    assert (fits.status_code, beyond.status_code, beyond.json()["errors"][0]["code"]) == (200, 422, "too_many")


@pytest.mark.parametrize("field", ["extra", "tenant_id", "$where", "_id", "created_by"])
async def test_an_unknown_field_is_refused_on_every_route_with_a_body(http: httpx.AsyncClient, field: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "/v1/client-lookups": {"lines": []},
        "/v1/clients": {"gstin": "x", "name": "y"},
        "/v1/buckets": {"selection": {"all": True}, "presets": ["only_2b"]},
        "/v1/buckets/b_x/actions": {"kind": "cancel"},
        "/v1/clients/c_x/otp-requests": {},
        "/v1/otp-requests/otp_x/submit": {"otp": "123456"},
        "/v1/client-imports/ci_x/commit": {},
    }
    for path, body in bodies.items():
        refused = await http.post(path, json={**body, field: "x"}, headers={"idempotency-key": "k"})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), path
        assert refused.json()["errors"][0]["pointer"] == f"/{field}"


@pytest.mark.parametrize("key", ["", " ", "with space", "é", "x" * 256])
async def test_an_idempotency_key_is_visible_ascii(http: httpx.AsyncClient, key: str) -> None:
    body = {"selection": {"all": True}, "presets": ["only_2b"]}
    refused = await http.post("/v1/buckets", json=body, headers={b"idempotency-key": key.encode()})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def guarded(api: Api, failing: Any, request_time_s: float = 5) -> httpx.AsyncClient:
    """The edge around one route that does as told."""
    app = FastAPI()
    app.state.gate, app.state.rates = api.app.state.gate, api.app.state.rates

    @app.get("/v1/failing")
    async def route(_: SignedIn) -> dict[str, str]:
        await failing()
        return {}

    problems.install(app)
    app.add_middleware(Edge, tracer=NoOpTracer(), meter=Unmetered(), request_time_s=request_time_s)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://api.test")
    client.headers["authorization"] = f"Bearer {api.token('t_one')}"
    api.clients.append(client)
    return client


async def test_a_request_beyond_its_time_is_stopped(api: Api) -> None:
    stopped = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            stopped.set()

    answer = await guarded(api, slow, request_time_s=0.05).get("/v1/failing")
    assert (answer.status_code, answer.json()["code"]) == (504, "timeout")
    assert stopped.is_set()


async def test_a_database_out_of_reach_is_told_as_such(api: Api) -> None:
    async def unreachable() -> None:
        raise ServerSelectionTimeoutError("host secret.internal")

    answer = await guarded(api, unreachable).get("/v1/failing")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "5")
    assert "secret" not in answer.text


async def test_a_bug_is_answered_without_its_text(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def bug() -> None:
        raise KeyError("29AAPFU0939F1ZV")

    with caplog.at_level(logging.ERROR):
        answer = await guarded(api, bug).get("/v1/failing")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "AAPFU" not in answer.text
    assert [getattr(record, "trace", None) for record in caplog.records] == [answer.json()["trace_id"]]


async def test_readiness_tells_what_is_missing(api: Api) -> None:
    http = api.anonymous()
    assert (await http.get("/readyz")).json() == {"ready": True, "missing": {}}
    api.missing["mongodb"] = "MongoRefused"
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "missing": {"mongodb": "MongoRefused"}})
    assert (await http.get("/healthz")).status_code == 200
