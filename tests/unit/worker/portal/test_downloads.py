"""Archives over a line: from its own host only, under a permit, and what is no archive is a refusal."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from sync_contracts.outcomes import OutcomeClass
from sync_worker.modules.port import Refusal
from sync_worker.portal.gsp.client import GspClient
from sync_worker.portal.gsp.line import Account, Line, Meter
from sync_worker.portal.gsp.profile import load_profile

VALUES = {"gstin": "27AAPFU0939F1ZV", "state_code": "27", "username": "user", "token": "tok"}
ARCHIVE = gzip.compress(b"tar", mtime=0)
LINK = "abc/1.tar.gz?digest=d&expires=1"


class Permits:
    def __init__(self, refusal: Refusal | None = None) -> None:
        self.told: list[OutcomeClass | None] = []
        self._refusal = refusal

    async def permit(self, family: str) -> Refusal | None:
        assert family == "returns"
        return self._refusal

    async def saw(self, family: str, refusal: Refusal | None) -> None:  # noqa: ARG002
        self.told.append(None if refusal is None else refusal.outcome)


Handler = Callable[[httpx.Request], httpx.Response]


async def download(handler: Handler, url: str = LINK, permits: Permits | None = None) -> bytes | Refusal:
    client = GspClient("http://portal.invalid/gsp", transport=httpx.MockTransport(handler))
    line = Line(
        "up", load_profile("passthrough"), client, Account("id", "s"), lambda: datetime(2026, 11, 24, tzinfo=UTC)
    )
    return await line.download("file.get", url, VALUES, Meter(permits or Permits()))


async def test_a_file_is_fetched_below_the_gateway_with_the_headers_of_the_session() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=ARCHIVE)

    permits = Permits()
    assert await download(handler, permits=permits) == ARCHIVE
    assert str(seen[0].url) == "http://portal.invalid/gsp/files/abc/1.tar.gz?digest=d&expires=1"
    assert (seen[0].headers["auth-token"], seen[0].headers["gstin"]) == ("tok", "27AAPFU0939F1ZV")
    assert permits.told == [None]


@pytest.mark.parametrize("url", ["http://elsewhere.example/a.tar.gz", "//elsewhere.example/a", "../admin", "a#b"])
async def test_a_link_that_leads_elsewhere_is_never_followed(url: str, caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked {request.url}")

    assert await download(handler, url) == Refusal(OutcomeClass.INTEGRITY)
    (told,) = caplog.records
    assert vars(told)["action"] == "file_link"
    assert "elsewhere" not in str(vars(told)).replace("a link leads elsewhere", "")


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (httpx.Response(200, json={"status_cd": "0", "error": {"error_cd": "LINK_EXPIRED"}}), OutcomeClass.UNKNOWN),
        (httpx.Response(200, json={"status_cd": "1", "data": {}}), OutcomeClass.INTEGRITY),
        (httpx.Response(200, content=b"neither"), OutcomeClass.UNKNOWN),
        (httpx.Response(403, content=b"gone"), OutcomeClass.INTEGRITY),
        (httpx.Response(404, content=ARCHIVE), OutcomeClass.INTEGRITY),
        (httpx.Response(503, content=b"later"), OutcomeClass.TRANSIENT),
        (httpx.Response(200, json={"status_cd": "0", "error": {"error_cd": "AUTH158"}}), OutcomeClass.REFRESH),
    ],
)
async def test_what_comes_in_place_of_an_archive_is_a_refusal(response: httpx.Response, outcome: OutcomeClass) -> None:
    refused = await download(lambda _: response)
    assert isinstance(refused, Refusal)
    assert refused.outcome is outcome


async def test_without_a_permit_nothing_is_asked() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise AssertionError("asked")

    limited = Refusal(OutcomeClass.RATE_LIMITED)
    assert await download(handler, permits=Permits(limited)) == limited
