"""Settings of the dispatcher process."""

from pydantic import Field
from sync_runtime.settings import RuntimeSettings


class DispatchSettings(RuntimeSettings):
    """What the dispatcher needs beyond what every process needs."""

    mean_call_s: float = Field(default=1.0, gt=0, le=60)
    """Mean duration of a portal call. An assumption; it sizes the windows: units in flight = rate × (this + 5 s)."""

    window_without_rate: int = Field(default=10_000, ge=8, le=100_000)
    """Units in flight over all tenants while some line has no known rate."""

    memory_expiry_s: int = Field(default=600, ge=1, le=3_600)
    """How long a dispatched attempt is believed although no page shows it; doubled with repeats, at most six times."""
