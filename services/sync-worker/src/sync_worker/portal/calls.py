"""Portal calls as they were made: what traces show of them, and who is asked before and told after each."""

from typing import Protocol

from msgspec import Struct

from sync_worker.modules.port import Refusal


class Use(Protocol):
    """One unit's use of a line."""

    async def permit(self, family: str) -> Refusal | None:
        """None: a call of this API family may be made now."""
        ...

    async def saw(self, family: str, refusal: Refusal | None) -> None:
        """What the portal answered to the call just made; None: with what was asked for."""
        ...


class CallMade(Struct, frozen=True):
    """One HTTP call: logical action, when it ended (epoch ms), how long it took (ms), its status (0: none)."""

    action: str
    ended_ms: int
    elapsed_ms: int
    http: int
