"""Parts of units in memory."""

from collections.abc import Mapping


class MemoryParts:
    """What earlier attempts of one unit kept, under one generation at a time."""

    def __init__(self) -> None:
        self.gen: str | None = None
        self.stored: dict[str, bytes] = {}
        self.expected = 0

    async def kept(self, gen: str) -> Mapping[str, bytes]:
        return dict(self.stored) if gen == self.gen else {}

    async def keep(self, name: str, data: bytes, *, gen: str, expected: int) -> None:
        if gen != self.gen:
            self.gen, self.stored = gen, {}
        self.stored[name] = data
        self.expected = expected
