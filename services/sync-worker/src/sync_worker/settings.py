"""Settings of the worker, read from the environment (prefix `SB_`)."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from sync_runtime.settings import RuntimeSettings

from sync_worker.limits.breaker import Rules
from sync_worker.limits.budget import LineRate
from sync_worker.portal.gsp.line import Account


class Settings(RuntimeSettings):
    """What the worker needs beyond what every process needs. No credential has a default."""

    max_inflight: int = Field(default=256, ge=1, le=2_000)
    """Units that ask the portal at the same time in this process. How often it is asked is the line's rate;
    more units in flight share their reads and writes of the database better."""

    portal_url: str = "http://127.0.0.1:18090"
    portal_line: str = Field(default="up_gst_1", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of the line (`line_id` of clients) that this account serves."""
    portal_name: str = Field(default="GST portal", max_length=64)
    """Its name for people."""
    portal_simulated: bool = False
    """Whether the portal is a simulated one; everybody who sees the line is told so."""
    portal_style: Literal["passthrough", "managed"] = "passthrough"
    """How the GSP wants to be spoken to; the name of a profile."""
    portal_client_id: str
    portal_client_secret: SecretStr
    portal_asp_username: str = ""
    portal_asp_password: SecretStr = SecretStr("")
    portal_email: str = ""
    portal_ip: str = "127.0.0.1"
    """Address that the GSP asks for in each call."""
    portal_rate_per_s: float | None = Field(default=None, gt=0, le=100_000)
    """Calls a second that the line tolerates, shared by all workers; empty: no limit is known, none is kept."""
    portal_burst: float = Field(default=10, ge=1, le=100_000)
    """Calls that the line tolerates at once after a pause; at least half a second's worth uses the rate fully."""
    gate_closed_s: float = Field(default=60, gt=0, le=900)
    """How long a gate closes when the portal fails; doubled with each probe that fails."""
    gate_closed_most_s: float = Field(default=900, gt=0, le=7_200)
    """Longest time between two probes of a closed gate."""
    gate_probe_s: float = Field(default=10, gt=0, le=120)
    """How long a probe may take until another one is sent."""

    worker_extra_modules: str = ""
    """For benchmarks and tests only: `package.module:factory`, a callable that returns further modules by name."""

    @field_validator("portal_rate_per_s", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    def account(self) -> Account:
        """Our own access at the GSP."""
        return Account(
            self.portal_client_id,
            self.portal_client_secret.get_secret_value(),
            ip=self.portal_ip,
            email=self.portal_email,
            asp_username=self.portal_asp_username,
            asp_password=self.portal_asp_password.get_secret_value(),
        )

    def breaker_rules(self) -> Rules:
        """When gates close, and for how long."""
        return Rules(
            first_ms=round(self.gate_closed_s * 1000),
            most_ms=round(self.gate_closed_most_s * 1000),
            probe_ms=round(self.gate_probe_s * 1000),
        )

    def rates(self) -> dict[str, LineRate]:
        """Limits by line; none for a line without one."""
        if self.portal_rate_per_s is None:
            return {}
        rate = LineRate(self.portal_rate_per_s, self.portal_burst, self.portal_name, self.portal_simulated)
        return {self.portal_line: rate}
