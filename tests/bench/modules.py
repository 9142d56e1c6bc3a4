"""Modules that only benchmarks know: nothing to do, something to store, something to wait for."""

import os
from typing import Final

from sync_contracts.outcomes import Code, OutcomeClass
from sync_worker.modules.port import Fetched, Observed, Parts, Portal, Refusal, Request, Result, SyncModule
from sync_worker.portal.gsp.client import GspClient
from sync_worker.portal.gsp.envelope import Reply
from sync_worker.portal.gsp.profile import Question

NULL: Final = "null"
STORED: Final = "stored"
WAITING: Final = "waiting"
BODY_BYTES: Final = 2_000
CALL_MS: Final = 200
CONNECTIONS: Final = 600
"""More than units in flight."""
NO_CONTENT: Final = 204
QUESTION: Final = Question(
    action="bench",
    method="GET",
    path="bench/null",
    query={"delay_ms": str(CALL_MS)},
    headers={},
    body=None,
)


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
    """Makes one call that takes 200 ms at the other end, by the product's own client, and stores nothing."""

    name = WAITING
    stores = False

    def __init__(self, address: str) -> None:
        self._client = GspClient(address, connections=CONNECTIONS)

    async def sync(self, request: Request, portal: Portal, parts: Parts) -> Result:  # noqa: ARG002
        """Call and wait."""
        reply = await self._client.send(QUESTION)
        if isinstance(reply, Reply) and reply.http == NO_CONTENT:
            return Observed(Code.EMPTY, None)
        return Refusal(OutcomeClass.UNKNOWN)


def all_modules() -> dict[str, SyncModule]:
    """What the worker of a benchmark knows beside the product's modules."""
    modules: tuple[SyncModule, ...] = (NullModule(), StoringModule(), WaitingModule(os.environ["SB_PORTAL_URL"]))
    return {module.name: module for module in modules}
