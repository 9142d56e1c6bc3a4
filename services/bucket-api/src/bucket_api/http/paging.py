"""One page of a list whose items stand in the order of an immutable key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct

from bucket_api.http import pagetokens
from bucket_api.http.pagetokens import Position
from bucket_api.scope import TenantScope


class Cursor(Struct, frozen=True):
    """Where a page begins, and what the token of the next one is bound to."""

    position: Position
    bound_to: str
    now_ms: int

    def next_after(self, documents: list[dict[str, Any]], *, more: bool) -> str | None:
        """Token for the page after these documents."""
        if not more or not documents:
            return None
        return pagetokens.issue(self.bound_to, Position(after=documents[-1]["_id"]), self.now_ms)

    def next_at(self, offset: int | None, list_id: str | None) -> str | None:
        """Token for the page of a frozen list that begins at an offset."""
        if offset is None:
            return None
        return pagetokens.issue(self.bound_to, Position(offset=offset, list_id=list_id), self.now_ms)


def cursor(tenant: TenantScope, route: str, filters: Mapping[str, Any], token: str | None, now: datetime) -> Cursor:
    """The cursor of a request. Raises `page_token_mismatch` or `page_token_expired`."""
    now_ms = int(now.timestamp() * 1000)
    bound_to = pagetokens.binding(tenant, route, filters)
    return Cursor(pagetokens.read(token, bound_to, now_ms), bound_to, now_ms)
