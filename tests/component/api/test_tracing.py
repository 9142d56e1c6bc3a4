"""The span of a request: named after its route, joined to the caller's trace, handed on with the bucket."""

import httpx
from bucket_api.http.application import http_application
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sync_runtime.settings import RuntimeSettings
from sync_runtime.telemetry import Telemetry

from tests.component.api.conftest import Api
from tests.component.api.firm import ONLY_2B, firm_of, started

PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


async def test_a_request_is_a_span_of_the_callers_trace_and_the_bucket_carries_it_on(api: Api) -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry(RuntimeSettings(instance_id="api"), "bucket-api", exporter=exporter)
    app = http_application(api.app.state.gate, telemetry.tracer)
    app.state.services = api.app.state.services
    await firm_of(api.database, 1)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
    http.headers.update({"authorization": f"Bearer {api.token('t_one')}", "traceparent": PARENT})
    async with http:
        bucket = await started(http, ONLY_2B)
        await http.get(f"/v1/buckets/{bucket['id']}")
    start, look = exporter.get_finished_spans()
    assert (start.name, look.name) == ("POST /v1/buckets", "GET /v1/buckets/{bucket_id}")
    assert start.context is not None
    assert start.parent is not None
    assert (f"{start.context.trace_id:032x}", f"{start.parent.span_id:016x}") == ("ab" * 16, "cd" * 8)
    stored = await api.database["buckets"].find_one({"_id": bucket["id"]})
    assert stored is not None
    assert stored["trace"] == f"00-{'ab' * 16}-{start.context.span_id:016x}-01"
    assert dict(look.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/buckets/{bucket_id}",
        "http.response.status_code": 200,
    }
