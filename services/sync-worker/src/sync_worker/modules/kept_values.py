"""Sections and files of sections that an attempt keeps for the next one, as values with the time of their reading."""

from collections.abc import Mapping
from typing import Any

from sync_worker.modules.canonical import Malformed
from sync_worker.modules.port import Parts
from sync_worker.modules.sections import Kept, keeping, kept_value


class KeptValues:
    """Values under one marker of the portal. Older than `not_before_ms` they are not joined any more."""

    def __init__(self, parts: Parts, gen: str, *, now_ms: int, not_before_ms: int, expected: int) -> None:
        self._parts = parts
        self._gen = gen
        self._now_ms = now_ms
        self._not_before_ms = not_before_ms
        self._expected = expected
        self._kept: Mapping[str, bytes] = {}

    async def load(self) -> None:
        """Read what earlier attempts have kept."""
        self._kept = await self._parts.kept(self._gen)

    def value(self, name: str, *, of_any_age: bool = False) -> Kept | None:
        """What was kept under a name, None when nothing that may be joined."""
        stored = self._kept.get(name)
        try:
            return None if stored is None else kept_value(stored, 0 if of_any_age else self._not_before_ms)
        except Malformed:
            return None

    async def keep(self, name: str, value: Any) -> None:
        """Keep a value, durably."""
        kept = keeping(value, self._now_ms)
        await self._parts.keep(name, kept, gen=self._gen, expected=self._expected)
