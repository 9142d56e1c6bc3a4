"""Every route of the API with a request that would succeed for its owner. Tests walk this list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from tests.component.api.conftest import START, Api
from tests.component.api.firm import ONLY_2B, firm_of, start
from tests.support.gstins import fictitious_gstin


@dataclass(frozen=True)
class Call:
    """One request. `{client}`, `{bucket}` … in the path are filled from a world."""

    method: str
    path: str
    scope: str | None
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None

    async def send(self, http: httpx.AsyncClient, world: Mapping[str, str]) -> httpx.Response:
        path = self.path.format_map(world)
        if self.content is not None:
            return await http.request(self.method, path, content=self.content, headers={"content-type": "text/csv"})
        return await http.request(self.method, path, json=self.body, headers=dict(self.headers))


KEY = {"idempotency-key": "walk", "prefer": "wait=0"}
LINE = "up_gst_1"
WINDOW = {"line_id": LINE, "from": "2026-11-25T00:00:00Z", "to": "2026-11-25T02:00:00Z"}
CSV = f"gstin,name\n{fictitious_gstin(77)},Imported\n".encode()
SCHEDULE = {"name": "Daily", "plan": ONLY_2B, "when": {"kind": "daily", "at": "07:00"}}
SUSPENDED = {"state": "suspended", "n": 10, "first_at": 1, "last_at": 2, "run": 3, "reason": "otp_required"}
CALLS = (
    Call("GET", "/v1/me", None),
    Call("GET", "/v1/presets", None),
    Call("GET", "/v1/modules", None),
    Call("GET", "/v1/reasons", None),
    Call("GET", "/v1/problems", None),
    Call("GET", "/v1/openapi.json", None),
    Call("GET", "/v1/clients", "clients:read"),
    Call("GET", "/v1/clients/{client_id}", "clients:read"),
    Call("POST", "/v1/client-lookups", "clients:read", {"lines": ["x"]}),
    Call("POST", "/v1/clients", "clients:write", {"gstin": fictitious_gstin(78), "name": "New"}),
    Call("POST", "/v1/client-imports", "clients:write", content=CSV),
    Call("GET", "/v1/client-imports/{import_id}", "clients:write"),
    Call("GET", "/v1/client-imports/{import_id}/rows", "clients:write"),
    Call("GET", "/v1/client-imports/{import_id}/errors.csv", "clients:write"),
    Call("POST", "/v1/client-imports/{import_id}/commit", "clients:write", {}),
    Call("DELETE", "/v1/client-imports/{import_id}", "clients:write"),
    Call("GET", "/v1/access", "access:read"),
    Call("GET", "/v1/clients/{client_id}/access", "access:read"),
    Call("POST", "/v1/clients/{client_id}/access-checks", "access:read", None, KEY),
    Call("POST", "/v1/clients/{client_id}/otp-requests", "otp:write", {}, KEY),
    Call("GET", "/v1/otp-requests/{request_id}", "otp:write"),
    Call("POST", "/v1/otp-requests/{request_id}/submit", "otp:write", {"otp": "123456"}, KEY),
    Call("PUT", "/v1/clients/{client_id}/credential", "access:write", {"username": "somebody"}),
    Call("POST", "/v1/clients/{client_id}/mended", "otp:write", {"reason": "password_expired"}),
    Call("DELETE", "/v1/clients/{client_id}/credential", "access:write"),
    Call("POST", "/v1/buckets", "buckets:write", {"selection": {"all": True}, "modules": ["notices"]}, KEY),
    Call("GET", "/v1/buckets", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/units", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/units/{unit_id}", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/units/{unit_id}/attempts", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/gaps", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/groups", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/snapshot", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/statement", "buckets:read"),
    Call("POST", "/v1/buckets/{bucket_id}/actions", "buckets:write", {"kind": "cancel"}, KEY),
    Call("GET", "/v1/buckets/{bucket_id}/runs", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/runs/{run}", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/actions", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/actions/{action_id}", "buckets:read"),
    Call("GET", "/v1/buckets/{bucket_id}/actions/{action_id}/results", "buckets:read"),
    Call("GET", "/v1/schedules", "buckets:read"),
    Call("POST", "/v1/schedules", "buckets:write", SCHEDULE),
    Call("GET", "/v1/schedules/{schedule_id}", "buckets:read"),
    Call("PATCH", "/v1/schedules/{schedule_id}", "buckets:write", {"enabled": True}, {"if-match": '"1"'}),
    Call("GET", "/v1/schedules/{schedule_id}/occurrences", "buckets:read"),
    Call("POST", "/v1/schedules/{schedule_id}/run", "buckets:write"),
    Call("GET", "/v1/schedules/{schedule_id}/suspensions", "buckets:read"),
    Call("DELETE", "/v1/schedules/{schedule_id}/suspensions/{client_id}", "buckets:write"),
    Call("DELETE", "/v1/schedules/{schedule_id}", "buckets:write", None, {"if-match": '"2"'}),
    Call("GET", "/v1/calendar", "buckets:read"),
    Call("PUT", "/v1/calendar/{event}/{period}", "buckets:write", {"on": "2026-12-17"}),
    Call("DELETE", "/v1/calendar/{event}/{period}", "buckets:write"),
    Call("GET", "/v1/upstreams", "upstreams:read"),
    Call("GET", "/v1/upstreams/{line_id}", "upstreams:read"),
    Call("PATCH", "/v1/upstreams/{line_id}", "upstreams:admin", {"limit_per_s": 7}),
    Call("GET", "/v1/upstreams/{line_id}/history", "upstreams:read"),
    Call("GET", "/v1/maintenance-windows", "upstreams:read"),
    Call("POST", "/v1/maintenance-windows", "upstreams:admin", WINDOW),
    Call("DELETE", "/v1/maintenance-windows/{window_id}", "upstreams:admin"),
)
PUBLIC = (Call("GET", "/healthz", None), Call("GET", "/readyz", None))


def served(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route of the published API."""
    for route in iter_route_contexts(app.routes):
        if route.path is not None and route.include_in_schema:
            for method in route.methods or ():
                yield method, route.path


