"""Dead letters: records that no handler may act on, kept with the reason and where they came from."""

from collections import deque
from enum import StrEnum
from typing import Final

MAX_VALUE_BYTES: Final = 524_288
CONSECUTIVE_LIMIT: Final = 20
WINDOW: Final = 200
WINDOW_RATIO: Final = 0.10


class DeadLetterReason(StrEnum):
    """Why a record was refused; header `dlq-reason`."""

    UNDECODABLE = "UNDECODABLE"
    SCHEMA = "SCHEMA"
    WRONG_TENANT = "WRONG_TENANT"
    UNKNOWN_UNIT = "UNKNOWN_UNIT"
    AHEAD = "AHEAD"
    TOO_LARGE = "TOO_LARGE"


def headers(reason: DeadLetterReason, topic: str, partition: int, offset: int, at_ms: int) -> list[tuple[str, bytes]]:
    """Headers of a dead letter, to be put after the original ones."""
    return [
        ("dlq-topic", topic.encode()),
        ("dlq-partition", str(partition).encode()),
        ("dlq-offset", str(offset).encode()),
        ("dlq-reason", reason.value.encode()),
        ("dlq-at", str(at_ms).encode()),
    ]


def cut(value: bytes | None) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """The value as it is kept: above 512 KiB it is cut and marked by a header."""
    if value is None or len(value) <= MAX_VALUE_BYTES:
        return value, []
    return value[:MAX_VALUE_BYTES], [("dlq-cut", str(len(value)).encode())]


class InvalidRate:
    """Remembers the last 200 records: too many invalid ones mean a bad deployment, and the consumer stops instead."""

    def __init__(self) -> None:
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._consecutive = 0
        self._invalid = 0

    def note(self, valid: bool) -> bool:
        """Count one record; True when the consumer must stop and raise an alarm."""
        if len(self._window) == WINDOW:
            self._invalid -= not self._window[0]
        self._window.append(valid)
        self._invalid += not valid
        self._consecutive = 0 if valid else self._consecutive + 1
        full = len(self._window) == WINDOW
        return self._consecutive > CONSECUTIVE_LIMIT or (full and self._invalid > WINDOW * WINDOW_RATIO)
