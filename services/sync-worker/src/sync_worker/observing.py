"""What the end of an attempt says to metrics and traces. Pure."""

from typing import Final, assert_never

from sync_worker.execution.retry import Done, Ending, GiveUp, Stopped, TryAgain

SLOW_MS: Final = 30_000
"""An attempt that took so long is worth a span of its own."""


def code_of(ending: Ending) -> str:
    """The code of the event."""
    match ending:
        case Done(code=code) | TryAgain(code=code) | GiveUp(code=code):
            return code.value
        case Stopped():
            return "CANCELLED_BY_USER"
        case _:
            assert_never(ending)


def error_of(ending: Ending) -> str | None:
    """The code when the unit failed, or failed for now; None for what goes as it should."""
    match ending:
        case GiveUp(code=code) | TryAgain(code=code, counted=True):
            return code.value
        case _:
            return None
