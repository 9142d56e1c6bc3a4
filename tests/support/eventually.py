"""Waiting for what will come true: by a deadline, never by a sleep of a guessed length."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

T = TypeVar("T")
POLL_S = 0.02
PATIENCE_S = 90.0
"""Ends a wait for what will never come; no promise of speed, so a busy machine never comes near it."""


@overload
async def eventually(
    condition: Callable[[], Coroutine[Any, Any, T]], deadline_s: float = PATIENCE_S, *, what: str = ""
) -> T: ...
@overload
async def eventually(condition: Callable[[], T], deadline_s: float = PATIENCE_S, *, what: str = "") -> T: ...
async def eventually(condition: Callable[[], Any], deadline_s: float = PATIENCE_S, *, what: str = "") -> Any:
    """Poll until the condition, plain or async, gives something true; returns it. AssertionError at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        _refuse_after(end, deadline_s, what, value)
        await asyncio.sleep(POLL_S)


def eventually_blocking(condition: Callable[[], T], deadline_s: float = PATIENCE_S, *, what: str = "") -> T:
    """`eventually` for tests without an event loop."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        _refuse_after(end, deadline_s, what, value)
        time.sleep(POLL_S)


def _refuse_after(end: float, deadline_s: float, what: str, value: object) -> None:
    if time.monotonic() > end:
        raise AssertionError(f"not within {deadline_s:g} s: {what or 'the condition'}; last seen: {value!r}")
