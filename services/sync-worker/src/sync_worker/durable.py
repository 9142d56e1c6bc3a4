"""Database operations that may be repeated, until the database answers: a fail-over is only a delay."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

T = TypeVar("T")
Document = dict[str, Any]
Database = AsyncIOMotorDatabase[Document]

DEADLINE_S: Final = 60.0
PAUSE_S: Final = 0.25
_FAIL_OVER: Final = frozenset({91, 189, 10107, 11600, 11602, 13435, 13436})
"""Server codes: shutdown in progress, stepped down, not primary, interrupted, primary not found."""


class StoreUnavailable(Exception):
    """The database did not answer within the deadline: the process ends and its records are delivered again."""

    log_safe = True


def is_outage(error: Exception) -> bool:
    """Whether the error tells nothing of the operation, only that the database could not be asked."""
    if not isinstance(error, PyMongoError):
        return False
    if isinstance(error, ConnectionFailure) or error.timeout:
        return True
    return isinstance(error, OperationFailure) and error.code in _FAIL_OVER


async def until_answered(
    operation: Callable[[], Awaitable[T]], *, deadline_s: float = DEADLINE_S, pause_s: float = PAUSE_S
) -> T:
    """Carry out an operation that may be repeated; raises `StoreUnavailable` when no answer comes in time."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + deadline_s
    while True:
        try:
            return await operation()
        except PyMongoError as error:
            if not is_outage(error):
                raise
            if loop.time() >= give_up_at:
                raise StoreUnavailable(f"no answer within {deadline_s} s") from error
        await asyncio.sleep(pause_s)
