"""Which clients: a filter, and the query it becomes. Pure."""

import re
from typing import Any

from msgspec import Struct


class ClientFilter(Struct, frozen=True):
    """Which clients. Values of one field mean OR, fields mean AND; `q`: part of the name, a GSTIN or a PAN."""

    q: str | None = None
    tag: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    state_code: tuple[str, ...] = ()
    filing_frequency: tuple[str, ...] = ()


def query_of(wanted: ClientFilter) -> dict[str, Any]:
    """The filter as a MongoDB query."""
    query: dict[str, Any] = {
        field: {"$in": list(values)}
        for field, values in (
            ("tags", wanted.tag),
            ("status", wanted.status),
            ("state_code", wanted.state_code),
            ("filing_frequency", wanted.filing_frequency),
        )
        if values
    }
    if wanted.q:
        text = re.escape(wanted.q.strip())
        query["$or"] = [
            {"name": {"$regex": text, "$options": "i"}},
            {"trade_name": {"$regex": text, "$options": "i"}},
            {"gstin": {"$regex": re.escape(wanted.q.strip().upper())}},
        ]
    return query