async def world_of(api: Api, tenant: str) -> dict[str, str]:
    """One of everything that a tenant can have, with its ids."""
    http = api.caller(tenant)
    await firm_of(api.database, 2, tenant)
    bucket = (await start(http, ONLY_2B)).json()["id"]
    action = await http.post(f"/v1/buckets/{bucket}/actions", json={"kind": "cancel"}, headers={"idempotency-key": "w"})
    checked = await http.post("/v1/client-imports", content=CSV, headers={"content-type": "text/csv"})
    client = f"c_{tenant[2:]}_1"
    path = f"/v1/clients/{client}/otp-requests"
    asked = await http.post(path, json={}, headers={"idempotency-key": "w", "prefer": "wait=0"})
    window = {"id": f"mw_{client[2:]}", "family": None, "from": START, "to": START + timedelta(days=1), "note": None}
    await api.database["upstreams"].update_one({"_id": LINE}, {"$push": {"windows": window}}, upsert=True)
    await api.database["otp_requests"].update_one({"_id": asked.json()["id"]}, {"$set": {"state": "sent"}})
    schedule = (await http.post("/v1/schedules", json=SCHEDULE)).json()["id"]
    place = {"schedule": schedule, "client": client, "module": "gstr2b"}
    streak = {"_id": f"{schedule}:{client}:gstr2b", "tenant_id": tenant, **place, **SUSPENDED}
    await api.database["schedule_streaks"].insert_one(streak)
    return {
        "client_id": client,
        "bucket_id": bucket,
        "action_id": action.json()["id"],
        "import_id": checked.json()["id"],
        "request_id": asked.json()["id"],
        "unit_id": "u_0_0",
        "run": "1",
        "schedule_id": schedule,
        "event": "gstr2b_published",
        "period": "2026-11",
        "line_id": LINE,
        "window_id": window["id"],
    }
