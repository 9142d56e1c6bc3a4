"""Settings of the aggregator, read from the environment (prefix `SB_`)."""

from pydantic import Field
from sync_contracts.units import DEFAULT_LIMITS, Limits
from sync_runtime.settings import RuntimeSettings

from status_aggregator.aggregator import DEFAULT_CACHED_PAGES


class Settings(RuntimeSettings):
    """What the aggregator needs beyond what every process needs."""

    cached_pages: int = Field(default=DEFAULT_CACHED_PAGES, ge=32, le=10_000)
    """Images of pages kept in memory, at most about 80 kB each."""
    dispatched_deadline_ms: int = Field(default=DEFAULT_LIMITS.dispatched_ms, gt=0)
    """A dispatched unit of which nothing is heard for so long is dispatched again."""
    running_deadline_ms: int = Field(default=DEFAULT_LIMITS.running_ms, gt=0)
    """The same for a unit that a worker has started."""
    cancelling_deadline_ms: int = Field(default=DEFAULT_LIMITS.cancelling_ms, gt=0)
    """How long units in flight may still end by themselves once the bucket is cancelled."""

    def limits(self) -> Limits:
        """The bounds that `fold` works with."""
        return Limits(
            dispatched_ms=self.dispatched_deadline_ms,
            running_ms=self.running_deadline_ms,
            cancelling_ms=self.cancelling_deadline_ms,
        )
