"""Portal calls as they were made: what traces show of them."""

from msgspec import Struct


class CallMade(Struct, frozen=True):
    """One HTTP call: logical action, when it ended (epoch ms), how long it took (ms), its status (0: none)."""

    action: str
    ended_ms: int
    elapsed_ms: int
    http: int
