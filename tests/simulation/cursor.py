"""A query of the database's client: nothing is asked before it is read."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from tests.simulation.documents import Document, projected


class Cursor:
    """A query that is carried out when it is read, as a whole."""

    def __init__(self, read: Callable[[], Any], projection: Any) -> None:
        self._read = read
        self._projection = projection
        self._order: Sequence[tuple[str, int]] = ()
        self._limit = 0

    def sort(self, keys: str | Sequence[tuple[str, int]], direction: int = 1) -> "Cursor":
        """Order the documents."""
        self._order = [(keys, direction)] if isinstance(keys, str) else keys
        return self

    def limit(self, limit: int) -> "Cursor":
        """At most so many documents; 0: all."""
        self._limit = limit
        return self

    def hint(self, _index: object) -> "Cursor":
        """There are no indexes to choose from."""
        return self

    def batch_size(self, _documents: int) -> "Cursor":
        """Everything is one batch."""
        return self

    async def to_list(self, length: int | None) -> list[Document]:
        """The documents."""
        found: list[Document] = await self._read()
        for field, direction in reversed(self._order):
            found = sorted(found, key=lambda document: document.get(field), reverse=direction < 0)  # type: ignore[arg-type, return-value]
        if self._limit:
            found = found[: self._limit]
        if length is not None:
            found = found[:length]
        return [projected(document, self._projection) for document in found]

    async def __aiter__(self) -> AsyncIterator[Document]:
        for document in await self.to_list(None):
            yield document
