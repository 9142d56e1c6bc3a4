"""Tells how dispatching stands: tenants their share of the line, the metrics the rest. Information only."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from sync_contracts.line_reports import LineShareDocument

from bucket_api.dispatch.standing import ShareOfLine, Standing
from bucket_api.dispatch.store import StoreUnavailable

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0


class Stands(Protocol):
    """What stands somehow: the dispatcher."""

    def standing(self, now_ms: int) -> Standing: ...


class Shares(Protocol):
    """Where tenants' shares are kept."""

    async def tell(self, shares: Sequence[LineShareDocument]) -> None: ...


async def tell_standing(
    dispatcher: Stands,
    shares: Shares,
    now_ms: Callable[[], int],
    observe: Callable[[Standing], None],
    stopped: asyncio.Event,
) -> None:
    """Tell it every other second until stopped. What could not be written is told next time."""
    while not stopped.is_set():
        now = now_ms()
        standing = dispatcher.standing(now)
        observe(standing)
        try:
            await shares.tell([document_of(each, now) for each in standing.shares])
        except StoreUnavailable as error:
            log.warning("shares not told", extra={"action": "tell", "cause": str(error)})
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), EVERY_S)


def document_of(each: ShareOfLine, now_ms: int) -> LineShareDocument:
    """A tenant's share as it is stored."""
    share = each.share
    return LineShareDocument(
        _id=f"{share.tenant}:{share.line}",
        tenant_id=share.tenant,
        line_id=share.line,
        share=share.part,
        measured=each.measured,
        tenants_active=share.of,
        units_waiting=share.due,
        in_flight=share.in_flight,
        window=share.window,
        at=datetime.fromtimestamp(now_ms / 1000, UTC),
    )
