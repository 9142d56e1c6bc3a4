"""What the worker tells of itself: metrics, calls of the last minutes, a span of each attempt."""

from collections.abc import Callable
from typing import Final, Protocol, assert_never

from sync_contracts.dead_letters import DeadLetterReason

from sync_worker.execution.retry import Done, Ending, GiveUp, Stopped, TryAgain
from sync_worker.execution.runner import Ended
from sync_worker.recent_calls import RecentCalls

SLOW_MS: Final = 30_000
"""An attempt that took so long is worth a span of its own."""


class Counter(Protocol):
    def inc(self, amount: float = 1) -> None: ...


class Histogram(Protocol):
    def observe(self, amount: float) -> None: ...


class Meters(Protocol):
    """Children of the process's metrics, by name and labels."""

    def counter(self, name: str, *labels: str) -> Counter: ...
    def histogram(self, name: str, *labels: str) -> Histogram: ...


class UnitSpan(Protocol):
    """Records the span of an attempt with its calls, if its trace is sampled, or it failed, or was slow."""

    def __call__(self, ended: Ended, code: str, /, *, error: str | None, slow: bool) -> None: ...


class Observing:
    """Hears what happens in the worker. `clock_s`: seconds of a clock that never goes back."""

    def __init__(self, meters: Meters, unit_span: UnitSpan, recent: RecentCalls, clock_s: Callable[[], float]) -> None:
        self._meters = meters
        self._unit_span = unit_span
        self._recent = recent
        self._clock_s = clock_s

    def ended(self, ended: Ended) -> None:
        """An attempt has its event."""
        module, code, meters = ended.delivery.command.module, code_of(ended.ending), self._meters
        duration_ms = ended.ended_ms - ended.started_ms
        meters.counter("worker_units_total", module, code).inc()
        meters.histogram("worker_unit_seconds", module).observe(duration_ms / 1000)
        if ended.timing.calls:
            meters.counter("worker_portal_calls_total", module).inc(ended.timing.calls)
            now_s = self._clock_s()
            for call in ended.calls:
                self._recent.note(now_s, call.elapsed_ms, call.http)
        self._unit_span(ended, code, error=error_of(ended.ending), slow=duration_ms >= SLOW_MS)

    def guarded(self, reason: str) -> None:
        """Work was left undone because it was done or overtaken."""
        self._meters.counter("worker_guards_total", reason).inc()

    def permit(self, line: str, family: str, what: str) -> None:
        """What became of a permit, or of a gate."""
        self._meters.counter("worker_permits_total", line, family, what).inc()

    def dead_letter(self, topic: str, reason: DeadLetterReason) -> None:
        """A record may not be acted on."""
        self._meters.counter("sync_dead_letters_total", topic, reason.value).inc()


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
