"""Frozen lists: order, membership and states of a list's first page, kept ten minutes: no unit twice, none missed."""

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorDatabase
from msgspec import Struct
from sync_contracts import collections

from bucket_api.scope import TenantScope

KEPT: Final = timedelta(minutes=10)


class FrozenList(Struct, frozen=True):
    """Units by number (row × columns + column) with their cell bytes. `facts`: numbers of the whole list."""

    bucket: str
    version: int
    numbers: Sequence[int]
    cells: bytes
    facts: Mapping[str, int]


class FrozenLists:
    """The collection that any API process reads the next page from."""

    def __init__(self, database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
        self._lists = database[collections.FROZEN_LISTS.name]

    async def keep(self, tenant: TenantScope, frozen: FrozenList, now: datetime) -> str:
        """Store a list; returns its id."""
        list_id = f"fl_{uuid4().hex}"
        document = {
            "_id": list_id,
            "bucket": frozen.bucket,
            "version": frozen.version,
            "numbers": struct.pack(f"<{len(frozen.numbers)}I", *frozen.numbers),
            "cells": frozen.cells,
            "facts": dict(frozen.facts),
            "expires_at": now + KEPT,
        }
        await self._lists.insert_one(tenant.owned(document))
        return list_id

    async def find(self, tenant: TenantScope, list_id: str, now: datetime) -> FrozenList | None:
        """The list, None when it is gone."""
        document = await self._lists.find_one(tenant.only({"_id": list_id, "expires_at": {"$gt": now}}))
        if document is None:
            return None
        numbers = struct.unpack(f"<{len(document['numbers']) // 4}I", document["numbers"])
        return FrozenList(document["bucket"], document["version"], numbers, document["cells"], document["facts"])
