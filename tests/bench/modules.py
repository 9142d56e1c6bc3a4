"""Modules that only benchmarks know: nothing to do, something to store, something to wait for."""

import os
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.port import Fetched, Observed, Parts, Portal, Refusal, Request, Result, SyncModule

NULL: Final = "null"
STORED: Final = "stored"
WAITING: Final = "waiting"
BODY_BYTES: Final = 2_000
CALL_MS: Final = 200
CALL_TIMEOUT_S: Final = 30.0
CONNECTIONS: Final = 600
"""More than units in flight."""


class NullModule:
    """Makes no call, takes no fence, stores nothing."""

    name = NULL
    stores = False

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        """Nothing was there."""
        return Observed(Code.EMPTY, None)


class StoringModule:
    """Makes no call and brings 2 kB that nobody has seen before, so that each unit stores a new version."""

    name = STORED
    stores = True

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        """Made-up records that hardly compress."""
        body = b'{"records":"%b"}' % os.urandom(BODY_BYTES // 2).hex().encode()
        return Fetched(body=body, rows=1, flags=0, marker=None, totals={}, sections={"all": 1})


class WaitingModule:
    """Makes one call that takes 200 ms at the other end, as a worker would make it, and stores nothing."""

    name = WAITING
    stores = False

    def __init__(self, address: str) -> None:
        self._url = f"{address}/bench/null?delay_ms={CALL_MS}"
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(client=_session, trust_env=False), timeout=CALL_TIMEOUT_S, trust_env=False
        )

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        """Call and wait."""
        answer = await self._http.get(self._url)
        if answer.status_code == httpx.codes.NO_CONTENT:
            return Observed(Code.EMPTY, None)
        return Refusal(OutcomeClass.UNKNOWN, http=answer.status_code)


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, limit_per_host=CONNECTIONS)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def all_modules() -> dict[str, SyncModule]:
    """What the worker of a benchmark knows beside the product's modules."""
    modules: tuple[SyncModule, ...] = (NullModule(), StoringModule(), WaitingModule(os.environ["SB_PORTAL_URL"]))
    return {module.name: module for module in modules}
