"""Request rates and measures over HTTP."""

from collections.abc import Mapping

import httpx
from bucket_api.app import RequestMeter
from bucket_api.http.application import http_application
from bucket_api.http.rates import Policy
from opentelemetry.trace import NoOpTracer

from tests.component.api.conftest import Api
from tests.component.api.routes import CSV

FEW: Mapping[Policy, int] = {"default": 3, "heavy": 1, "otp": 2}


def limited(api: Api) -> None:
    """From now on the application allows a few requests a minute, and measures them."""
    services = api.app.state.services
    app = http_application(api.app.state.gate, NoOpTracer(), per_minute=FEW, meter=RequestMeter())
    app.state.services = services
    api.app = app


async def test_a_tenant_beyond_its_rate_waits_and_others_do_not(api: Api) -> None:
    limited(api)
    one, two = api.caller("t_one"), api.caller("t_two")
    answers = [await one.get("/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert answers[0].headers["ratelimit"] == '"default";r=2;t=20'
    refused = answers[3]
    assert (refused.json()["code"], refused.json()["policy"], refused.json()["retryable"]) == (
        "rate_limited",
        "default",
        True,
    )
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert refused.headers["ratelimit"].startswith('"default";r=0;')
    assert (await two.get("/v1/me")).status_code == 200


async def test_policies_of_a_tenant_are_apart(api: Api) -> None:
    limited(api)
    http = api.caller("t_one")
    csv = {"content-type": "text/csv"}
    imports = [await http.post("/v1/client-imports", content=CSV, headers=csv) for _ in range(2)]
    assert [answer.status_code for answer in imports] == [202, 429]
    codes = [await http.post("/v1/otp-requests/otp_x/submit", json={"otp": "123456"}) for _ in range(3)]
    assert [answer.status_code for answer in codes] == [404, 404, 429]
    assert codes[2].json()["policy"] == "otp"
    assert (await http.get("/v1/me")).status_code == 200


async def test_requests_without_a_scope_count_and_without_a_token_do_not(api: Api) -> None:
    limited(api)
    clerk, nobody = api.caller("t_one", "otp:write"), api.anonymous()
    answers = [await clerk.get("/v1/clients") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [403, 403, 403, 429]
    assert {(await nobody.get("/v1/clients")).status_code for _ in range(5)} == {401}
    assert {(await nobody.get("/readyz")).status_code for _ in range(5)} == {200}


async def test_requests_are_measured_by_route_and_never_by_tenant(api: Api) -> None:
    limited(api)
    http = api.caller("t_one")
    for path in ("/v1/clients/c_secret", "/v1/buckets/b_secret", "/nothing/here", "/v1/me"):
        await http.get(path)
    await http.request("FANTASY", "/v1/me")
    told = await exposition(api)
    assert 'api_requests_total{code="404",method="GET",route="/v1/clients/{client_id}"} 1.0' in told
    assert 'api_requests_total{code="404",method="GET",route="unknown"} 1.0' in told
    assert 'api_requests_total{code="429",method="GET",route="/v1/me"}' not in told
    assert 'method="other"' in told
    assert 'api_request_seconds_count{method="GET",route="/v1/me"} 1.0' in told
    await http.get("/v1/me")
    assert 'api_rate_limited_total{reason="default"} 1.0' in await exposition(api)
    for secret in ("secret", "t_one", "nothing", "FANTASY"):
        assert secret not in told


async def exposition(api: Api) -> str:
    answer: httpx.Response = await api.anonymous().get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text
